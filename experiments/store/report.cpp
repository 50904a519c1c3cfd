#include "experiments/store/report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tuple>

#include "experiments/store/html/html_report.hpp"
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

}  // namespace

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
      return format_text(groups, TextStyle::plain);
    case ReportFormat::markdown:
      return format_text(groups, TextStyle::markdown);
    case ReportFormat::csv:
      return format_csv(groups);
    default:
      return json_text(report_json(rows));
  }
}

std::string format_whole_report(const ReportData& data, ReportFormat format,
                                std::optional<ReportSection> section) {
  if (format == ReportFormat::csv) return csv_text(data, section.value_or(ReportSection::replay));
  const ReportData asked_for = section ? data.only(*section) : data;
  switch (format) {
    case ReportFormat::json:
      return json_text(whole_report_json(asked_for));
    case ReportFormat::html:
      return html_report({.title = "Razorscope report", .data = asked_for, .heads = {}, .origins = {}});
    default:
      return sections_text(asked_for,
                           format == ReportFormat::markdown ? TextStyle::markdown : TextStyle::plain);
  }
}

}  // namespace razorscope
