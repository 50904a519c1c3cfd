#include "experiments/store/provenance.hpp"

#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fstream>
#include <omp.h>
#include <string_view>
#include <sys/utsname.h>

#include "models/base/machine.hpp"
#include "policies/kernels/target.hpp"
#include "razorscope_commit.hpp"

namespace razorscope {
namespace {

/// PRETTY_NAME of os-release, or "".
std::string distribution() {
  std::ifstream in("/etc/os-release");
  constexpr std::string_view key = "PRETTY_NAME=";
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    std::string name = line.substr(key.size());
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
    return name;
  }
  return "";
}

std::string os_name() {
  utsname system{};
  if (uname(&system) != 0) return "unknown";
  const std::string kernel = fmt::format("{} {} {}", system.sysname, system.release, system.machine);
  const std::string name = distribution();
  return name.empty() ? kernel : fmt::format("{}, {}", name, kernel);
}

}  // namespace

Provenance current_provenance(Compute compute) {
  Provenance provenance;
  provenance.program_version = RAZORSCOPE_VERSION;
  provenance.commit = razorscope_commit;
  provenance.cpu = cpu_name();
  provenance.target = target_name(active_target());
  provenance.compute = compute_name(compute);
  provenance.threads = omp_get_max_threads();
  provenance.os = os_name();
  return provenance;
}

std::string utc_now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace razorscope
