#include "models/base/machine.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fstream>
#include <limits>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

/// The text after "key:" (and blanks) in a /proc file of such lines, or "".
std::string proc_value(const char* path, std::string_view key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

/// A cgroup v2 figure of this process's own group, or `otherwise` where there is none ("max" means no limit).
size_t cgroup_figure(const char* path, size_t otherwise) {
  std::ifstream in(path);
  size_t value = 0;
  return in >> value ? value : otherwise;
}

}  // namespace

size_t available_memory() {
  constexpr size_t unlimited = std::numeric_limits<size_t>::max();
  const std::string kib = proc_value("/proc/meminfo", "MemAvailable");
  const size_t free = kib.empty() ? unlimited : std::stoull(kib) * 1024;
  const size_t limit = cgroup_figure("/sys/fs/cgroup/memory.max", unlimited);
  if (limit == unlimited) return free;
  const size_t used = cgroup_figure("/sys/fs/cgroup/memory.current", 0);
  return std::min(free, limit > used ? limit - used : 0);
}

size_t total_memory() {
  const std::string kib = proc_value("/proc/meminfo", "MemTotal");
  const size_t all = kib.empty() ? 0 : std::stoull(kib) * 1024;
  return std::min(all, cgroup_figure("/sys/fs/cgroup/memory.max", all));
}

void refuse_beyond_memory(std::string_view where, std::string_view what, size_t bytes) {
  const size_t available = available_memory();
  if (bytes > available) {
    throw InputError(where, fmt::format("{} would take {}, but only {} are free", what,
                                        format_bytes(static_cast<double>(bytes)),
                                        format_bytes(static_cast<double>(available))));
  }
}

std::string cpu_name() {
  const std::string name = proc_value("/proc/cpuinfo", "model name");
  return name.empty() ? "unknown" : name;
}

std::string cpu_vendor() {
  const std::string name = proc_value("/proc/cpuinfo", "vendor_id");
  return name.empty() ? "unknown" : name;
}

std::string format_bytes(double bytes) {
  constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024.0 && unit + 1 < units.size()) {
    bytes /= 1024.0;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

}  // namespace razorscope
