#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace razorscope {

/// A whole file, mapped read-only. Owns the mapping; spans into it live as long as it does. Throws InputError
/// when the path is not a readable regular file or is empty.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

/// A text file in valid UTF-8. Throws InputError that names the byte offset of the first invalid sequence, or
/// says that the file is empty.
std::string read_utf8_file(const std::filesystem::path& path);

/// Offset of the first byte that does not begin a valid UTF-8 sequence, or npos.
size_t first_invalid_utf8(std::string_view text);

/// Lower-case hexadecimal SHA-256.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

}  // namespace razorscope
