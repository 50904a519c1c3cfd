#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/language/transformer.hpp"
#include "models/trace/safetensors.hpp"
#include "models/trace/trace.hpp"

namespace razorscope {

enum class TraceDtype { f32, f16, bf16 };

/// What a trace says about where it comes from.
struct TraceOrigin {
  std::string model;  // name or file name
  std::string model_sha256;
  std::string text;  // file name
  std::string text_sha256;
  std::vector<int64_t> text_offsets;  // first byte of each token in the text; the BOS, if any, has -1
  int32_t bos = -1;
  std::optional<HeadScores> probe;
  std::optional<ScoreBounds> score_bounds;
};

/// Writes the trace of one forward pass as it comes; the file appears under its name at commit(). Holds one
/// converted block at a time.
class TraceRecorder final : public ForwardObserver {
 public:
  TraceRecorder(const std::filesystem::path& path, const Transformer& transformer,
                const std::vector<int32_t>& ids, const TraceOrigin& origin, TraceDtype dtype);

  void attention(int layer, const QueriesKeysValues& block) override;
  void commit() { writer_.commit(); }

  /// Bytes that the file will take, header aside.
  static uint64_t file_bytes(const Shape& shape, size_t tokens, TraceDtype dtype);

 private:
  void write_rows(const std::string& tensor, int first_row, int rows, const float* data, size_t stride,
                  size_t width);

  Shape shape_;
  TraceDtype dtype_;
  SafetensorsWriter writer_;
  std::vector<std::byte> converted_;
};

}  // namespace razorscope
