#include "experiments/store/plan_rows.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/store/text_table.hpp"

namespace razorscope {
namespace {

nlohmann::json split_json(const StepTime& time) {
  return {{"weights_ms", time.weights * 1e3},
          {"attention_ms", time.decode_attention * 1e3},
          {"all_reduce_ms", time.all_reduce * 1e3},
          {"between_products_ms", time.between_products * 1e3},
          {"policy_ms", time.policy * 1e3}};
}

}  // namespace

nlohmann::json plan_row_json(const PlanRow& row, const DeploymentOptions& options,
                             const PlanRequest& request) {
  nlohmann::json out = {{"device", row.device},
                        {"model", options.model},
                        {"policy", row.policy},
                        {"tp", row.tp},
                        {"weights", options.weights},
                        {"context", request.context},
                        {"output", request.output},
                        {"batch", request.batch},
                        {"fits", row.fits},
                        {"memory_bytes", row.memory_bytes},
                        {"weights_bytes", row.weights_bytes},
                        {"non_kv_bytes", row.non_kv_bytes},
                        {"kv_pool_bytes", row.pool_bytes},
                        {"kv_blocks", row.kv_blocks},
                        {"kv_bytes_per_sequence", row.kv_bytes_per_sequence},
                        {"kv_bytes_per_sequence_rank", row.kv_bytes_per_sequence_rank},
                        {"kept_tokens_mean", row.kept_tokens_mean},
                        {"max_batch", row.max_batch},
                        {"max_batch_admitting", row.max_batch_admitting},
                        {"max_context", row.max_context},
                        {"decode_ms", row.decode.total() * 1e3},
                        {"decode_split", split_json(row.decode)},
                        {"prefill_ms", row.prefill_seconds * 1e3},
                        {"compression_ms", row.compression_seconds * 1e3},
                        {"calibration", to_string(row.calibration)},
                        {"assumes_heads", row.assumes_heads},
                        {"beyond_model_context", row.beyond_model}};
  out["tpot_ms"] = row.tpot_seconds ? nlohmann::json(*row.tpot_seconds * 1e3) : nlohmann::json();
  out["decode_ms_at_max_batch"] = nullptr;
  out["tokens_per_second_at_max_batch"] = nullptr;
  if (row.decode_full) {
    out["decode_ms_at_max_batch"] = row.decode_full->total() * 1e3;
    out["tokens_per_second_at_max_batch"] = static_cast<double>(row.max_batch) / row.decode_full->total();
  }
  return out;
}

std::vector<std::string> plan_notes(const Deployment& deployment, const PlanRow& row) {
  std::vector<std::string> notes = deployment_notes(deployment, row.calibration, row.assumes_heads);
  if (row.beyond_model) {
    notes.push_back(fmt::format("{} was made for contexts of {} tokens", deployment.shape.name,
                                thousands(deployment.shape.context)));
  }
  return notes;
}

void add_notes(std::vector<std::string>& notes, const std::vector<std::string>& more) {
  for (const std::string& note : more) {
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
}

}  // namespace razorscope
