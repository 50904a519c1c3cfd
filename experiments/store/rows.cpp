#include "experiments/store/rows.hpp"

#include <map>
#include <utility>

#include "experiments/store/head_intervals.hpp"

namespace razorscope {
namespace {

std::optional<int64_t> as_stored(const std::optional<size_t>& bytes) {
  return bytes ? std::optional<int64_t>(static_cast<int64_t>(*bytes)) : std::nullopt;
}

TradeoffRow tradeoff_row(const ReplayRecord& record) {
  const ReplayResult& result = record.result;
  TradeoffRow row;
  row.model = record.model.shape.name;
  row.model_sha256 = record.model.sha256;
  row.text = record.text.name;
  row.trace_path = record.trace.path;
  row.trace_hash = record.trace.content_hash;
  row.layers = record.model.shape.layers;
  row.query_heads = record.model.shape.query_heads;
  row.kv_heads = record.model.shape.kv_heads;
  row.prefix = record.prefix;
  row.steps = record.steps;
  row.comparison = record.comparison;
  row.equal_bytes_target = as_stored(record.equal_bytes_target);
  row.equal_bytes_share = stored_share(record);
  row.requested_policy = record.asked_for().name();
  row.policy = record.policy.name();
  row.full_f16_bytes = as_stored(record.full_f16_bytes);
  row.relative_error_mean = result.relative_error_mean;
  row.relative_error_p99 = result.relative_error_p99;
  row.relative_error_max = result.relative_error_max;
  row.lost_mass_mean = result.lost_mass_mean;
  row.lost_mass_max = result.lost_mass_max;
  row.largest_dropped_weight = result.largest_dropped_weight;
  row.kl_mean = result.kl_mean;
  row.output_error_mean = result.output_error_mean;
  row.regret_mean = result.regret_mean;
  row.read_tokens_mean = result.read_tokens_mean;
  row.nominal_bytes = result.compressed.nominal;
  row.logical_bytes = static_cast<int64_t>(result.compressed.logical());
  row.physical_bytes = static_cast<int64_t>(result.compressed.physical());
  row.peak_bytes = static_cast<int64_t>(result.peak_bytes);
  row.kept_tokens_mean = result.kept_tokens_mean;
  row.protected_heads = result.protected_heads;
  row.dropped_nothing = result.dropped_nothing;
  row.intervals = head_intervals(result.heads);
  return row;
}

}  // namespace

std::vector<TradeoffRow> tradeoff_rows(const std::vector<ReplayRecord>& records) {
  std::vector<TradeoffRow> rows;
  std::map<std::pair<std::string, int>, int64_t> full_f16;  // by trace and prefix
  for (const ReplayRecord& record : records) {
    rows.push_back(tradeoff_row(record));
    const TradeoffRow& row = rows.back();
    if (row.policy == "full+f16") full_f16[{row.trace_hash, row.prefix}] = row.physical_bytes;
  }
  for (TradeoffRow& row : rows) {
    if (row.full_f16_bytes) continue;
    const auto found = full_f16.find({row.trace_hash, row.prefix});
    if (found != full_f16.end()) row.full_f16_bytes = found->second;
  }
  return rows;
}

}  // namespace razorscope
