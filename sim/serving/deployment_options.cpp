#include "sim/serving/deployment_options.hpp"

#include <fmt/format.h>

#include "models/devices/catalogue.hpp"
#include "models/language/shape_catalogue.hpp"

namespace razorscope {

std::vector<Deployment> deployments(const DeploymentOptions& options) {
  const EngineDefaults& engine = find_engine("--engine", options.engine);
  const Shape shape = find_shape("--model", options.model);
  const WeightType weights = weight_type("--weights", options.weights);
  check_tensor_parallel(shape, options.tp);
  std::vector<Deployment> all;
  for (Device& device : parse_device_list("--devices", options.devices)) {
    all.push_back({.device = std::move(device),
                   .shape = shape,
                   .weights = weights,
                   .tp = options.tp,
                   .utilisation = options.utilisation.value_or(engine.utilisation),
                   .non_kv_bytes = options.non_kv_bytes.value_or(engine.non_kv_bytes)});
  }
  return all;
}

int token_budget(const DeploymentOptions& options) {
  return options.token_budget.value_or(find_engine("--engine", options.engine).token_budget);
}

std::vector<std::string> deployment_notes(const Deployment& deployment, Calibration calibration,
                                          bool assumes_heads) {
  std::vector<std::string> notes;
  const std::string& name = deployment.device.name;
  if (calibration == Calibration::uncalibrated) {
    notes.push_back(name +
                    ": uncalibrated: nobody measured it; times assume .70 of the bandwidth and .55 of "
                    "the peak");
  }
  if (calibration == Calibration::borrowed)
    notes.push_back(name + ": borrowed constants: those of a similar device or element type");
  if (deployment.device.status == "disputed") notes.push_back(name + ": sources dispute its figures");
  if (deployment.device.memory_is_nominal)
    notes.push_back(name + ": memory is the data sheet's figure in GiB, not what a device reported");
  if (assumes_heads) {
    notes.push_back(
        "retrieval heads: nobody probed this model; the paper's share (14 % + 1 %) is assumed, spread evenly "
        "(heads=FILE names real ones)");
  }
  if (deployment.tp > 1 && deployment.tp > deployment.shape.kv_heads)
    notes.push_back(
        fmt::format("{} KV heads are replicated over {} ranks", deployment.shape.kv_heads, deployment.tp));
  if (deployment.tp > 1) {
    notes.push_back(fmt::format(
        "a rank holds {} KV head{} a layer, in order; each layer waits for the rank that reads most",
        kv_heads_per_rank(deployment.shape, deployment.tp),
        kv_heads_per_rank(deployment.shape, deployment.tp) == 1 ? "" : "s"));
  }
  return notes;
}

}  // namespace razorscope
