#include "models/base/mapped_file.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unicode/utf8.h>
#include <unistd.h>
#include <utility>

#include "models/base/error.hpp"

namespace razorscope {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const auto fail = [&](const std::string& problem) { throw InputError(path.string(), problem); };
  const auto reason = [] { return std::error_code(errno, std::generic_category()).message(); };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail("cannot be opened: " + reason());
  struct stat status {};
  void* address = nullptr;
  std::string problem;
  if (::fstat(descriptor, &status) != 0) {
    problem = "cannot be read: " + reason();
  } else if (!S_ISREG(status.st_mode)) {
    problem = "is not a regular file";
  } else if (status.st_size == 0) {
    problem = "is empty";
  } else {
    address = ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address == MAP_FAILED) problem = "cannot be mapped: " + reason();
  }
  ::close(descriptor);
  if (!problem.empty()) fail(problem);
  bytes_ = {static_cast<const std::byte*>(address), static_cast<size_t>(status.st_size)};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

size_t first_invalid_utf8(std::string_view text) {
  const char* data = text.data();
  const auto length = static_cast<int64_t>(text.size());
  int64_t at = 0;
  while (at < length) {
    const int64_t start = at;
    UChar32 code_point = 0;
    // ICU's macro converts int to uint8_t inside.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
    U8_NEXT(data, at, length, code_point);
#pragma GCC diagnostic pop
    if (code_point < 0) return static_cast<size_t>(start);
  }
  return std::string_view::npos;
}

std::string read_utf8_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::string text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const size_t invalid = first_invalid_utf8(text);
  if (invalid != std::string::npos) {
    throw InputError(path.string(), fmt::format("is not valid UTF-8: byte 0x{:02x} at offset {}",
                                                static_cast<unsigned char>(text[invalid]), invalid));
  }
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 failed");
  }
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string sha256_hex(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

}  // namespace razorscope
