#include "experiments/store/report_ladder.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include "experiments/store/csv.hpp"
#include "experiments/store/json_values.hpp"
#include "experiments/store/rank_correlation.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_words.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {
namespace {

struct Rung {
  const char* key;
  const char* title;
  std::optional<double> (*value)(const LadderRow&);
};

constexpr Rung cheap_rungs[] = {
    {"lost_mass_mean", "lost mass", [](const LadderRow& r) { return std::optional(r.lost_mass_mean); }},
    {"kl_mean", "attention KL", [](const LadderRow& r) { return std::optional(r.kl_mean); }},
    {"relative_error_mean", "relative error",
     [](const LadderRow& r) { return std::optional(r.relative_error_mean); }},
    {"output_error_mean", "error after W_O", [](const LadderRow& r) { return r.output_error_mean; }},
};

constexpr Rung dear_rungs[] = {
    {"kl_to_full", "closed-loop KL", [](const LadderRow& r) { return std::optional(r.kl_to_full); }},
    {"nll_difference", "NLL difference", [](const LadderRow& r) { return std::optional(r.nll_difference); }},
    {"needle_accuracy", "needle accuracy", [](const LadderRow& r) { return r.needle_accuracy; }},
    {"multi_query_accuracy", "multi-query accuracy",
     [](const LadderRow& r) { return r.multi_query_accuracy; }},
};

constexpr std::string_view legend[] = {
    "Spearman's rank correlation over policies and sizes (ties share their ranks): 1 where the replay, cheap "
    "to "
    "measure, orders them as the model's own output does; accuracy falls as errors grow, so there -1 is full "
    "agreement.",
    "One pair per evaluation and the replay of the same texts; accuracies are over all lengths, with the "
    "question after compression. Pairs that share a policy or a text are not independent.",
};

LadderCorrelation correlate(const std::vector<LadderRow>& rows, const Rung& cheap, const Rung& dear) {
  std::vector<double> x;
  std::vector<double> y;
  for (const LadderRow& row : rows) {
    const std::optional<double> x_value = cheap.value(row);
    const std::optional<double> y_value = dear.value(row);
    if (!x_value || !y_value) continue;
    x.push_back(*x_value);
    y.push_back(*y_value);
  }
  LadderCorrelation correlation{cheap.key, dear.key, x.size(), std::nullopt};
  if (x.size() >= fewest_ladder_pairs) correlation.spearman = rank_correlation(x, y);
  return correlation;
}

std::string cell(const LadderCorrelation& correlation) {
  if (correlation.pairs < fewest_ladder_pairs)
    return fmt::format("too few pairs (n < {})", fewest_ladder_pairs);
  if (!correlation.spearman) return fmt::format("all equal (n = {})", correlation.pairs);
  return fmt::format("{:+.2f} (n = {})", *correlation.spearman, correlation.pairs);
}

template <typename Value>
std::string joined(const LadderGroup& group, const Value& value) {
  std::set<decltype(value(group.rows.front()))> values;
  for (const LadderRow& row : group.rows) values.insert(value(row));
  return fmt::format("{}", fmt::join(values, ", "));
}

std::string heading(const LadderGroup& group) {
  const LadderRow& first = group.rows.front();
  return fmt::format(
      "{}, prefix {} tokens; n = {} pairs; replays of {} queries, evaluations of {} scored rows; "
      "texts: {}",
      first.model, first.prefix, group.rows.size(),
      joined(group, [](const LadderRow& row) { return row.replay_steps; }),
      joined(group, [](const LadderRow& row) { return row.scored_rows; }),
      joined(group, [](const LadderRow& row) { return row.text; }));
}

nlohmann::json row_json(const LadderRow& row) {
  return {{"eval_run", row.eval_run_id},
          {"replay_run", row.replay_run_id},
          {"text", row.text},
          {"replay_steps", row.replay_steps},
          {"eval_steps", row.eval_steps},
          {"scored_rows", row.scored_rows},
          {"replays", row.replays},
          {"requested_policy", row.requested_policy},
          {"policy", row.policy},
          {"equal_bytes_share", or_null(row.equal_bytes_share)},
          {"lost_mass_mean", row.lost_mass_mean},
          {"kl_mean", row.kl_mean},
          {"relative_error_mean", row.relative_error_mean},
          {"output_error_mean", or_null(row.output_error_mean)},
          {"kl_to_full", row.kl_to_full},
          {"nll_difference", row.nll_difference},
          {"needle_accuracy", or_null(row.needle_accuracy)},
          {"needle_n", or_null(row.needle_n)},
          {"multi_query_accuracy", or_null(row.multi_query_accuracy)},
          {"multi_query_n", or_null(row.multi_query_n)}};
}

CsvColumns csv_columns(const LadderRow& row) {
  return {{"eval_run", csv_number(row.eval_run_id)},
          {"replay_run", csv_number(row.replay_run_id)},
          {"replays", csv_number(row.replays)},
          {"model", csv_field(row.model)},
          {"model_sha256", csv_field(row.model_sha256)},
          {"text", csv_field(row.text)},
          {"prefix_tokens", csv_number(row.prefix)},
          {"replay_queries", csv_number(row.replay_steps)},
          {"eval_steps", csv_number(row.eval_steps)},
          {"scored_rows", csv_number(row.scored_rows)},
          {"requested_policy", csv_field(row.requested_policy)},
          {"equal_bytes_share", csv_number(row.equal_bytes_share)},
          {"policy", csv_field(row.policy)},
          {"lost_mass_mean", csv_number(row.lost_mass_mean)},
          {"kl_mean_nats", csv_number(row.kl_mean)},
          {"relative_error_mean", csv_number(row.relative_error_mean)},
          {"output_error_mean", csv_number(row.output_error_mean)},
          {"kl_to_full_nats", csv_number(row.kl_to_full)},
          {"nll_difference_nats", csv_number(row.nll_difference)},
          {"needle_accuracy", csv_number(row.needle_accuracy)},
          {"needle_n", csv_number(row.needle_n)},
          {"multi_query_accuracy", csv_number(row.multi_query_accuracy)},
          {"multi_query_n", csv_number(row.multi_query_n)}};
}

}  // namespace

std::vector<LadderGroup> ladder_groups(const std::vector<LadderRow>& rows) {
  std::vector<LadderGroup> groups;
  std::map<std::tuple<std::string, std::string, int>, size_t> index;
  for (const LadderRow& row : rows) {
    const auto [found, is_new] = index.try_emplace({row.model, row.model_sha256, row.prefix}, groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].rows.push_back(row);
  }
  for (LadderGroup& group : groups) {
    for (const Rung& cheap : cheap_rungs) {
      for (const Rung& dear : dear_rungs) group.correlations.push_back(correlate(group.rows, cheap, dear));
    }
  }
  return groups;
}

std::string format_text(const std::vector<LadderRow>& rows, const std::vector<TaskRow>& tasks,
                        TextStyle style) {
  std::string out;
  for (const LadderGroup& group : ladder_groups(rows)) {
    Cells header = {"cheap / dear"};
    for (const Rung& dear : dear_rungs) header.emplace_back(dear.title);
    std::vector<Cells> table = {header};
    auto correlation = group.correlations.begin();
    for (const Rung& cheap : cheap_rungs) {
      Cells& line = table.emplace_back();
      line.emplace_back(cheap.title);
      for (size_t i = 0; i < std::size(dear_rungs); ++i) line.push_back(cell(*correlation++));
    }
    out += format_heading(heading(group), style) + format_table(table, style) + '\n';
  }
  std::vector<std::string> cannot;
  for (const TaskRow& row : tasks) {
    if (!row.model_can) cannot.push_back(model_cannot_text(row));
  }
  std::sort(cannot.begin(), cannot.end());
  cannot.erase(std::unique(cannot.begin(), cannot.end()), cannot.end());
  for (const std::string& note : cannot) out += format_note(note, style);
  if (!cannot.empty()) out += '\n';
  for (const std::string_view line : legend) out += format_legend(line, style);
  return out;
}

std::string format_csv(const std::vector<LadderRow>& rows) {
  return csv_table(std::vector<std::vector<LadderRow>>{rows}, csv_columns);
}

nlohmann::json format_json(const std::vector<LadderRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const LadderGroup& group : ladder_groups(rows)) {
    const LadderRow& first = group.rows.front();
    nlohmann::json correlations = nlohmann::json::array();
    for (const LadderCorrelation& c : group.correlations) {
      correlations.push_back(
          {{"cheap", c.cheap}, {"dear", c.dear}, {"n", c.pairs}, {"spearman", or_null(c.spearman)}});
    }
    nlohmann::json lines = nlohmann::json::array();
    for (const LadderRow& row : group.rows) lines.push_back(row_json(row));
    out.push_back({{"model", first.model},
                   {"model_sha256", first.model_sha256},
                   {"prefix", first.prefix},
                   {"n", group.rows.size()},
                   {"correlations", correlations},
                   {"rows", lines}});
  }
  return out;
}

}  // namespace razorscope
