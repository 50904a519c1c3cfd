#include "experiments/cli/deployment_options.hpp"

#include <fmt/format.h>
#include <map>

#include "models/devices/catalogue.hpp"
#include "models/language/shape_catalogue.hpp"

namespace razorscope::cli {

void add_deployment_options(CLI::App& command, DeploymentOptions& options, bool several_devices) {
  command
      .add_option(several_devices ? "--devices,--device" : "--device", options.devices,
                  several_devices
                      ? "devices, separated by ';': names of the catalogue (razorscope devices), or "
                        "files in its format"
                      : "a device of the catalogue (razorscope devices), or a file in its format")
      ->required();
  command
      .add_option("--model", options.model,
                  "shape: a built-in name (llama-3.1-8b, qwen3-32b, ...), a config.json or its folder, or a "
                  "model file")
      ->required();
  command.add_option("--weights", options.weights, "type of the weights: bf16, fp8, int8, int4")
      ->capture_default_str();
  command.add_option("--tp", options.tp, "devices that share each layer (tensor parallel)")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  std::string engines;
  for (const EngineDefaults& engine : engine_registry())
    engines += fmt::format("{}{} ({})", engines.empty() ? "" : "; ", engine.name, engine.help);
  command.add_option("--engine", options.engine, "whose defaults to take: " + engines)->capture_default_str();
  command.add_option("--token-budget", options.token_budget,
                     "tokens of a step, prefill and decode together; default the engine's");
  command.add_option("--utilisation", options.utilisation,
                     "share of device memory that the engine may take; default the engine's");
  const std::map<std::string, double> units = {
      {"B", 1.0}, {"MB", 1e6}, {"GB", 1e9}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  command
      .add_option("--non-kv", options.non_kv_bytes,
                  "memory of each device for activations, workspace and runtime: 1.24GB, 900MiB; default the "
                  "engine's")
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_SENSITIVE));
}

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

}  // namespace razorscope::cli
