#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "models/base/mapped_file.hpp"
#include "models/language/tensor_type.hpp"

namespace razorscope {

/// One tensor of a GGUF file: dimensions fastest first, so a matrix [rows, columns] has dims = {columns,
/// rows}.
struct GgufTensor {
  std::string name;
  std::vector<uint64_t> dims;
  TensorType type = TensorType::f32;
  std::span<const std::byte> data;  // into the mapping

  uint64_t columns() const { return dims.empty() ? 1 : dims[0]; }
  uint64_t rows() const;
  uint64_t elements() const { return columns() * rows(); }
};

/// A GGUF version 3 file, little-endian, mapped. The constructor checks everything that a later read relies
/// on: counts against the file's size, string and array lengths, tensor types, offsets, alignment and
/// overlap; a fault is an InputError that names the file and the field. Every lookup names file and key when
/// a value is missing or of another type. Owns the mapping.
class GgufFile {
 public:
  using Value = std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>,
                             std::vector<double>, std::vector<std::string>>;

  explicit GgufFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  bool has(const std::string& key) const { return values_.contains(key); }
  /// An integer in [lowest, highest]; without a fallback the key must be there.
  int64_t integer(const std::string& key, int64_t lowest, int64_t highest,
                  std::optional<int64_t> fallback = std::nullopt) const;
  /// A finite number.
  double real(const std::string& key, std::optional<double> fallback = std::nullopt) const;
  bool boolean(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, std::optional<std::string> fallback = std::nullopt) const;
  const std::vector<std::string>& texts(const std::string& key) const;
  const std::vector<int64_t>& integers(const std::string& key) const;

  const GgufTensor* find_tensor(const std::string& name) const;

  [[noreturn]] void fail(const std::string& key, const std::string& problem) const;

 private:
  const Value* find(const std::string& key) const;
  MappedFile file_;
  std::unordered_map<std::string, Value> values_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string, size_t> tensor_index_;
};

}  // namespace razorscope
