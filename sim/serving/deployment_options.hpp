#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/serving/deployment.hpp"

namespace razorscope {

/// A model on devices as a user says it: `plan` and `serve` by their options, the explorer by its controls.
struct DeploymentOptions {
  std::string devices;
  std::string model;
  std::string weights = "bf16";
  std::string engine = "vllm";
  int tp = 1;
  std::optional<double> utilisation;   // else the engine's
  std::optional<double> non_kv_bytes;  // else the engine's
  std::optional<int> token_budget;     // else the engine's

  bool operator==(const DeploymentOptions&) const = default;
};

/// One deployment a device, in the order given. InputError in the name of the command line's option.
std::vector<Deployment> deployments(const DeploymentOptions& options);
int token_budget(const DeploymentOptions& options);

/// Lines that must stand below figures: what they are made from that nobody measured.
std::vector<std::string> deployment_notes(const Deployment& deployment, Calibration calibration,
                                          bool assumes_heads);

}  // namespace razorscope
