#pragma once

#include <string>
#include <vector>

#include "models/devices/step_time.hpp"
#include "policies/cache/footprint.hpp"

namespace razorscope {

/// How a serving engine behaves unless it is told otherwise.
struct EngineDefaults {
  std::string name;
  std::string help;
  int token_budget = 0;       // tokens of a step, prefill and decode together
  int max_sequences = 0;      // that run at once
  double utilisation = 0.0;   // share of device memory that the engine may take
  double non_kv_bytes = 0.0;  // of a device: activations, workspace, runtime
};

const std::vector<EngineDefaults>& engine_registry();
/// InputError(where) with the nearest name.
const EngineDefaults& find_engine(const std::string& where, const std::string& name);

/// A model on tp devices of one kind under one policy.
struct Deployment {
  Device device;
  Shape shape;
  WeightType weights = WeightType::bf16;
  int tp = 1;
  double utilisation = 0.9;
  double non_kv_bytes = 1.24e9;  // of each device; what the vLLM run on an RTX 4090 left for it
};

/// Bytes that each device has for KV caches: memory · utilisation - weights - non-KV. InputError where that
/// is nothing, or a figure makes no sense.
double kv_pool_bytes(const Deployment& deployment);

}  // namespace razorscope
