#include <fmt/format.h>
#include <string_view>

#include "experiments/store/csv.hpp"
#include "experiments/store/json_values.hpp"
#include "experiments/store/report_curves.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_words.hpp"
#include "experiments/store/text_table.hpp"

// Closed-loop evaluations in each format.

namespace razorscope {
namespace {

constexpr std::string_view legend[] = {
    "MiB: physical bytes of the first text's cache right after the prefix was compressed, and their share of "
    "full+f16's; MiB/step: read by attention in one decode step, mean.",
    "NLL - full: nats a token above full+f32, paired. KL(full || policy) of the next token's distribution, "
    "nats. top-1: share of rows whose most likely token is full+f32's. Intervals: 95 %.",
};

Cells cells(const ClosedLoopRow& row, TextStyle style) {
  return {policy_cell(row.policy, style),
          mebibytes(static_cast<double>(row.physical_bytes)),
          percent_of_full(static_cast<double>(row.physical_bytes), row),
          fmt::format("{:+.4f}", row.nll_difference.mean),
          interval_text(row.nll_difference.interval, 4),
          figure_text(row.kl_to_full.mean),
          figure_interval_text(row.kl_to_full.interval),
          fmt::format("{:.3f}", row.top1_agreement),
          mebibytes(row.bytes_read_per_step)};
}

CsvColumns csv_columns(const ClosedLoopRow& row) {
  const auto low = [](const Estimate& e) { return e.interval ? csv_number(e.interval->low) : ""; };
  const auto high = [](const Estimate& e) { return e.interval ? csv_number(e.interval->high) : ""; };
  return {{"model", csv_field(row.model)},
          {"model_sha256", csv_field(row.model_sha256)},
          {"text", csv_field(row.text)},
          {"texts", csv_number(row.texts)},
          {"prefix_tokens", csv_number(row.prefix)},
          {"steps", csv_number(row.steps)},
          {"scored_rows", csv_number(row.scored_rows)},
          {"units", csv_number(row.units)},
          {"unit", csv_field(row.unit)},
          {"comparison", csv_field(row.comparison)},
          {"equal_bytes_target", csv_number(row.equal_bytes_target)},
          {"equal_bytes_share", csv_number(row.equal_bytes_share)},
          {"requested_policy", csv_field(row.requested_policy)},
          {"policy", csv_field(row.policy)},
          {"label", csv_field(policy_label(row.policy))},
          {"physical_bytes", csv_number(row.physical_bytes)},
          {"full_f16_bytes", csv_number(row.full_f16_bytes)},
          {"relative_bytes", csv_number(relative_bytes(static_cast<double>(row.physical_bytes), row))},
          {"logical_bytes", csv_number(row.logical_bytes)},
          {"nominal_bytes", csv_number(row.nominal_bytes)},
          {"end_physical_bytes", csv_number(row.end_physical_bytes)},
          {"bytes_read_per_step", csv_number(row.bytes_read_per_step)},
          {"token_by_token", row.token_by_token ? "1" : "0"},
          {"nll_nats", csv_number(row.nll.mean)},
          {"nll_low_nats", low(row.nll)},
          {"nll_high_nats", high(row.nll)},
          {"full_nll_nats", csv_number(row.full_nll.mean)},
          {"full_nll_low_nats", low(row.full_nll)},
          {"full_nll_high_nats", high(row.full_nll)},
          {"nll_difference_nats", csv_number(row.nll_difference.mean)},
          {"nll_difference_low_nats", low(row.nll_difference)},
          {"nll_difference_high_nats", high(row.nll_difference)},
          {"kl_to_full_nats", csv_number(row.kl_to_full.mean)},
          {"kl_to_full_low_nats", low(row.kl_to_full)},
          {"kl_to_full_high_nats", high(row.kl_to_full)},
          {"top1_agreement", csv_number(row.top1_agreement)}};
}

nlohmann::json policy_json(const ClosedLoopRow& row) {
  nlohmann::json out = run_json(row, static_cast<double>(row.physical_bytes));
  put_estimate(out, "nll", "nll", row.nll);
  put_estimate(out, "nll_difference", "nll_difference", row.nll_difference);
  put_estimate(out, "kl_to_full", "kl", row.kl_to_full);
  out.update({{"top1_agreement", row.top1_agreement},
              {"bytes_nominal", row.nominal_bytes},
              {"bytes_logical", row.logical_bytes},
              {"bytes_physical", row.physical_bytes},
              {"bytes_physical_end", row.end_physical_bytes},
              {"bytes_read_per_step", row.bytes_read_per_step},
              {"token_by_token", row.token_by_token}});
  return out;
}

}  // namespace

std::string format_text(const std::vector<ClosedLoopRow>& rows, TextStyle style) {
  std::string out = format_curves(curve_groups(rows), style);
  for (const std::vector<ClosedLoopRow>& group : closed_loop_groups(rows)) {
    const ClosedLoopRow& first = group.front();
    std::vector<Cells> table = {
        {"policy", "MiB", "% of f16", "NLL - full", "95 %", "KL (nats)", "95 %", "top-1", "MiB/step"}};
    for (const ClosedLoopRow& row : group) table.push_back(cells(row, style));
    out += format_heading(
        fmt::format("{}, {}; {}; full+f32: NLL {:.4f} {}", subject_text(first), comparison_text(first),
                    n_text(first), first.full_nll.mean, interval_text(first.full_nll.interval, 4)),
        style);
    out += format_table(table, style) + '\n';
  }
  for (const std::string_view line : legend) out += format_legend(line, style);
  return out;
}

std::string format_csv(const std::vector<ClosedLoopRow>& rows) {
  return csv_table(closed_loop_groups(rows), csv_columns);
}

nlohmann::json format_json(const std::vector<ClosedLoopRow>& rows) {
  nlohmann::json out = nlohmann::json::array();
  for (const std::vector<ClosedLoopRow>& group : closed_loop_groups(rows)) {
    const ClosedLoopRow& first = group.front();
    nlohmann::json entry = group_json(first);
    nlohmann::json policies = nlohmann::json::array();
    for (const ClosedLoopRow& row : group) policies.push_back(policy_json(row));
    put_estimate(entry, "full_nll", "full_nll", first.full_nll);
    entry.update({{"texts", first.texts},
                  {"n", first.scored_rows},
                  {"units", first.units},
                  {"unit", first.unit},
                  {"policies", policies}});
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace razorscope
