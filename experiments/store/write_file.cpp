#include "experiments/store/write_file.hpp"

#include <fmt/format.h>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <unistd.h>

#include "models/base/error.hpp"

namespace razorscope {

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::error_code problem;
  if (path.empty() || std::filesystem::is_directory(path, problem))
    throw InputError(path.string(), "is not a path for a regular file");
  // Of this process alone: two may write the same file at once.
  const std::filesystem::path part = fmt::format("{}.{}.part", path.string(), getpid());
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  if (!out) throw InputError(path.string(), "cannot be written: its folder is missing, or not writable");
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (out) std::filesystem::rename(part, path, problem);
  if (!out || problem) {
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
    throw std::runtime_error(fmt::format("{}: writing failed", path.string()));
  }
}

}  // namespace razorscope
