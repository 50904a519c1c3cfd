#include "models/trace/trace.hpp"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <xxhash.h>

#include "models/language/tensor_type.hpp"

namespace razorscope {
namespace {

using nlohmann::json;

std::optional<TensorType> float_type(const std::string& dtype) {
  if (dtype == "F32") return TensorType::f32;
  if (dtype == "F16") return TensorType::f16;
  if (dtype == "BF16") return TensorType::bf16;
  return std::nullopt;
}

const SafeTensor& tensor_of(const SafetensorsFile& file, const std::string& name) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) file.fail(name, "the tensor is missing");
  return found->second;
}

/// Metadata that holds JSON.
json parsed(const SafetensorsFile& file, const std::string& key, const std::string& text) {
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) file.fail("__metadata__." + key, "is not valid JSON");
  return value;
}

std::vector<double> numbers(const SafetensorsFile& file, const std::string& key, const json& value,
                            size_t count) {
  const auto fail = [&] { file.fail(key, fmt::format("is not an array of {} finite numbers", count)); };
  if (!value.is_array() || value.size() != count) fail();
  std::vector<double> out;
  for (const json& x : value) {
    if (!x.is_number()) fail();
    out.push_back(x.get<double>());
    if (!std::isfinite(out.back())) fail();
  }
  return out;
}

template <typename T>
void append_ids(std::span<const std::byte> data, std::vector<int64_t>& out) {
  for (size_t i = 0; i < data.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, data.data() + i, sizeof(T));
    out.push_back(static_cast<int64_t>(value));
  }
}

}  // namespace

Trace::Trace(const std::filesystem::path& path) : file_(path) {
  const std::string format = metadata("format");
  if (format != trace_format) {
    file_.fail("__metadata__.format",
               format.empty()
                   ? fmt::format("is missing; a trace says {}", trace_format)
                   : fmt::format("'{}' is not read; allowed: {}", format.substr(0, 80), trace_format));
  }
  read_tokens();
  read_shape();
  read_transformer();
  read_position_scheme();
  read_probe();
  read_score_bounds();
}

std::string Trace::metadata(const std::string& key) const {
  const auto found = file_.metadata().find(key);
  return found == file_.metadata().end() ? "" : found->second;
}

void Trace::read_tokens() {
  const SafeTensor& tensor = tensor_of(file_, "tokens");
  if (tensor.dims.size() != 1)
    file_.fail("tokens", fmt::format("has {} dimensions; allowed: 1", tensor.dims.size()));
  std::vector<int64_t> ids;
  if (tensor.dtype == "I32") {
    append_ids<int32_t>(tensor.data, ids);
  } else if (tensor.dtype == "I64") {
    append_ids<int64_t>(tensor.data, ids);
  } else if (tensor.dtype == "U32") {
    append_ids<uint32_t>(tensor.data, ids);
  } else {
    file_.fail("tokens", fmt::format("dtype {} is not read; allowed: I32, I64, U32", tensor.dtype));
  }
  for (const int64_t id : ids) {
    if (id < 0 || id > std::numeric_limits<int32_t>::max())
      file_.fail("tokens", fmt::format("{} is not a token id", id));
    ids_.push_back(static_cast<int32_t>(id));
  }
}

void Trace::read_shape() {
  int layers = 0;
  while (file_.tensors().contains(fmt::format("q.{}", layers))) ++layers;
  if (layers == 0) file_.fail("q.0", "the tensor is missing");
  const SafeTensor& q = tensor_of(file_, "q.0");
  const SafeTensor& k = tensor_of(file_, "k.0");
  if (q.dims.size() != 3) file_.fail("q.0", "must have the shape [tokens, query heads, head size]");
  if (k.dims.size() != 3) file_.fail("k.0", "must have the shape [tokens, KV heads, head size]");
  constexpr uint64_t most = 1 << 16;
  if (q.dims[1] > most || q.dims[2] > most) {
    file_.fail("q.0", fmt::format("{} heads of {} are absurd", q.dims[1], q.dims[2]));
  }
  if (q.dims[1] % k.dims[1] != 0) {
    file_.fail("k.0", fmt::format("{} KV heads do not divide {} query heads", k.dims[1], q.dims[1]));
  }
  shape_.architecture = metadata("architecture");
  shape_.name = metadata("model").empty() ? "unnamed model" : metadata("model");
  shape_.layers = layers;
  shape_.query_heads = static_cast<int>(q.dims[1]);
  shape_.kv_heads = static_cast<int>(k.dims[1]);
  shape_.head_size = static_cast<int>(q.dims[2]);
  const std::vector<uint64_t> query_dims = {ids_.size(), q.dims[1], q.dims[2]};
  const std::vector<uint64_t> kv_dims = {ids_.size(), k.dims[1], q.dims[2]};
  const auto check = [&](const std::string& name, const std::vector<uint64_t>& dims) {
    const SafeTensor& tensor = tensor_of(file_, name);
    if (tensor.dims != dims) {
      file_.fail(name, fmt::format("has the shape [{}], but the other tensors ask for [{}]",
                                   fmt::join(tensor.dims, ", "), fmt::join(dims, ", ")));
    }
    if (!float_type(tensor.dtype))
      file_.fail(name, fmt::format("dtype {} is not read; allowed: F32, F16, BF16", tensor.dtype));
  };
  for (int i = 0; i < layers; ++i) {
    check(fmt::format("q.{}", i), query_dims);
    check(fmt::format("k.{}", i), kv_dims);
    check(fmt::format("v.{}", i), kv_dims);
    const std::string output = fmt::format("wo.{}", i);
    if (!file_.tensors().contains(output)) continue;
    const SafeTensor& weight = tensor_of(file_, output);
    if (weight.dims.size() != 2 || weight.dims[0] > most)
      file_.fail(output, "must have the shape [hidden, query heads x head size]");
    check(output, {weight.dims[0], q.dims[1] * q.dims[2]});
    shape_.hidden = static_cast<int>(weight.dims[0]);
  }
}

void Trace::read_transformer() {
  const std::string text = metadata("transformer");
  if (text.empty()) return;
  const json value = parsed(file_, "transformer", text);
  const auto count = [&](const char* key) {
    constexpr int64_t most = 1 << 24;
    if (!value.is_object() || !value.contains(key) || !value[key].is_number_integer() || value[key] < 1 ||
        value[key] > most) {
      file_.fail(std::string("__metadata__.transformer.") + key,
                 fmt::format("is not an integer from 1 to {}", most));
    }
    return value[key].get<int>();
  };
  const auto flag = [&](const char* key) {
    if (!value.contains(key) || !value[key].is_boolean())
      file_.fail(std::string("__metadata__.transformer.") + key, "is neither true nor false");
    return value[key].get<bool>();
  };
  const int hidden = count("hidden");
  if (shape_.hidden != 0 && hidden != shape_.hidden) {
    file_.fail("__metadata__.transformer.hidden",
               fmt::format("is {}, but wo.0 has {} rows", hidden, shape_.hidden));
  }
  shape_.hidden = hidden;
  shape_.feed_forward = count("feed_forward");
  shape_.vocabulary = count("vocabulary");
  shape_.mlp = flag("gated") ? MlpKind::swiglu : MlpKind::gelu;
  shape_.tied_head = flag("tied_head");
}

void Trace::read_position_scheme() {
  const auto real = [&](const char* key, double fallback) {
    const std::string text = metadata(key);
    if (text.empty()) return fallback;
    const json value = parsed(file_, key, text);
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      file_.fail(std::string("__metadata__.") + key, "is not a number");
    return value.get<double>();
  };
  const double scale = real("score_scale", 1.0 / std::sqrt(static_cast<double>(shape_.head_size)));
  if (scale <= 0.0 || scale > 1e6)
    file_.fail("__metadata__.score_scale", "is out of range; allowed: above 0, at most 1e6");
  shape_.score_scale = static_cast<float>(scale);
  const double context = real("context", 0.0);
  if (context < 0.0 || context > 1e9) file_.fail("__metadata__.context", "is out of range");
  shape_.context = static_cast<int>(context);
  const std::string slopes = metadata("slopes");
  if (slopes.empty()) {
    shape_.position = PositionScheme::rope;
    const double theta = real("rope_theta", shape_.rope.theta);
    if (theta <= 1.0 || theta > 1e12)
      file_.fail("__metadata__.rope_theta", "is out of range; allowed: above 1, at most 1e12");
    shape_.rope.theta = static_cast<float>(theta);
    const double dimensions = real("rope_dim", shape_.head_size);
    if (dimensions < 2.0 || dimensions > shape_.head_size) {
      file_.fail("__metadata__.rope_dim",
                 fmt::format("is out of range; allowed: 2 to the head size {}", shape_.head_size));
    }
    shape_.rope.dimensions = static_cast<int>(dimensions) / 2 * 2;
    const std::string pairing = metadata("rope_pairing");
    if (!pairing.empty() && pairing != "half" && pairing != "interleaved") {
      file_.fail("__metadata__.rope_pairing",
                 fmt::format("'{}' is not known; allowed: half, interleaved", pairing.substr(0, 40)));
    }
    shape_.rope.pairing = pairing == "interleaved" ? RopePairing::interleaved : RopePairing::half;
    read_rope_scaling();
    return;
  }
  shape_.position = PositionScheme::alibi;
  for (const double slope : numbers(file_, "__metadata__.slopes", parsed(file_, "slopes", slopes),
                                    static_cast<size_t>(shape_.query_heads))) {
    if (slope < 1e-12 || slope > 1e6)
      file_.fail("__metadata__.slopes", "holds a slope out of range; allowed: 1e-12 to 1e6");
    shape_.alibi_slopes.push_back(static_cast<float>(slope));
  }
}

void Trace::read_rope_scaling() {
  const std::string text = metadata("rope_scaling");
  if (text.empty()) return;
  const json value = parsed(file_, "rope_scaling", text);
  const auto fail = [&] {
    file_.fail("__metadata__.rope_scaling", R"(is not {"linear": factor, "frequency_factors": [...]})");
  };
  if (!value.is_object() || !value.contains("linear") || !value["linear"].is_number()) fail();
  shape_.rope.linear_scaling = value["linear"].get<float>();
  if (!(shape_.rope.linear_scaling >= 1.0F) || !std::isfinite(shape_.rope.linear_scaling)) fail();
  if (!value.contains("frequency_factors") || value["frequency_factors"].empty()) return;
  for (const double factor :
       numbers(file_, "__metadata__.rope_scaling.frequency_factors", value["frequency_factors"],
               static_cast<size_t>(shape_.rope.dimensions) / 2)) {
    if (factor <= 0.0) fail();
    shape_.rope.frequency_factors.push_back(static_cast<float>(factor));
  }
}

void Trace::read_probe() {
  const std::string text = metadata("probe");
  if (text.empty()) return;
  try {
    probe_ = head_scores_from_json(parsed(file_, "probe", text));
  } catch (const std::invalid_argument& problem) {
    file_.fail("__metadata__.probe", problem.what());
  }
  if (probe_->layers != shape_.layers || probe_->query_heads != shape_.query_heads ||
      probe_->kv_heads != shape_.kv_heads) {
    file_.fail("__metadata__.probe", "was made of a model with other head counts");
  }
}

void Trace::read_score_bounds() {
  const std::string text = metadata("score_bounds");
  if (text.empty()) return;
  const json value = parsed(file_, "score_bounds", text);
  if (!value.is_object()) file_.fail("__metadata__.score_bounds", "is not a JSON object");
  const auto heads = static_cast<size_t>(shape_.layers) * static_cast<size_t>(shape_.query_heads);
  bounds_ = ScoreBounds{numbers(file_, "__metadata__.score_bounds.norm_bound",
                                value.contains("norm_bound") ? value["norm_bound"] : value, heads),
                        numbers(file_, "__metadata__.score_bounds.paper",
                                value.contains("paper") ? value["paper"] : value, heads)};
}

std::string Trace::content_hash() const {
  const XXH128_hash_t hash = XXH3_128bits(file_.bytes().data(), file_.bytes().size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

Matrix Trace::matrix(const std::string& name) const {
  const SafeTensor& tensor = tensor_of(file_, name);
  const auto rows = static_cast<size_t>(tensor.dims[0]);
  Matrix out(rows, static_cast<size_t>(tensor.elements()) / rows);
  const std::span<float> values(out.data(), out.values.size());
  dequantise(*float_type(tensor.dtype), tensor.data, values);
  for (const float x : values) {
    if (!std::isfinite(x)) file_.fail(name, "holds values that are not finite numbers");
  }
  return out;
}

LayerTrace Trace::layer(int index) const {
  LayerTrace layer{matrix(fmt::format("q.{}", index)),
                   matrix(fmt::format("k.{}", index)),
                   matrix(fmt::format("v.{}", index)),
                   {}};
  const std::string output = fmt::format("wo.{}", index);
  if (file_.tensors().contains(output)) layer.output_weight = matrix(output);
  return layer;
}

}  // namespace razorscope
