#include "experiments/store/records.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace razorscope {

std::optional<double> stored_share(const RunRecord& record) {
  if (record.comparison != equal_bytes) return std::nullopt;
  const auto rounded = [](double share) { return std::round(share * 1e4) / 1e4; };
  if (record.equal_bytes_share) return rounded(*record.equal_bytes_share);
  if (!record.equal_bytes_target || record.full_f16_bytes.value_or(0) == 0) return std::nullopt;
  return rounded(static_cast<double>(*record.equal_bytes_target) /
                 static_cast<double>(*record.full_f16_bytes));
}

ReplayRecord describe_trace(const Trace& trace) {
  ReplayRecord record;
  record.model = {trace.shape(), trace.metadata("model_sha256")};
  record.text = {trace.metadata("text"), trace.metadata("text_sha256")};
  record.trace = {trace.path().string(), trace.content_hash(), trace.tokens()};
  return record;
}

nlohmann::json to_json(const TaskSettings& settings) {
  return {{"task", settings.task},   {"lengths", settings.lengths},   {"depths", settings.depths},
          {"facts", settings.facts}, {"contexts", settings.contexts}, {"query_aware", settings.query_aware},
          {"seed", settings.seed}};
}

}  // namespace razorscope
