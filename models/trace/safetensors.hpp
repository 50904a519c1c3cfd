#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/mapped_file.hpp"

namespace razorscope {

/// One tensor of a safetensors file, row-major (slowest dimension first).
struct SafeTensor {
  std::string dtype;  // F32, F16, BF16, I32, I64, ...
  std::vector<uint64_t> dims;
  std::span<const std::byte> data;  // into the mapping

  uint64_t elements() const;
};

/// A safetensors file, mapped. The constructor checks header length, JSON, dtypes, shapes against byte
/// ranges, ranges against the file, and that no two tensors overlap; a fault is an InputError that names file
/// and tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  const std::map<std::string, SafeTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  [[noreturn]] void fail(std::string_view field, const std::string& problem) const;

 private:
  MappedFile file_;
  std::map<std::string, SafeTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

struct SafeTensorDeclaration {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> dims;
};

/// Writes a safetensors file whose tensors arrive in pieces. Nothing is seen under the final name before
/// commit(): until then the data are in "<path>.part", which the destructor removes. Write errors (a full
/// disk) are runtime errors that name the file.
class SafetensorsWriter {
 public:
  SafetensorsWriter(std::filesystem::path path, const std::vector<SafeTensorDeclaration>& tensors,
                    const std::map<std::string, std::string>& metadata);
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  /// Writes bytes of one tensor, `offset` bytes from its start.
  void write(const std::string& tensor, uint64_t offset, std::span<const std::byte> data);
  void commit();

  /// Bytes of an element of a dtype, 0 where it is unknown.
  static size_t element_size(std::string_view dtype);

 private:
  std::filesystem::path path_;
  std::filesystem::path part_;
  int descriptor_ = -1;
  std::map<std::string, std::pair<uint64_t, uint64_t>> ranges_;  // tensor -> begin, end in the file
};

}  // namespace razorscope
