#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "experiments/advise/advice.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {
namespace {

constexpr size_t columns = 110;
constexpr size_t most_rejected = 12;  // that are listed; JSON has all

/// Broken at spaces so that no line is wider, with `indent` before all but the first.
std::string wrapped(const std::string& text, size_t indent) {
  std::string out;
  size_t at = 0;
  size_t width = columns;
  while (text.size() - at > width) {
    size_t end = text.rfind(' ', at + width);
    if (end == std::string::npos || end <= at) end = std::min(text.find(' ', at), text.size());
    out += text.substr(at, end - at);
    at = std::min(end + 1, text.size());
    if (at == text.size()) return out + '\n';
    out += '\n' + std::string(indent, ' ');
    width = columns - indent;
  }
  return out + text.substr(at) + '\n';
}

std::string line(const std::string& text) { return wrapped("  " + text, 4); }

/// A policy's label in pieces no wider than `width`, cut before '+' and after ','.
std::vector<std::string> pieces(const std::string& label, size_t width) {
  std::vector<std::string> out(1);
  std::string piece;
  const auto flush = [&] {
    if (!out.back().empty() && out.back().size() + piece.size() > width) out.emplace_back("  ");
    out.back() += piece;
    piece.clear();
  };
  for (const char c : label) {
    if (c == '+') flush();
    piece += c;
    if (c == ',') flush();
  }
  flush();
  return out;
}

std::string label(const Candidate& candidate) { return policy_cell(candidate.policy, TextStyle::plain); }

/// The goal and what limits it comes first; what is always worth a look follows.
std::vector<const Metric*> shown_metrics(const Advice& advice) {
  std::vector<const Metric*> shown = {advice.goal.metric};
  const auto add = [&](const Metric& metric) {
    if (std::find(shown.begin(), shown.end(), &metric) == shown.end()) shown.push_back(&metric);
  };
  for (const Limit& limit : advice.limits) add(*limit.metric);
  for (const char* name : {"bytes_share", "kl", "decode_ms", "max_batch"}) add(find_metric("advice", name));
  return shown;
}

/// "behind": by how much the goal's figure is worse than the best policy's.
std::string behind(const Advice& advice, const Candidate& candidate) {
  const Metric& metric = *advice.goal.metric;
  const CandidateFigure* figure = candidate.figure(metric);
  const CandidateFigure* best = advice.candidates[advice.ranking.within.front()].figure(metric);
  if (figure == nullptr || best == nullptr || best->value == 0.0) return "-";
  return fmt::format("{:+.1f} %", (figure->value / best->value - 1.0) * 100.0);
}

std::string table_of(const Advice& advice, const std::vector<const Metric*>& shown) {
  std::vector<Cells> table = {{"policy"}};
  for (const Metric* metric : shown) {
    table.front().push_back(metric->name);
    if (metric == advice.goal.metric) table.front().emplace_back("vs best");
  }
  for (size_t i = 0; i < std::min(advice.top, advice.ranking.within.size()); ++i) {
    const Candidate& candidate = advice.candidates[advice.ranking.within[i]];
    const std::vector<std::string> names = pieces(fmt::format("{} {}", i + 1, label(candidate)), 30);
    Cells cells = {names.front()};
    for (const Metric* metric : shown) {
      const CandidateFigure* figure = candidate.figure(*metric);
      cells.push_back(figure == nullptr ? "-" : value_text(*metric, figure->value));
      if (metric == advice.goal.metric) cells.push_back(behind(advice, candidate));
    }
    table.push_back(cells);
    for (size_t k = 1; k < names.size(); ++k) {
      Cells rest(cells.size());
      rest.front() = names[k];
      table.push_back(rest);
    }
  }
  return format_table(table, TextStyle::plain);
}

/// With as many figures as there is room for.
std::string ranking_table(const Advice& advice) {
  std::vector<const Metric*> shown = shown_metrics(advice);
  std::string table = table_of(advice, shown);
  while (shown.size() > 1 && table.find('\n') > columns) {
    shown.pop_back();
    table = table_of(advice, shown);
  }
  return table;
}

/// "1.6 % off", "11.8 times as much".
std::string miss_text(const Limit& limit, const CandidateFigure& figure) {
  const double times = figure.decisive(*limit.metric) / limit.value;
  if (limit.metric->smaller_is_better && limit.value > 0.0 && times >= 2.0)
    return fmt::format("{:.1f} times as much", times);
  return fmt::format("{:.1f} % off", excess(limit, figure) * 100.0);
}

/// Which limits it breaks, and by how much.
std::string misses(const Advice& advice, const Candidate& candidate) {
  std::string out;
  for (const Limit& limit : standing(candidate, advice.limits).broken) {
    const CandidateFigure& figure = *candidate.figure(*limit.metric);
    out += fmt::format("{}{} {} {} ({})", out.empty() ? "" : "; ", figure_text(*limit.metric, figure),
                       limit.metric->smaller_is_better ? ">" : "<", value_text(*limit.metric, limit.value),
                       miss_text(limit, figure));
  }
  return out;
}

std::string verdict(const Advice& advice) {
  if (advice.ranking.empty()) {
    std::string out = "No policy holds all limits.\n";
    if (const Limit* hardest = hardest_limit(advice.candidates, advice.limits))
      out += line(fmt::format("The hardest limit is {}.", limit_text(*hardest)));
    if (const std::optional<size_t> near = closest(advice.candidates, advice.limits)) {
      const Candidate& candidate = advice.candidates[*near];
      out += line(fmt::format("The closest is {}: {}.", label(candidate), misses(advice, candidate)));
    } else if (!advice.ranking.not_measured.empty()) {
      out += line("No candidate has all the figures that the limits ask for: see \"Not measured\".");
    }
    return out;
  }
  const Candidate& best = advice.candidates[advice.ranking.within.front()];
  const CandidateFigure* figure = best.figure(*advice.goal.metric);
  std::string out = fmt::format("Best: {}, {}", label(best),
                                figure == nullptr ? "whose " + advice.goal.metric->name + " is not known"
                                                  : figure_text(*advice.goal.metric, *figure));
  if (advice.ranking.within.size() > 1) {
    const Candidate& second = advice.candidates[advice.ranking.within[1]];
    out += fmt::format("; the runner-up {} has {}", label(second), behind(advice, second));
    if (is_tie(best, second, advice.goal)) out += ": a tie within 1 %, in which the smaller KL ranks first";
  } else {
    out += "; no other policy holds all limits";
  }
  return wrapped(out + ".", 4);
}

std::string evidence_lines(const Advice& advice) {
  std::string out;
  for (size_t i = 0; i < std::min(advice.top, advice.ranking.within.size()); ++i) {
    const Candidate& candidate = advice.candidates[advice.ranking.within[i]];
    out += wrapped(label(candidate), 4);
    for (const auto& [name, figure] : candidate.figures) {
      const Metric& metric = find_metric("advice", name);
      const auto limit = std::find_if(advice.limits.begin(), advice.limits.end(),
                                      [&](const Limit& of) { return of.metric == &metric; });
      const bool is_limited = limit != advice.limits.end();
      const bool is_batch_of_one = is_limited && limit->metric->name == "max_batch" && limit->value <= 1.0;
      if (is_batch_of_one && &metric != advice.goal.metric) continue;
      if (!is_limited && name != "kl" && &metric != advice.goal.metric) continue;
      out += line(fmt::format(
          "{}{}   ({})", figure_text(metric, figure),
          is_limited ? fmt::format(", {}", limit_text(*limit).substr(metric.name.size() + 1)) : "",
          evidence_text(figure.evidence)));
    }
    for (const std::string& note : candidate.notes) out += line("! " + note);
  }
  return out;
}

std::string rejected_lines(const Advice& advice) {
  std::string out;
  const std::vector<size_t>& rejected = advice.ranking.rejected;
  for (size_t i = 0; i < std::min(most_rejected, rejected.size()); ++i) {
    const Candidate& candidate = advice.candidates[rejected[i]];
    const std::string& refusal = candidate.refusal;
    out +=
        line(fmt::format("{}: {}", label(candidate), refusal.empty() ? misses(advice, candidate) : refusal));
  }
  if (rejected.size() > most_rejected)
    out += line(fmt::format("and {} more (--json has all)", rejected.size() - most_rejected));
  return out;
}

/// Labels by what is said of them, each in the order of the first.
std::string grouped_lines(const std::vector<std::pair<std::string, std::string>>& labels_and_words,
                          const char* format) {
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const auto& [name, words] : labels_and_words) {
    const auto found = std::find_if(groups.begin(), groups.end(),
                                    [&, said = words](const auto& group) { return group.first == said; });
    if (found == groups.end()) {
      groups.push_back({words, {name}});
    } else {
      found->second.push_back(name);
    }
  }
  std::string out;
  for (const auto& [words, names] : groups)
    out += line(fmt::format(fmt::runtime(format), fmt::join(names, ", "), words));
  return out;
}

std::string missing_lines(const Advice& advice) {
  std::vector<std::pair<std::string, std::string>> missing;
  for (const size_t i : advice.ranking.not_measured) {
    const Candidate& candidate = advice.candidates[i];
    std::vector<std::string> names;
    for (const Limit& limit : standing(candidate, advice.limits).unmeasured)
      names.push_back(limit.metric->name);
    missing.emplace_back(label(candidate), fmt::format("{}", fmt::join(names, ", ")));
  }
  std::string out = grouped_lines(missing, "{0}: no {1}");
  for (const MissingEvidence& command : advice.missing) out += fmt::format("  $ {}\n", command.command);
  return out;
}

std::string change_lines(const Advice& advice) {
  std::string out;
  const auto name = [&](const std::optional<size_t>& index) {
    return index ? label(advice.candidates[*index]) + " is the best"
                 : std::string("no policy holds all limits");
  };
  for (const LimitChange& change : advice.limit_changes) {
    const Metric& metric = *change.limit.metric;
    const bool is_more = change.looser == metric.smaller_is_better;
    out += line(fmt::format("{} of {}{} ({} asked): {}", metric.name,
                            change.looser ? ""
                            : is_more     ? "more than "
                                          : "less than ",
                            value_text(metric, change.value), value_text(metric, change.limit.value),
                            name(change.winner)));
  }
  for (const ContextChange& change : advice.context_changes) {
    out += line(fmt::format("a context of {} tokens: {}", thousands(change.context),
                            change.winner ? policy_cell(*change.winner, TextStyle::plain) + " is the best"
                                          : std::string("no policy holds all limits")));
  }
  const Metric& most = find_metric("advice", "max_context");
  for (size_t i = 0; i < std::min<size_t>(2, advice.ranking.within.size()); ++i) {
    const Candidate& candidate = advice.candidates[advice.ranking.within[i]];
    const CandidateFigure* figure = candidate.figure(most);
    constexpr double practically_any = 1e8;  // tokens
    if (figure != nullptr && figure->value >= practically_any) {
      out += line(fmt::format("memory holds any context under {}", label(candidate)));
    } else if (figure != nullptr) {
      out += line(fmt::format("memory holds contexts up to {} tokens under {}",
                              thousands(std::llround(figure->value)), label(candidate)));
    }
  }
  if (advice.load_change) {
    out += line(fmt::format(
        "load: the best policy holds all limits up to {:.3g} requests/s{}", advice.load_change->holds_up_to,
        advice.load_change->fails_from ? fmt::format(", no more at {:.3g}", *advice.load_change->fails_from)
                                       : std::string(", the most that was tried")));
  }
  std::vector<std::pair<std::string, std::string>> better;
  for (const EvidenceChange& change : advice.evidence_changes) {
    std::vector<std::string> why;
    for (const Limit& limit : change.unmeasured) why.push_back(limit.metric->name + " was not measured");
    for (const Limit& limit : change.undecided)
      why.push_back(limit.metric->name + " holds in the mean: more steps or texts may narrow its interval");
    better.emplace_back(label(advice.candidates[change.candidate]), fmt::format("{}", fmt::join(why, ", ")));
  }
  return out + grouped_lines(better, "better evidence could change it for {0}: {1}");
}

std::string setting_lines(const Advice& advice) {
  std::string out;
  for (const PolicySettings& of_policy : advice.settings) {
    out += wrapped(policy_cell(of_policy.policy, TextStyle::plain), 4);
    std::vector<std::pair<std::string, std::string>> without;
    for (const EngineSetting& setting : of_policy.settings) {
      if (!setting.setting) {
        without.emplace_back(setting.engine, setting.note);
        continue;
      }
      const std::string note = setting.note.empty() ? "" : fmt::format("   ({})", setting.note);
      out += wrapped(fmt::format("  {:<13} {}{}", setting.engine, *setting.setting, note), 16);
    }
    out += grouped_lines(without, "no setting: {0} ({1})");
  }
  return out;
}

}  // namespace

std::string figure_text(const Metric& metric, const CandidateFigure& figure) {
  std::string text = fmt::format("{} {}", metric.name, value_text(metric, figure.value));
  if (figure.interval) {
    text += fmt::format(" [{}, {}]", value_text(metric, figure.interval->low),
                        value_text(metric, figure.interval->high));
  }
  return text;
}

std::string evidence_text(const Evidence& evidence) {
  std::string text = fmt::format("{} {}", to_string(evidence.source), evidence.run_id);
  if (!evidence.same_model || !evidence.text.empty())
    text += fmt::format(": {}{}", evidence.model, evidence.same_model ? "" : ", another model");
  if (!evidence.text.empty()) text += ", " + printable(evidence.text, TextStyle::plain);
  text += fmt::format("{} {} tokens", evidence.text.empty() && evidence.same_model ? ":" : ",",
                      thousands(evidence.tokens));
  if (evidence.n > 0) text += fmt::format(", {} {}", evidence.n, evidence.unit);
  return text;
}

std::string advice_text(const Advice& advice) {
  const AdviceRequest& asked = advice.question;
  std::string out =
      wrapped(fmt::format("{} on {}{}, {} weights, {}; {} prompt + {} output tokens, batch {}{}", asked.model,
                          asked.tp > 1 ? fmt::format("{} x ", asked.tp) : "", asked.device, asked.weights,
                          asked.engine, thousands(asked.context), thousands(asked.output), asked.batch,
                          asked.workload.empty() ? "" : fmt::format("; load {}", asked.workload)),
              4);
  std::vector<std::string> limits;
  for (size_t i = 0; i + 1 < advice.limits.size(); ++i) limits.push_back(limit_text(advice.limits[i]));
  out += wrapped(
      fmt::format("limits: {}", limits.empty() ? "none" : fmt::format("{}", fmt::join(limits, ", "))), 4);
  out += wrapped(fmt::format("goal: {}, {}", advice.goal.name, advice.goal.meaning), 4) + '\n';
  out += verdict(advice);
  const auto section = [&](const char* title, const std::string& text) {
    if (!text.empty()) out += fmt::format("\n{}\n{}", title, text);
  };
  if (!advice.ranking.empty()) out += '\n' + ranking_table(advice);
  section("Evidence (a limit is held against the worse end of the 95 % interval):", evidence_lines(advice));
  section("Fell:", rejected_lines(advice));
  section("Not measured:", missing_lines(advice));
  section("What would change the answer:", change_lines(advice));
  section("How to set it:", setting_lines(advice));
  std::string notes;
  for (const std::string& note : advice.notes) notes += wrapped("note: " + note, 6);
  if (!notes.empty()) out += '\n' + notes;
  return out;
}

}  // namespace razorscope
