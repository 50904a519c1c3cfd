#pragma once

#include <nlohmann/json.hpp>

#include "models/devices/device.hpp"

namespace razorscope {

/// {"attention": {"bf16": {...}, ...}, "gemm": {...}}: the step-time model's constants, times in seconds.
/// Internal to this folder.
inline nlohmann::json constants_json(const Device& device) {
  nlohmann::json attention = nlohmann::json::object();
  for (const auto& [type, constants] : device.attention) {
    attention[type] = {{"efficiency", constants.efficiency},
                       {"t0_seconds", constants.t0_seconds},
                       {"per_sequence_seconds", constants.per_sequence_seconds},
                       {"calibration", to_string(constants.calibration)}};
  }
  nlohmann::json gemm = nlohmann::json::object();
  for (const auto& [type, constants] : device.gemm) {
    gemm[type] = {{"t0_seconds", constants.t0_seconds},
                  {"bandwidth_efficiency", constants.bandwidth_efficiency},
                  {"compute_efficiency", constants.compute_efficiency},
                  {"calibration", to_string(constants.calibration)}};
  }
  return {{"attention", attention}, {"gemm", gemm}};
}

}  // namespace razorscope
