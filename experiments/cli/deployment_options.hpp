#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sim/serving/deployment.hpp"

namespace razorscope::cli {

/// What `plan` and `serve` say alike about a model on devices.
struct DeploymentOptions {
  std::string devices;
  std::string model;
  std::string weights = "bf16";
  std::string engine = "vllm";
  int tp = 1;
  std::optional<double> utilisation;   // else the engine's
  std::optional<double> non_kv_bytes;  // else the engine's
  std::optional<int> token_budget;     // else the engine's
};
/// several_devices: --devices takes a list; else --device takes one.
void add_deployment_options(CLI::App& command, DeploymentOptions& options, bool several_devices);

/// One deployment a device, in the order given.
std::vector<Deployment> deployments(const DeploymentOptions& options);
int token_budget(const DeploymentOptions& options);

/// Lines that must stand below figures: what they are made from that nobody measured.
std::vector<std::string> deployment_notes(const Deployment& deployment, Calibration calibration,
                                          bool assumes_heads);

}  // namespace razorscope::cli
