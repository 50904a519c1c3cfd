#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/devices/device.hpp"

namespace razorscope {

/// Something that is wrong in a device file, and the line that it stands in, from 1.
struct DeviceFault {
  int line = 1;
  std::string message;
};

/// What a device file holds. Devices are worth something only where there are no faults.
struct DeviceFile {
  std::vector<Device> devices;      // in the order of the file
  std::vector<DeviceFault> faults;  // in the order of their lines
};

/// Reads a file of [[device]] tables and notes every fault in it: what is not TOML, unknown and missing keys,
/// wrong types, figures that cannot be meant (a bandwidth in GB/s), names given twice, constants_of a device
/// that is neither in the file nor among `known`, or in a circle. Constants that the file does not give are
/// those of `constants_of`, marked borrowed, or assumed ones, marked uncalibrated. InputError where the file
/// cannot be read or is empty.
DeviceFile read_device_file(const std::filesystem::path& path, const std::vector<Device>& known = {});

/// The devices of a file without faults; InputError with file, line, key and what is allowed otherwise.
std::vector<Device> load_devices(const std::filesystem::path& path, const std::vector<Device>& known = {});

/// The device as a [[device]] table of such a file, with all of its constants. Reading it gives the device
/// back.
std::string format_device(const Device& device);

}  // namespace razorscope
