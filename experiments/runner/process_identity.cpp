#include "experiments/runner/process_identity.hpp"

#include <array>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <unistd.h>

namespace razorscope {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

/// "" where there is no such process, or what is left of it only waits to be reaped.
std::string start_of(int64_t pid) {
  const std::string stat = content_of(fmt::format("/proc/{}/stat", pid));
  const size_t name_end = stat.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return "";
  std::istringstream fields(stat.substr(name_end + 1));
  std::string field;
  constexpr int state_field = 3;
  constexpr int start_field = 22;
  for (int number = state_field; number <= start_field && fields >> field; ++number) {
    if (number == state_field && (field == "Z" || field == "X")) return "";
  }
  std::string boot = content_of("/proc/sys/kernel/random/boot_id");
  while (!boot.empty() && boot.back() == '\n') boot.pop_back();
  return fmt::format("{} {}", boot, field);
}

}  // namespace

ProcessIdentity this_process() { return {host_name(), ::getpid(), start_of(::getpid())}; }

bool is_gone(const ProcessIdentity& process) {
  return process.host == host_name() && start_of(process.pid) != process.start;
}

}  // namespace razorscope
