#include "experiments/store/records.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <utility>
#include <xxhash.h>

namespace razorscope {
namespace {

std::string hash_of(const std::string& text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

/// Two models without a hash differ where their names or shapes do.
std::string identity(const ModelDescription& model) {
  if (!model.sha256.empty()) return model.sha256;
  const Shape& shape = model.shape;
  return fmt::format("{}/{}/{}/{}/{}/{}", shape.name, shape.architecture, shape.layers, shape.query_heads,
                     shape.kv_heads, shape.head_size);
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
  if (record.equal_bytes_target) row.equal_bytes_target = static_cast<int64_t>(*record.equal_bytes_target);
  row.policy = record.policy.name();
  row.relative_error_mean = result.relative_error_mean;
  row.relative_error_p99 = result.relative_error_p99;
  row.relative_error_max = result.relative_error_max;
  row.lost_mass_mean = result.lost_mass_mean;
  row.lost_mass_max = result.lost_mass_max;
  row.largest_dropped_weight = result.largest_dropped_weight;
  row.kl_mean = result.kl_mean;
  row.output_error_mean = result.output_error_mean;
  row.nominal_bytes = result.compressed.nominal;
  row.logical_bytes = static_cast<int64_t>(result.compressed.logical());
  row.physical_bytes = static_cast<int64_t>(result.compressed.physical());
  row.peak_bytes = static_cast<int64_t>(result.peak_bytes);
  row.kept_tokens_mean = result.kept_tokens_mean;
  row.protected_heads = result.protected_heads;
  row.dropped_nothing = result.dropped_nothing;
  return row;
}

}  // namespace

ReplayRecord describe_trace(const Trace& trace) {
  ReplayRecord record;
  record.model = {trace.shape(), trace.metadata("model_sha256")};
  record.text = {trace.metadata("text"), trace.metadata("text_sha256")};
  record.trace = {trace.path().string(), trace.content_hash(), trace.tokens()};
  return record;
}

std::string config_hash(const ReplayRecord& record) {
  return hash_of(fmt::format("replay\nmodel {}\ntrace {}\nprefix {}\nsteps {}\npolicy {}\ncompute {}\n",
                             identity(record.model), record.trace.content_hash, record.prefix, record.steps,
                             record.policy.name(), record.provenance.compute));
}

std::string config_hash(const ProbeRecord& record) {
  const HeadScores& scores = record.scores;
  return hash_of(fmt::format(
      "probe\nmodel {}\nblock {}\nrepeats {}\nseed {}\nvariant {}\nsource {}\nids {}\ncompute {}\n",
      identity(record.model), scores.block, scores.repeats, scores.seed, scores.variant, scores.token_source,
      fmt::join(record.block, " "), record.provenance.compute));
}

std::vector<TradeoffRow> tradeoff_rows(const std::vector<ReplayRecord>& records) {
  std::vector<TradeoffRow> rows;
  std::map<std::pair<std::string, int>, int64_t> full_f16;  // by trace and prefix
  for (const ReplayRecord& record : records) {
    rows.push_back(tradeoff_row(record));
    const TradeoffRow& row = rows.back();
    if (row.policy == "full+f16") full_f16[{row.trace_hash, row.prefix}] = row.physical_bytes;
  }
  for (TradeoffRow& row : rows) {
    const auto found = full_f16.find({row.trace_hash, row.prefix});
    if (found != full_f16.end()) row.full_f16_bytes = found->second;
  }
  return rows;
}

}  // namespace razorscope
