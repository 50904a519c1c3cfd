#include "models/base/user_directory.hpp"

#include <cstdlib>

namespace razorscope {

std::filesystem::path user_directory(const char* variable, const char* fallback) {
  // getenv is only unsafe beside setenv, which nothing here calls.
  const char* folder = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  if (folder != nullptr && *folder != '\0') return std::filesystem::path(folder) / "razorscope";
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
  return std::filesystem::path(home != nullptr ? home : ".") / fallback / "razorscope";
}

std::filesystem::path program_directory() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

}  // namespace razorscope
