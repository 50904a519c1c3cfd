#include "models/trace/recorder.hpp"

#include <Eigen/Core>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace razorscope {
namespace {

using nlohmann::json;

std::string dtype_name(TraceDtype dtype) {
  switch (dtype) {
    case TraceDtype::f16:
      return "F16";
    case TraceDtype::bf16:
      return "BF16";
    case TraceDtype::f32:
      break;
  }
  return "F32";
}

std::vector<SafeTensorDeclaration> declarations(const Shape& shape, size_t tokens, TraceDtype dtype) {
  const std::string name = dtype_name(dtype);
  const auto count = [](int x) { return static_cast<uint64_t>(x); };
  const std::vector<uint64_t> queries = {tokens, count(shape.query_heads), count(shape.head_size)};
  const std::vector<uint64_t> keys = {tokens, count(shape.kv_heads), count(shape.head_size)};
  std::vector<SafeTensorDeclaration> all = {{"tokens", "I32", {tokens}}};
  for (int i = 0; i < shape.layers; ++i) {
    all.push_back({fmt::format("q.{}", i), name, queries});
    all.push_back({fmt::format("k.{}", i), name, keys});
    all.push_back({fmt::format("v.{}", i), name, keys});
    all.push_back({fmt::format("wo.{}", i), name, {count(shape.hidden), count(shape.query_width())}});
  }
  return all;
}

std::map<std::string, std::string> metadata(const Shape& shape, Compute compute, const TraceOrigin& origin) {
  std::map<std::string, std::string> out = {{"format", trace_format},
                                            {"model", origin.model},
                                            {"model_sha256", origin.model_sha256},
                                            {"architecture", shape.architecture},
                                            {"context", fmt::to_string(shape.context)},
                                            {"bos", fmt::to_string(origin.bos)},
                                            {"score_scale", json(shape.score_scale).dump()},
                                            {"text", origin.text},
                                            {"text_sha256", origin.text_sha256},
                                            {"text_offsets", json(origin.text_offsets).dump()}};
  if (shape.position == PositionScheme::rope) {
    out["rope_theta"] = json(shape.rope.theta).dump();
    out["rope_dim"] = fmt::to_string(shape.rope.dimensions);
    out["rope_pairing"] = shape.rope.pairing == RopePairing::half ? "half" : "interleaved";
    out["rope_scaling"] =
        json({{"linear", shape.rope.linear_scaling}, {"frequency_factors", shape.rope.frequency_factors}})
            .dump();
  } else {
    out["slopes"] = json(shape.alibi_slopes).dump();
  }
  out["transformer"] = json({{"hidden", shape.hidden},
                             {"feed_forward", shape.feed_forward},
                             {"vocabulary", shape.vocabulary},
                             {"gated", shape.mlp == MlpKind::swiglu},
                             {"tied_head", shape.tied_head}})
                           .dump();
  if (compute != Compute::f32) out["compute"] = compute_name(compute);
  if (origin.probe) out["probe"] = to_json(*origin.probe).dump();
  if (origin.score_bounds) {
    out["score_bounds"] =
        json({{"norm_bound", origin.score_bounds->norm_bound}, {"paper", origin.score_bounds->paper}}).dump();
  }
  return out;
}

template <typename Element>
void convert_row(const float* from, size_t count, std::byte* to) {
  for (size_t i = 0; i < count; ++i) {
    const Element value(from[i]);
    std::memcpy(to + i * sizeof(Element), &value, sizeof(Element));
  }
}

}  // namespace

uint64_t TraceRecorder::file_bytes(const Shape& shape, size_t tokens, TraceDtype dtype) {
  uint64_t bytes = 0;
  for (const SafeTensorDeclaration& tensor : declarations(shape, tokens, dtype)) {
    uint64_t size = SafetensorsWriter::element_size(tensor.dtype);
    for (const uint64_t dim : tensor.dims) size *= dim;
    bytes += size;
  }
  return bytes;
}

TraceRecorder::TraceRecorder(const std::filesystem::path& path, const Transformer& transformer,
                             const std::vector<int32_t>& ids, const TraceOrigin& origin, TraceDtype dtype)
    : shape_(transformer.shape()),
      dtype_(dtype),
      writer_(path, declarations(shape_, ids.size(), dtype),
              metadata(shape_, transformer.compute(), origin)) {
  writer_.write("tokens", 0, std::as_bytes(std::span(ids)));
  for (int i = 0; i < shape_.layers; ++i) {
    const Matrix weight = transformer.weights().layers[static_cast<size_t>(i)].attention_out.unpacked();
    write_rows(fmt::format("wo.{}", i), 0, static_cast<int>(weight.rows), weight.data(), weight.columns,
               weight.columns);
  }
}

void TraceRecorder::write_rows(const std::string& tensor, int first_row, int rows, const float* data,
                               size_t stride, size_t width) {
  const size_t row_bytes = width * SafetensorsWriter::element_size(dtype_name(dtype_));
  converted_.resize(static_cast<size_t>(rows) * row_bytes);
  for (int r = 0; r < rows; ++r) {
    const float* from = data + static_cast<size_t>(r) * stride;
    std::byte* to = converted_.data() + static_cast<size_t>(r) * row_bytes;
    switch (dtype_) {
      case TraceDtype::f32:
        convert_row<float>(from, width, to);
        break;
      case TraceDtype::f16:
        convert_row<Eigen::half>(from, width, to);
        break;
      case TraceDtype::bf16:
        convert_row<Eigen::bfloat16>(from, width, to);
        break;
    }
  }
  writer_.write(tensor, static_cast<uint64_t>(first_row) * row_bytes, converted_);
}

void TraceRecorder::attention(int layer, const QueriesKeysValues& block) {
  const auto query_width = static_cast<size_t>(shape_.query_width());
  const auto kv_width = static_cast<size_t>(shape_.kv_width());
  write_rows(fmt::format("q.{}", layer), block.first_position, block.tokens, block.q, block.stride,
             query_width);
  write_rows(fmt::format("k.{}", layer), block.first_position, block.tokens, block.k, block.stride, kv_width);
  write_rows(fmt::format("v.{}", layer), block.first_position, block.tokens, block.v, block.stride, kv_width);
}

}  // namespace razorscope
