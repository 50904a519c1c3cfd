#include "models/devices/device_file.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <set>

#include "models/base/error.hpp"
#include "models/base/toml_table.hpp"

namespace razorscope {
namespace {

// Wide enough for anything that is sold, and narrow enough to catch figures in another unit.
constexpr NumberRange memory_range{1e8, 1e15, "bytes (1 GiB is 1_073_741_824)"};
constexpr NumberRange bandwidth_range{1e9, 1e16, "bytes/s (1 GB/s is 1e9, 1 TB/s is 1e12)"};
constexpr NumberRange peak_range{1e9, 1e19, "operations/s (1 TFLOP/s is 1e12)"};
constexpr NumberRange link_range{1e8, 1e16, "bytes/s (1 GB/s is 1e9)"};
constexpr NumberRange share_range{1e-6, 1.0, "(a share, 1 is all of it)"};
constexpr NumberRange microseconds_range{0.0, 1e6, "microseconds"};
constexpr NumberRange nanoseconds_range{0.0, 1e9, "nanoseconds"};

const std::vector<std::string> statuses = {"vendor", "vendor copy", "third-party", "disputed", "measured"};
const std::vector<std::string> calibrations = {"calibrated", "borrowed", "uncalibrated"};
constexpr std::array element_types = {"bf16", "fp8"};

// What people write stays far below; what a machine wrote by mistake ends with a word instead of minutes.
constexpr size_t most_devices = 256;

// Where nobody measured anything comparable.
constexpr AttentionConstants assumed_attention = {0.70, 12e-6, 50e-9, Calibration::uncalibrated};
constexpr GemmConstants assumed_gemm = {4e-6, 0.70, 0.55, Calibration::uncalibrated};

/// A device of the file whose constants are those that the file itself gives.
struct Entry {
  Device device;
  TomlTable table;
};

Calibration calibration_named(const std::string& name) {
  if (name == "calibrated") return Calibration::calibrated;
  return name == "borrowed" ? Calibration::borrowed : Calibration::uncalibrated;
}

AttentionConstants read_attention(TomlTable table) {
  AttentionConstants constants;
  constants.efficiency = table.number("efficiency", share_range, Presence::required).value_or(1.0);
  constants.t0_seconds = table.number("t0_us", microseconds_range, Presence::required).value_or(0.0) / 1e6;
  constants.per_sequence_seconds =
      table.number("per_sequence_ns", nanoseconds_range, Presence::required).value_or(0.0) / 1e9;
  constants.calibration =
      calibration_named(table.choice("calibration", calibrations, Presence::required).value_or(""));
  table.refuse_unknown_keys();
  return constants;
}

GemmConstants read_gemm(TomlTable table) {
  GemmConstants constants;
  constants.t0_seconds = table.number("t0_us", microseconds_range, Presence::required).value_or(0.0) / 1e6;
  constants.bandwidth_efficiency =
      table.number("bandwidth_efficiency", share_range, Presence::required).value_or(1.0);
  constants.compute_efficiency =
      table.number("compute_efficiency", share_range, Presence::required).value_or(1.0);
  constants.calibration =
      calibration_named(table.choice("calibration", calibrations, Presence::required).value_or(""));
  table.refuse_unknown_keys();
  return constants;
}

/// [device.attention.bf16] and the like: what `read` makes of the table of each element type.
template <class Constants>
std::map<std::string, Constants> read_constants(TomlTable& device, const std::string& key,
                                                Constants (*read)(TomlTable)) {
  std::map<std::string, Constants> constants;
  std::optional<TomlTable> by_type = device.table(key, Presence::optional);
  if (!by_type) return constants;
  for (const char* type : element_types) {
    if (const std::optional<TomlTable> table = by_type->table(type, Presence::optional))
      constants.emplace(type, read(*table));
  }
  by_type->refuse_unknown_keys();
  return constants;
}

void check_name(TomlTable& table, const std::string& key, const std::string& name) {
  if (is_device_name(name)) return;
  table.fault(key, fmt::format("'{}' cannot be a device's name; allowed: up to 80 bytes with a letter or "
                               "digit, without ; # / and blanks around it",
                               name.substr(0, 80)));
}

Entry read_entry(TomlTable table, size_t number) {
  Device device;
  table.set_owner(fmt::format("device {}", number));
  device.name = table.text("name", Presence::required).value_or("");
  if (!device.name.empty()) {
    table.set_owner(fmt::format("device '{}'", device.name.substr(0, 80)));
    check_name(table, "name", device.name);
  }
  device.aliases = table.texts("aliases", Presence::optional).value_or(std::vector<std::string>());
  for (const std::string& alias : device.aliases) check_name(table, "aliases", alias);
  device.vendor = table.text("vendor", Presence::required).value_or("");
  const double bytes = table.number("memory_bytes", memory_range, Presence::required).value_or(1.0);
  if (bytes != std::floor(bytes)) table.fault("memory_bytes", fmt::format("{} is not a whole number", bytes));
  device.memory_bytes = static_cast<int64_t>(bytes);
  device.memory_is_nominal = table.flag("memory_is_nominal", Presence::optional).value_or(false);
  device.memory_kind = table.text("memory_kind", Presence::required).value_or("");
  device.bandwidth = table.number("bandwidth_bytes_per_s", bandwidth_range, Presence::required).value_or(1.0);
  device.bf16_peak = table.number("bf16_flops", peak_range, Presence::required).value_or(1.0);
  device.bf16_uncapped_peak = table.number("bf16_uncapped_flops", peak_range, Presence::optional);
  if (device.bf16_uncapped_peak && *device.bf16_uncapped_peak < device.bf16_peak)
    table.fault("bf16_uncapped_flops", "is below bf16_flops, which is what a cap leaves of it");
  device.fp8_peak = table.number("fp8_flops", peak_range, Presence::optional);
  device.int8_peak = table.number("int8_ops", peak_range, Presence::optional);
  device.link_bandwidth = table.number("link_bytes_per_s", link_range, Presence::optional).value_or(0.0);
  device.status = table.choice("status", statuses, Presence::required).value_or("");
  device.source = table.text("source", Presence::required).value_or("");
  device.note = table.text("note", Presence::optional).value_or("");
  device.constants_of = table.text("constants_of", Presence::optional).value_or("");
  if (!device.constants_of.empty() && (table.has("attention") || table.has("gemm")))
    table.fault("constants_of", "cannot stand beside attention or gemm: give one of them");
  device.attention = read_constants(table, "attention", read_attention);
  device.gemm = read_constants(table, "gemm", read_gemm);
  table.refuse_unknown_keys();
  if (device.gemm.contains("fp8") && !table.has("fp8_flops"))
    table.fault("gemm", "fp8 has constants, but fp8_flops is missing");
  return {std::move(device), std::move(table)};
}

/// Notes names and aliases that two devices of the file have.
void refuse_duplicates(std::vector<Entry>& entries) {
  std::map<std::string, int> lines;
  for (Entry& entry : entries) {
    std::set<std::string> own;  // a device may repeat itself in another spelling
    const auto add = [&](const std::string& key, const std::string& name) {
      const std::string folded = folded_device_name(name);
      if (folded.empty() || !own.insert(folded).second) return;
      const auto [earlier, is_new] = lines.emplace(folded, entry.table.line(key));
      if (!is_new)
        entry.table.fault(
            key, fmt::format("'{}' also names the device in line {}", name.substr(0, 80), earlier->second));
    };
    add("name", entry.device.name);
    for (const std::string& alias : entry.device.aliases) add("aliases", alias);
  }
}

bool has_measured_constants(const Device& device) {
  const auto measured = [](const auto& pair) { return pair.second.calibration != Calibration::uncalibrated; };
  return std::any_of(device.attention.begin(), device.attention.end(), measured) ||
         std::any_of(device.gemm.begin(), device.gemm.end(), measured);
}

template <class Constants>
void borrow(std::map<std::string, Constants>& constants, const std::map<std::string, Constants>& lent,
            const Device& borrower) {
  constants = lent;
  if (!borrower.fp8_peak) constants.erase("fp8");
  for (auto& [type, one] : constants) {
    if (one.calibration == Calibration::calibrated) one.calibration = Calibration::borrowed;
  }
}

/// Finds whose constants an entry borrows, through entries that borrow in turn.
class Lenders {
 public:
  Lenders(std::vector<Entry>& entries, const std::vector<Device>& known) {
    for (const Device& device : known) add(device, nullptr);
    for (Entry& entry : entries) add(entry.device, &entry);  // in place of a known one of the same name
  }

  /// nullptr where there is none, which is noted in the entry.
  const Device* of(Entry& entry) const {
    std::set<const Entry*> seen = {&entry};
    const Entry* borrower = &entry;
    while (true) {
      const auto lender = lenders_.find(folded_device_name(borrower->device.constants_of));
      // A fault of another entry is noted there.
      const bool own = borrower == &entry;
      if (lender == lenders_.end()) {
        if (own) entry.table.fault("constants_of", unknown_name("device", entry.device.constants_of, names_));
        return nullptr;
      }
      const Entry* next = lender->second.entry;
      if (next == nullptr || next->device.constants_of.empty()) {
        if (has_measured_constants(*lender->second.device)) return lender->second.device;
        if (own) {
          entry.table.fault("constants_of", fmt::format("'{}' has no measured constants to borrow",
                                                        lender->second.device->name));
        }
        return nullptr;
      }
      if (!seen.insert(next).second) {
        if (next == &entry)
          entry.table.fault("constants_of", fmt::format("'{}' borrows from this device: a circle",
                                                        borrower->device.name.substr(0, 80)));
        return nullptr;
      }
      borrower = next;
    }
  }

 private:
  struct Lender {
    const Device* device;
    const Entry* entry;  // nullptr: known from elsewhere
  };
  void add(const Device& device, const Entry* entry) {
    names_.push_back(device.name);
    lenders_[folded_device_name(device.name)] = {&device, entry};
    for (const std::string& alias : device.aliases)
      lenders_.emplace(folded_device_name(alias), Lender{&device, entry});
  }

  std::map<std::string, Lender> lenders_;
  std::vector<std::string> names_;
};

void assume_missing_constants(Device& device) {
  for (const char* type : element_types) {
    if (type == std::string_view("fp8") && !device.fp8_peak) continue;
    device.attention.emplace(type, assumed_attention);
    device.gemm.emplace(type, assumed_gemm);
  }
}

std::vector<Entry> read_entries(const toml::table& root, std::vector<FileFault>& faults) {
  TomlTable file(root, "", faults);
  std::vector<Entry> entries;
  for (const TomlTable& table : file.tables("device", Presence::required)) {
    if (entries.size() == most_devices) {
      file.fault("device", fmt::format("a file holds at most {} devices", most_devices));
      break;
    }
    entries.push_back(read_entry(table, entries.size() + 1));
  }
  file.refuse_unknown_keys();
  return entries;
}

}  // namespace

DeviceFile read_device_file(const std::filesystem::path& path, const std::vector<Device>& known) {
  std::vector<FileFault> faults;
  DeviceFile file;
  if (const std::optional<toml::table> root = parse_toml_file(path, faults)) {
    std::vector<Entry> entries = read_entries(*root, faults);
    refuse_duplicates(entries);
    const Lenders lenders(entries, known);
    for (Entry& entry : entries) {
      Device& device = file.devices.emplace_back(entry.device);
      const Device* lender = entry.device.constants_of.empty() ? nullptr : lenders.of(entry);
      if (lender != nullptr) {
        borrow(device.attention, lender->attention, device);
        borrow(device.gemm, lender->gemm, device);
        if (device.bf16_uncapped_peak) {
          double& efficiency = device.gemm.at("bf16").compute_efficiency;
          efficiency = std::min(1.0, efficiency * *device.bf16_uncapped_peak / device.bf16_peak);
        }
      }
      assume_missing_constants(device);
    }
  }
  std::stable_sort(faults.begin(), faults.end(),
                   [](const FileFault& a, const FileFault& b) { return a.line < b.line; });
  for (FileFault& fault : faults) file.faults.push_back({fault.line, std::move(fault.message)});
  return file;
}

std::vector<Device> load_devices(const std::filesystem::path& path, const std::vector<Device>& known) {
  DeviceFile file = read_device_file(path, known);
  if (!file.faults.empty()) {
    const DeviceFault& first = file.faults.front();
    const size_t others = file.faults.size() - 1;
    throw InputError(
        fmt::format("{}:{}", path.string(), first.line),
        others == 0 ? first.message
                    : fmt::format("{} ({} more fault{})", first.message, others, others == 1 ? "" : "s"));
  }
  return std::move(file.devices);
}

}  // namespace razorscope
