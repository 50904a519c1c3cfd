#include "sim/serving/deployment.hpp"

#include <cmath>
#include <fmt/format.h>

#include "models/base/error.hpp"

namespace razorscope {

const std::vector<EngineDefaults>& engine_registry() {
  // vLLM v1's own defaults; TensorRT-LLM's trtllm-serve: max_num_tokens 8192, max_batch_size 2048,
  // free_gpu_memory_fraction .9. Bytes beside KV: see Deployment.
  static const std::vector<EngineDefaults> engines = {
      {"vllm", "chunked prefill with 2048 tokens a step, 256 sequences", 2048, 256, 0.9, 1.24e9},
      {"trtllm", "chunked prefill with 8192 tokens a step, 2048 sequences", 8192, 2048, 0.9, 1.24e9}};
  return engines;
}

const EngineDefaults& find_engine(const std::string& where, const std::string& name) {
  std::vector<std::string> names;
  for (const EngineDefaults& engine : engine_registry()) {
    if (engine.name == name) return engine;
    names.push_back(engine.name);
  }
  throw InputError(where, unknown_name("engine", name, names));
}

double kv_pool_bytes(const Deployment& deployment) {
  const auto check = [](const char* option, bool allowed, double value, const char* what) {
    if (!allowed) throw InputError(option, fmt::format("{} is not allowed: {}", value, what));
  };
  const double utilisation = deployment.utilisation;
  check("--utilisation", utilisation > 0.0 && utilisation <= 1.0, utilisation,
        "a share of device memory, above 0 and at most 1");
  check("--non-kv", std::isfinite(deployment.non_kv_bytes) && deployment.non_kv_bytes >= 0.0,
        deployment.non_kv_bytes, "bytes, from 0");
  check_tensor_parallel(deployment.shape, deployment.tp);
  const double usable = static_cast<double>(deployment.device.memory_bytes) * utilisation;
  const double weights = weight_memory_bytes(deployment.shape, deployment.weights, deployment.tp);
  const double left = usable - weights - deployment.non_kv_bytes;
  if (left > 0.0) return left;
  constexpr double gigabyte = 1e9;
  throw InputError(
      deployment.device.name,
      fmt::format("{} does not fit: of {:.1f} GB a device, {:.0f} % are {:.1f} GB, and the {} weights take "
                  "{:.1f} GB of each of {} device{}, activations and runtime {:.2f} GB. More devices (--tp), "
                  "narrower weights (--weights) or a larger --utilisation would help",
                  deployment.shape.name, static_cast<double>(deployment.device.memory_bytes) / gigabyte,
                  100.0 * utilisation, usable / gigabyte, weight_type_name(deployment.weights),
                  weights / gigabyte, deployment.tp, deployment.tp == 1 ? "" : "s",
                  deployment.non_kv_bytes / gigabyte));
}

}  // namespace razorscope
