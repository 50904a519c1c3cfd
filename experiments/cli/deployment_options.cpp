#include "experiments/cli/deployment_options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <map>

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

}  // namespace razorscope::cli
