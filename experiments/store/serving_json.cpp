#include "experiments/store/serving_json.hpp"

#include <nlohmann/json.hpp>

namespace razorscope {
namespace {

nlohmann::json percentiles_json(const Percentiles& values) {
  return {{"mean", values.mean * 1e3},
          {"p50", values.p50 * 1e3},
          {"p90", values.p90 * 1e3},
          {"p99", values.p99 * 1e3},
          {"max", values.max * 1e3}};
}

}  // namespace

nlohmann::json serving_figures_json(const ServingResult& result) {
  return {{"completed", result.completed},
          {"seconds", result.seconds},
          {"ttft_ms", percentiles_json(result.ttft)},
          {"tpot_ms", percentiles_json(result.tpot)},
          {"itl_ms", percentiles_json(result.itl)},
          {"e2e_ms", percentiles_json(result.e2e)},
          {"request_rate", result.request_rate},
          {"token_rate", result.token_rate},
          {"prompt_token_rate", result.prompt_token_rate},
          {"goodput", result.goodput},
          {"goodput_share", result.goodput_share},
          {"preemptions", result.preemptions},
          {"cached_tokens", result.cached_tokens},
          {"kv_blocks", result.kv_blocks},
          {"peak_kv_use", result.peak_kv_use},
          {"mean_kv_use", result.mean_kv_use},
          {"mean_running", result.mean_running},
          {"mean_waiting", result.mean_waiting},
          {"memory_utilisation", result.memory_utilisation},
          {"compute_utilisation", result.compute_utilisation},
          {"steps", result.steps},
          {"calibration", to_string(result.calibration)},
          {"assumes_heads", result.assumes_heads}};
}

}  // namespace razorscope
