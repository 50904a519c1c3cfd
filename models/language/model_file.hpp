#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "models/base/user_directory.hpp"
#include "models/language/gguf.hpp"
#include "models/language/shape.hpp"
#include "models/language/tokenizer.hpp"
#include "models/language/transformer.hpp"

namespace razorscope {

/// A model file that is open: its shape at once, weights and tokenizer on demand (a fixture without a usable
/// tokenizer can still be inspected, and run on token ids).
class ModelFile {
 public:
  explicit ModelFile(const std::filesystem::path& path);

  const GgufFile& gguf() const { return *file_; }
  const Shape& shape() const { return shape_; }
  std::string sha256() const { return sha256_hex(file_->bytes()); }
  /// How many weights the file holds.
  size_t weights() const;
  /// Bytes that load(compute) takes: the embedding as f32, every matrix of a product in the compute type.
  size_t weight_bytes(Compute compute) const;
  /// Dequantises all weights and packs them for the products. Throws InputError where a tensor is missing,
  /// misshapen, not finite or not understood, and where the weights would not fit into the memory that is
  /// free.
  Transformer load(Compute compute = Compute::f32) const;
  Tokenizer tokenizer() const { return Tokenizer(*file_); }

 private:
  std::unique_ptr<GgufFile> file_;
  Shape shape_;
};

/// The file that a MODEL argument means: a path, or a name (smollm2-135m, tiny-alibi) looked up where
/// quickstart puts models, then beside the program, then in this source tree. InputError with what is known
/// otherwise.
std::filesystem::path find_model(const std::string& name_or_path);

}  // namespace razorscope
