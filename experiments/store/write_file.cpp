#include "experiments/store/write_file.hpp"

#include <fmt/format.h>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

namespace fs = std::filesystem;

void write_to(const fs::path& place, const fs::path& path, std::string_view bytes) {
  std::ofstream out(place, std::ios::binary | std::ios::trunc);
  if (!out) throw InputError(path.string(), "cannot be written: its folder is missing, or not writable");
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw std::runtime_error(fmt::format("{}: writing failed", path.string()));
}

}  // namespace

void write_file(const fs::path& path, std::string_view bytes) {
  std::error_code problem;
  if (path.empty() || fs::is_directory(path, problem))
    throw InputError(path.string(), "is not a path for a regular file");
  fs::path target = path;
  if (fs::exists(path, problem)) {
    // A pipe or a device must not become a file, and a link stays one.
    if (!fs::is_regular_file(path, problem)) return write_to(path, path, bytes);
    target = fs::canonical(path, problem);
    if (problem) target = path;
  }
  // Of this process alone: two may write the same file at once.
  const fs::path part = fmt::format("{}.{}.part", target.string(), getpid());
  try {
    write_to(part, path, bytes);
    fs::rename(part, target, problem);
    if (problem) throw std::runtime_error(fmt::format("{}: writing failed", path.string()));
  } catch (...) {
    std::error_code ignored;
    fs::remove(part, ignored);
    throw;
  }
}

}  // namespace razorscope
