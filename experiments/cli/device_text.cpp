#include "experiments/cli/device_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <optional>

#include "experiments/store/text_table.hpp"
#include "models/base/machine.hpp"

namespace razorscope::cli {
namespace {

nlohmann::json figure(const std::optional<double>& value) { return value ? nlohmann::json(*value) : nullptr; }

/// In units of 1e9 or 1e12, as short as it is exact.
std::string scaled(const std::optional<double>& value, double unit) {
  return value && *value > 0.0 ? fmt::format("{:.5g}", *value / unit) : "-";
}

/// Accelerators in TB/s and TFLOP/s, processors in GB/s and GFLOP/s.
std::string rate(double value, std::string_view unit) {
  return value < 1e11 ? fmt::format("{:.4g} G{}", value / 1e9, unit)
                      : fmt::format("{:.5g} T{}", value / 1e12, unit);
}

std::string peaks(const Device& device) {
  std::string out = "BF16 " + rate(device.bf16_peak, "FLOP/s");
  if (device.fp8_peak) out += ", FP8 " + rate(*device.fp8_peak, "FLOP/s");
  if (device.int8_peak) out += ", INT8 " + rate(*device.int8_peak, "OP/s");
  return out;
}

/// Of the constants for bf16; those for fp8 have the same origin.
std::string constants_cell(const Device& device) {
  return std::string(to_string(device.attention.at("bf16").calibration));
}

std::string line(const char* what, const std::string& value) {
  return fmt::format("{:<17}{}\n", what, value);
}

}  // namespace

nlohmann::json device_json(const Device& device) {
  nlohmann::json attention;
  for (const auto& [type, constants] : device.attention) {
    attention[type] = {{"efficiency", constants.efficiency},
                       {"t0_us", constants.t0_seconds * 1e6},
                       {"per_sequence_ns", constants.per_sequence_seconds * 1e9},
                       {"calibration", to_string(constants.calibration)}};
  }
  nlohmann::json gemm;
  for (const auto& [type, constants] : device.gemm) {
    gemm[type] = {{"t0_us", constants.t0_seconds * 1e6},
                  {"bandwidth_efficiency", constants.bandwidth_efficiency},
                  {"compute_efficiency", constants.compute_efficiency},
                  {"calibration", to_string(constants.calibration)}};
  }
  return {{"name", device.name},
          {"aliases", device.aliases},
          {"vendor", device.vendor},
          {"memory_bytes", device.memory_bytes},
          {"memory_is_nominal", device.memory_is_nominal},
          {"memory_kind", device.memory_kind},
          {"bandwidth_bytes_per_s", device.bandwidth},
          {"bf16_flops", device.bf16_peak},
          {"fp8_flops", figure(device.fp8_peak)},
          {"int8_ops", figure(device.int8_peak)},
          {"link_bytes_per_s", device.link_bandwidth > 0.0 ? nlohmann::json(device.link_bandwidth) : nullptr},
          {"status", device.status},
          {"source", device.source},
          {"note", device.note},
          {"constants_of", device.constants_of},
          {"attention", attention},
          {"gemm", gemm}};
}

std::string device_table(const std::vector<Device>& devices) {
  std::vector<Cells> table = {
      {"device", "memory GB", "TB/s", "BF16 TF", "FP8 TF", "INT8 TOPS", "link GB/s", "status", "constants"}};
  for (const Device& device : devices) {
    table.push_back({printable(device.name, TextStyle::plain),
                     fmt::format("{:.1f}", static_cast<double>(device.memory_bytes) / 1e9),
                     scaled(device.bandwidth, 1e12), scaled(device.bf16_peak, 1e12),
                     scaled(device.fp8_peak, 1e12), scaled(device.int8_peak, 1e12),
                     scaled(device.link_bandwidth, 1e9), device.status, constants_cell(device)});
  }
  return format_table(table, TextStyle::plain);
}

std::string device_description(const Device& device) {
  const auto bytes = static_cast<double>(device.memory_bytes);
  std::string out = line("device", fmt::format("{} ({})", device.name, device.vendor));
  if (!device.aliases.empty()) out += line("also", fmt::format("{}", fmt::join(device.aliases, ", ")));
  out += line("memory",
              fmt::format("{} bytes = {:.1f} GB = {} {}{}", device.memory_bytes, bytes / 1e9,
                          format_bytes(bytes), device.memory_kind,
                          device.memory_is_nominal ? ", nominal: the data sheet's figure in GiB" : ""));
  out += line("bandwidth", rate(device.bandwidth, "B/s"));
  out += line("peaks, dense", peaks(device));
  out += line("link", device.link_bandwidth > 0.0
                          ? fmt::format("{} GB/s, one direction", scaled(device.link_bandwidth, 1e9))
                          : "none");
  out += line("status", device.status);
  out += line("source", device.source);
  if (!device.note.empty()) out += line("note", device.note);
  const std::string origin = device.constants_of.empty() ? "" : fmt::format(", of {}", device.constants_of);
  for (const auto& [type, constants] : device.attention) {
    out += line(("attention, " + type).c_str(),
                fmt::format("{:.4g} us a layer + {:.4g} ns a sequence + bytes at {:.4g} of the bandwidth "
                            "({}{})",
                            constants.t0_seconds * 1e6, constants.per_sequence_seconds * 1e9,
                            constants.efficiency, to_string(constants.calibration), origin));
  }
  for (const auto& [type, constants] : device.gemm) {
    out += line(("products, " + type).c_str(),
                fmt::format("{:.4g} us + the longer of bytes at {:.4g} of the bandwidth and operations at "
                            "{:.4g} of the peak ({}{})",
                            constants.t0_seconds * 1e6, constants.bandwidth_efficiency,
                            constants.compute_efficiency, to_string(constants.calibration), origin));
  }
  return out;
}

}  // namespace razorscope::cli
