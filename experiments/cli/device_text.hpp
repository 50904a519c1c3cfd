#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/devices/device.hpp"

namespace razorscope::cli {

/// The keys of device files, with null where a device lacks a figure.
nlohmann::json device_json(const Device& device);

/// One line a device.
std::string device_table(const std::vector<Device>& devices);

/// All that is known of one device, with its source and the constants of the step-time model.
std::string device_description(const Device& device);

}  // namespace razorscope::cli
