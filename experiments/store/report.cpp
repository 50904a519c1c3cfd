#include "experiments/store/report.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"
#include "models/base/error.hpp"

namespace razorscope {
namespace {

auto group_key(const TradeoffRow& row) {
  return std::tie(row.model, row.model_sha256, row.trace_hash, row.text, row.prefix, row.steps,
                  row.comparison, row.equal_bytes_target);
}

bool is_full(const TradeoffRow& row) { return row.policy == "full" || row.policy.starts_with("full+"); }

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

}  // namespace

ReportFormat report_format(const std::string& name) {
  if (name == "table") return ReportFormat::table;
  if (name == "md") return ReportFormat::markdown;
  if (name == "csv") return ReportFormat::csv;
  if (name == "json") return ReportFormat::json;
  throw InputError("--format", unknown_name("format", name, {"table", "md", "csv", "json"}));
}

std::optional<double> relative_bytes(const TradeoffRow& row) {
  if (!row.full_f16_bytes || *row.full_f16_bytes == 0) return std::nullopt;
  return static_cast<double>(row.physical_bytes) / static_cast<double>(*row.full_f16_bytes);
}

std::vector<ReportGroup> report_groups(const std::vector<TradeoffRow>& rows) {
  std::vector<ReportGroup> groups;
  std::map<decltype(group_key(rows.front())), size_t> index;
  for (const TradeoffRow& row : rows) {
    const auto [found, is_new] = index.try_emplace(group_key(row), groups.size());
    if (is_new) groups.emplace_back();
    groups[found->second].push_back(row);
  }
  for (ReportGroup& group : groups) {
    std::stable_sort(group.begin(), group.end(), [](const TradeoffRow& a, const TradeoffRow& b) {
      if (is_full(a) != is_full(b)) return is_full(a);
      return a.physical_bytes > b.physical_bytes;
    });
  }
  return groups;
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

nlohmann::json report_json(const std::vector<TradeoffRow>& rows) { return format_json(report_groups(rows)); }

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
  // Names of files and models need not be UTF-8, which JSON asks for.
  return format_json(groups).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace razorscope
