#include "models/language/shape_catalogue.hpp"

#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "models/base/error.hpp"
#include "models/language/model_file.hpp"

namespace razorscope {
namespace {

using nlohmann::json;

// Largest counts of a config: beyond them lie faults, and loops over heads that never end.
constexpr int most_heads = 1024;  // and layers
constexpr int most = 1 << 24;
constexpr std::uintmax_t largest_config = 1 << 20;

class Config {
 public:
  Config(const std::string& where, const json& values) : where_(where), values_(values) {
    if (!values.is_object()) throw InputError(where, "is not a JSON object of a model's configuration");
  }

  /// The first of several keys that is there.
  int count(std::initializer_list<const char*> keys, int highest,
            std::optional<int> fallback = std::nullopt) const {
    for (const char* key : keys) {
      const auto found = values_.find(key);
      if (found == values_.end() || found->is_null()) continue;
      if (!found->is_number_integer() || *found < 1 || *found > highest)
        throw InputError(where_, key,
                         fmt::format("{} is not an integer from 1 to {}", found->dump(), highest));
      return found->get<int>();
    }
    if (!fallback) throw InputError(where_, *keys.begin(), "is missing");
    return *fallback;
  }
  double real(const char* key, double fallback) const {
    const auto found = values_.find(key);
    if (found == values_.end() || found->is_null()) return fallback;
    if (!found->is_number() || *found <= 0.0)
      throw InputError(where_, key, found->dump() + " is not a positive number");
    return found->get<double>();
  }
  std::string text(const char* key, const std::string& fallback) const {
    const auto found = values_.find(key);
    return found != values_.end() && found->is_string() ? found->get<std::string>() : fallback;
  }
  bool flag(const char* key, bool fallback) const {
    const auto found = values_.find(key);
    return found != values_.end() && found->is_boolean() ? found->get<bool>() : fallback;
  }
  /// Keys of architectures whose bytes and operations other formulas give.
  void refuse(const char* key, const char* what) const {
    const auto found = values_.find(key);
    if (found != values_.end() && found->is_number() && *found > 1)
      throw InputError(where_, key,
                       fmt::format("{}: only dense models with a KV cache per head are supported", what));
  }

 private:
  const std::string& where_;
  const json& values_;
};

void read_position_scheme(const std::string& where, const Config& config, Shape& shape) {
  const bool alibi = shape.architecture == "mpt" || config.text("position_embedding", "") == "alibi" ||
                     config.flag("alibi", false);
  shape.position = alibi ? PositionScheme::alibi : PositionScheme::rope;
  if (alibi) {
    shape.alibi_slopes = alibi_slopes(shape.query_heads, 8.0F);
    return;
  }
  shape.rope.theta = static_cast<float>(config.real("rope_theta", 10000.0));
  shape.rope.dimensions = shape.head_size;
  shape.rope.pairing = RopePairing::half;
  if (shape.head_size % 2 != 0)
    throw InputError(where, "head_dim", "is odd, and RoPE turns channels in pairs");
}

const json& built_in_shapes() {
  static const json shapes = [] {
    const std::filesystem::path path = std::filesystem::path(RAZORSCOPE_MODEL_DATA_DIR) / "shapes.json";
    std::ifstream file(path);
    if (!file)
      throw InputError(path.string(), "cannot be read: the list of built-in shapes belongs to the program");
    return json::parse(file);
  }();
  return shapes;
}

Shape read_config(const std::filesystem::path& path) {
  std::error_code problem;
  if (std::filesystem::file_size(path, problem) > largest_config || problem)
    throw InputError(path.string(), "is not a model's config.json: larger than 1 MiB, or not readable");
  std::ifstream file(path);
  try {
    return shape_from_config(path.string(), json::parse(file));
  } catch (const json::exception& error) {
    throw InputError(path.string(), fmt::format("is not JSON: {}", error.what()));
  }
}

}  // namespace

Shape shape_from_config(const std::string& where, const json& values) {
  const Config config(where, values);
  config.refuse("num_local_experts", "a mixture of experts");
  config.refuse("num_experts", "a mixture of experts");
  config.refuse("n_routed_experts", "a mixture of experts");
  config.refuse("kv_lora_rank", "latent attention");
  Shape shape;
  shape.architecture = config.text("model_type", "llama");
  shape.name = config.text("_name_or_path", shape.architecture);
  shape.layers = config.count({"num_hidden_layers", "n_layers", "n_layer"}, most_heads);
  shape.query_heads = config.count({"num_attention_heads", "n_heads", "n_head"}, most_heads);
  shape.kv_heads = config.count({"num_key_value_heads"}, most_heads, shape.query_heads);
  shape.hidden = config.count({"hidden_size", "d_model", "n_embd"}, most);
  shape.head_size = config.count({"head_dim"}, 4096, std::max(1, shape.hidden / shape.query_heads));
  const double expansion = config.real("expansion_ratio", 4.0);
  shape.feed_forward = config.count({"intermediate_size", "ffn_dim", "n_inner"}, most,
                                    static_cast<int>(std::min(1.0 * most, expansion * shape.hidden)));
  shape.vocabulary = config.count({"vocab_size"}, most);
  shape.context = config.count({"max_position_embeddings", "max_seq_len", "model_max_length"}, 1 << 27, 2048);
  shape.tied_head = config.flag("tie_word_embeddings", false);
  shape.mlp = shape.architecture == "mpt" ? MlpKind::gelu : MlpKind::swiglu;
  shape.norm = shape.architecture == "mpt" ? NormKind::layer : NormKind::rms;
  shape.score_scale = 1.0F / std::sqrt(static_cast<float>(shape.head_size));
  if (shape.query_heads % shape.kv_heads != 0) {
    throw InputError(
        where, "num_key_value_heads",
        fmt::format("{} KV heads do not divide {} query heads", shape.kv_heads, shape.query_heads));
  }
  read_position_scheme(where, config, shape);
  return shape;
}

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const auto& [name, config] : built_in_shapes().items()) names.push_back(name);
  return names;
}

Shape find_shape(const std::string& where, const std::string& name_or_path) {
  const json& shapes = built_in_shapes();
  if (const auto found = shapes.find(name_or_path); found != shapes.end()) {
    Shape shape = shape_from_config(name_or_path, *found);
    shape.name = name_or_path;
    return shape;
  }
  std::error_code problem;  // names may be too long to be paths
  std::filesystem::path path = name_or_path;
  if (std::filesystem::is_directory(path, problem)) path /= "config.json";
  if (std::filesystem::is_regular_file(path, problem)) {
    return path.extension() == ".json" ? read_config(path) : ModelFile(path).shape();
  }
  if (name_or_path == "tiny-alibi") return ModelFile(find_model(name_or_path)).shape();
  throw InputError(where, "neither a file nor a folder with config.json, and " +
                              unknown_name("shape", name_or_path, shape_names()));
}

}  // namespace razorscope
