#include "experiments/store/report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tuple>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_groups.hpp"
#include "experiments/store/text_table.hpp"
#include "models/base/error.hpp"

namespace razorscope {
namespace {

auto group_key(const TradeoffRow& row) {
  return std::tie(row.model, row.model_sha256, row.trace_hash, row.text, row.prefix, row.steps,
                  row.comparison, row.equal_bytes_target);
}

/// The policy, where this program knows it and it has the selection and variant.
std::optional<Policy> policy_if(const std::string& name, std::string_view selection,
                                std::string_view variant) {
  try {
    Policy policy = Policy::parse(name);
    if (policy.selection() == selection && policy.variant() == variant) return policy;
  } catch (const InputError&) {  // of a newer program: nothing can be said about it
  }
  return std::nullopt;
}

std::string scope_note(const TradeoffRow& row, const Policy& policy) {
  const ParameterValues& values = policy.values();
  const bool tail = values.text("form") == "tail";
  const double measured = tail ? row.lost_mass_max : row.largest_dropped_weight;
  const std::string& bound = values.text("bound");
  const bool proven = bound == "norm-bound";
  const bool kept = measured <= values.real("epsilon");
  return fmt::format(
      "{}: epsilon {} for {}; measured: largest dropped weight {:.3g}, largest tail {:.3g}: {}. {}",
      policy_label(row.policy), values.text("epsilon"),
      tail ? "the sum of a query's dropped weights" : "each dropped weight", row.largest_dropped_weight,
      row.lost_mass_max, kept ? "within epsilon" : "above epsilon",
      proven ? "bound=norm-bound is proven from the weights"
             : fmt::format("bound={} promises nothing; norm-bound is proven", bound));
}

/// Names of files and models need not be UTF-8, which JSON asks for.
std::string json_text(const nlohmann::json& document) {
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

std::string csv_text(const ReportData& data, ReportSection section) {
  switch (section) {
    case ReportSection::replay:
      return format_csv(report_groups(data.replay));
    case ReportSection::eval:
      return format_csv(data.closed_loop);
    case ReportSection::tasks:
      return format_csv(data.tasks);
    case ReportSection::serving:
      return format_csv(data.serving);
    case ReportSection::plans:
      break;
  }
  return format_csv(data.plans);
}

std::string section_text(const ReportData& data, bool markdown) {
  std::string out;
  if (!data.replay.empty())
    out += format_title("Replay: open loop over a trace", markdown) +
           format_text(report_groups(data.replay), markdown) + '\n';
  if (!data.closed_loop.empty())
    out += format_title("Closed loop: the model decoding under each policy", markdown) +
           format_text(data.closed_loop, markdown) + '\n';
  if (!data.tasks.empty())
    out += format_title("Tasks: answers from a compressed context", markdown) +
           format_text(data.tasks, markdown) + '\n';
  if (!data.ladder.empty())
    out += format_title("Ladder: whether what is cheap to measure ranks policies as what is dear does",
                        markdown) +
           format_text(data.ladder, data.tasks, markdown) + '\n';
  if (!data.max_rates.empty())
    out += format_title("Serving: the highest rate within a service level", markdown) +
           format_text(data.max_rates, markdown) + '\n';
  if (!data.serving.empty())
    out += format_title("Serving: workloads simulated on devices", markdown) +
           format_text(data.serving, markdown) + '\n';
  if (!data.plans.empty())
    out += format_title("Plans: what fits on devices", markdown) + format_text(data.plans, markdown) + '\n';
  if (out.empty()) return "No runs are stored.\n";
  out.pop_back();  // the empty line after the last section
  return out;
}

}  // namespace

ReportFormat report_format(const std::string& name) {
  if (name == "table") return ReportFormat::table;
  if (name == "md") return ReportFormat::markdown;
  if (name == "csv") return ReportFormat::csv;
  if (name == "json") return ReportFormat::json;
  throw InputError("--format", unknown_name("format", name, {"table", "md", "csv", "json"}));
}

ReportSection report_section(const std::string& name) {
  if (name == "replay") return ReportSection::replay;
  if (name == "eval") return ReportSection::eval;
  if (name == "tasks") return ReportSection::tasks;
  if (name == "serving") return ReportSection::serving;
  if (name == "plans") return ReportSection::plans;
  throw InputError("--section",
                   unknown_name("section", name, {"replay", "eval", "tasks", "serving", "plans"}));
}

bool ReportData::empty(std::optional<ReportSection> section) const {
  const auto is_empty = [this](ReportSection one) {
    switch (one) {
      case ReportSection::replay:
        return replay.empty();
      case ReportSection::eval:
        return closed_loop.empty();
      case ReportSection::tasks:
        return tasks.empty();
      case ReportSection::serving:
        return serving.empty() && max_rates.empty();
      case ReportSection::plans:
        break;
    }
    return plans.empty();
  };
  if (section) return is_empty(*section);
  return is_empty(ReportSection::replay) && is_empty(ReportSection::eval) && is_empty(ReportSection::tasks) &&
         is_empty(ReportSection::serving) && is_empty(ReportSection::plans);
}

std::optional<double> relative_bytes(double physical_bytes, const RunRow& row) {
  if (row.full_f16_bytes.value_or(0) == 0) return std::nullopt;
  return physical_bytes / static_cast<double>(*row.full_f16_bytes);
}

std::vector<ReportGroup> report_groups(const std::vector<TradeoffRow>& rows) {
  return grouped(rows, group_key);
}

std::vector<std::vector<ClosedLoopRow>> closed_loop_groups(const std::vector<ClosedLoopRow>& rows) {
  return grouped(rows, [](const ClosedLoopRow& row) {
    return std::tie(row.model, row.model_sha256, row.text, row.text_ids, row.prefix, row.steps,
                    row.comparison, row.equal_bytes_share, row.equal_bytes_target);
  });
}

std::vector<std::vector<TaskRow>> task_groups(const std::vector<TaskRow>& rows) {
  return grouped(rows, [](const TaskRow& row) {
    return std::tie(row.model, row.model_sha256, row.text, row.text_ids, row.settings_json, row.comparison,
                    row.equal_bytes_share, row.equal_bytes_target);
  });
}

std::vector<std::string> report_notes(const ReportGroup& group) {
  std::vector<std::string> notes;
  for (const TradeoffRow& row : group) {
    if (row.dropped_nothing && !is_full(row)) {
      notes.push_back(fmt::format("{}: dropped nothing: at this length it equals full with its codec",
                                  policy_label(row.policy)));
    }
  }
  for (const TradeoffRow& row : group) {
    if (const std::optional<Policy> policy = policy_if(row.policy, "razor", "scope"))
      notes.push_back(scope_note(row, *policy));
    if (policy_if(row.policy, "oracle", "topk")) {
      notes.push_back(
          fmt::format("{}: an upper bound that stores every token: its budget is what each query reads, and "
                      "its bytes are those of full",
                      policy_label(row.policy)));
    }
  }
  return notes;
}

nlohmann::json report_json(const std::vector<TradeoffRow>& rows) {
  return {{"groups", format_json(report_groups(rows))}};
}

nlohmann::json whole_report_json(const ReportData& data) {
  return {{"groups", format_json(report_groups(data.replay))},
          {"closed_loop", format_json(data.closed_loop)},
          {"tasks", format_json(data.tasks)},
          {"ladder", format_json(data.ladder)},
          {"serving", format_json(data.serving)},
          {"max_rates", format_json(data.max_rates)},
          {"plans", format_json(data.plans)}};
}

std::string format_report(const std::vector<TradeoffRow>& rows, ReportFormat format) {
  const std::vector<ReportGroup> groups = report_groups(rows);
  switch (format) {
    case ReportFormat::table:
      return format_text(groups, false);
    case ReportFormat::markdown:
      return format_text(groups, true);
    case ReportFormat::csv:
      return format_csv(groups);
    case ReportFormat::json:
      break;
  }
  return json_text(report_json(rows));
}

std::string format_whole_report(const ReportData& data, ReportFormat format,
                                std::optional<ReportSection> section) {
  if (format == ReportFormat::csv) return csv_text(data, section.value_or(ReportSection::replay));
  ReportData asked_for = data;
  if (section) {
    asked_for.ladder.clear();
    if (*section != ReportSection::replay) asked_for.replay.clear();
    if (*section != ReportSection::eval) asked_for.closed_loop.clear();
    if (*section != ReportSection::tasks) asked_for.tasks.clear();
    if (*section != ReportSection::serving) {
      asked_for.serving.clear();
      asked_for.max_rates.clear();
    }
    if (*section != ReportSection::plans) asked_for.plans.clear();
  }
  if (format == ReportFormat::json) return json_text(whole_report_json(asked_for));
  return section_text(asked_for, format == ReportFormat::markdown);
}

}  // namespace razorscope
