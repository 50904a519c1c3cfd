#include <fmt/format.h>

#include "models/devices/device_file.hpp"

namespace razorscope {
namespace {

/// A TOML string. Names and notes come without control characters.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// Times have more digits than anybody measures, and the product of a decimal fraction is not one.
std::string in_unit(double seconds, double units_per_second) {
  return fmt::format("{:.12g}", seconds * units_per_second);
}

std::string calibration_line(Calibration calibration) {
  return fmt::format("calibration = \"{}\"\n", to_string(calibration));
}

}  // namespace

std::string format_device(const Device& device) {
  std::string out = "[[device]]\n";
  const auto add = [&](const char* key, const std::string& value) {
    out += fmt::format("{} = {}\n", key, value);
  };
  const auto add_figure = [&](const char* key, double value) { add(key, fmt::format("{}", value)); };
  add("name", quoted(device.name));
  if (!device.aliases.empty()) {
    std::string list;
    for (const std::string& alias : device.aliases) list += (list.empty() ? "" : ", ") + quoted(alias);
    add("aliases", "[" + list + "]");
  }
  add("vendor", quoted(device.vendor));
  add("memory_bytes", fmt::to_string(device.memory_bytes));
  if (device.memory_is_nominal) add("memory_is_nominal", "true");
  add("memory_kind", quoted(device.memory_kind));
  add_figure("bandwidth_bytes_per_s", device.bandwidth);
  add_figure("bf16_flops", device.bf16_peak);
  if (device.bf16_uncapped_peak) add_figure("bf16_uncapped_flops", *device.bf16_uncapped_peak);
  if (device.fp8_peak) add_figure("fp8_flops", *device.fp8_peak);
  if (device.int8_peak) add_figure("int8_ops", *device.int8_peak);
  if (device.link_bandwidth > 0.0) add_figure("link_bytes_per_s", device.link_bandwidth);
  add("status", quoted(device.status));
  add("source", quoted(device.source));
  if (!device.note.empty()) add("note", quoted(device.note));
  for (const auto& [type, constants] : device.attention) {
    out += fmt::format("\n[device.attention.{}]\n", type);
    add_figure("efficiency", constants.efficiency);
    add("t0_us", in_unit(constants.t0_seconds, 1e6));
    add("per_sequence_ns", in_unit(constants.per_sequence_seconds, 1e9));
    out += calibration_line(constants.calibration);
  }
  for (const auto& [type, constants] : device.gemm) {
    out += fmt::format("\n[device.gemm.{}]\n", type);
    add("t0_us", in_unit(constants.t0_seconds, 1e6));
    add_figure("bandwidth_efficiency", constants.bandwidth_efficiency);
    add_figure("compute_efficiency", constants.compute_efficiency);
    out += calibration_line(constants.calibration);
  }
  return out;
}

}  // namespace razorscope
