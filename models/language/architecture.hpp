#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/language/gguf.hpp"
#include "models/language/shape.hpp"
#include "models/language/weights.hpp"

namespace razorscope {

/// Takes tensors out of a GGUF file as f32, packs those that are multiplied with, and remembers which ones
/// were taken. Every fault (missing, of another shape, not finite) is an InputError that names file and
/// tensor.
class WeightReader {
 public:
  WeightReader(const GgufFile& file, Compute compute) : file_(file), compute_(compute) {}

  Floats vector(const std::string& name, size_t size);
  Matrix matrix(const std::string& name, size_t rows, size_t columns);
  /// Fills `rows` rows of `into`, from row `first`.
  void rows(const std::string& name, Matrix& into, size_t first, size_t rows);
  PackedWeights pack(const Matrix& weights) const { return {weights, compute_}; }
  PackedWeights packed(const std::string& name, size_t rows, size_t columns) {
    return pack(matrix(name, rows, columns));
  }
  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }
  /// A file with tensors that nobody read describes another computation than ours: its results would be
  /// wrong.
  void refuse_unread_tensors(std::string_view architecture) const;

 private:
  void read(const std::string& name, std::vector<uint64_t> dims, float* out);
  const GgufFile& file_;
  Compute compute_;
  std::set<std::string> taken_;
};

/// A model family: how its GGUF metadata make a Shape, and its tensors the Weights. To add one, write a file
/// like llama.cpp here and name it in architecture.cpp.
struct Architecture {
  std::string_view name;  // general.architecture
  Shape (*read_shape)(const GgufFile& file);
  Weights (*read_weights)(WeightReader& reader, const Shape& shape);
};

const Architecture& llama_architecture();
const Architecture& mpt_architecture();

/// The family that the file names; InputError with the allowed ones otherwise.
const Architecture& architecture_of(const GgufFile& file);

/// What every family shares: layer, head and width counts of "<architecture>.…" keys, checked for
/// consistency.
Shape read_common_shape(const GgufFile& file, const std::string& norm_epsilon_key);

}  // namespace razorscope
