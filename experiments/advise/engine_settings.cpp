#include "experiments/advise/engine_settings.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "experiments/store/policy_label.hpp"

namespace razorscope {
namespace {

using Types = std::map<std::string, std::string>;

EngineSetting none(std::string why) { return {"", std::nullopt, std::move(why)}; }
EngineSetting with(std::string setting, std::string note = {}) {
  return {"", std::move(setting), std::move(note)};
}

/// "k=q8_0+v=q4_0", without parameters that have their default.
std::string codecs_of(const Policy& policy) {
  const std::string label = policy_label("full+" + policy.codec_name());
  return label.substr(label.find('+') + 1);
}

std::string no_type(const Policy& policy) {
  return fmt::format("has no cache type for {}", codecs_of(policy));
}

std::string no_selection(const Policy& policy) {
  return fmt::format("has no setting that drops tokens as {} does", policy.selection());
}

/// The engine's own name of the codec of keys (or values); "" where it has none. Engines offer one codec for
/// all heads, which quantises every token.
std::string type_of(const Policy& policy, bool keys, const Types& types) {
  const CodecChoice& codec = policy.codec_of(keys, true);
  const CodecChoice& others = policy.codec_of(keys, false);
  const bool is_one =
      codec.name == others.name && codec.variants == others.variants && codec.values == others.values;
  const bool ages = codec.values.has("residual") && codec.values.text("residual") != "0";
  const bool rotates = codec.values.has("rotate") && codec.values.text("rotate") != "no";
  const auto found = types.find(codec.name + (rotates ? " rotated" : ""));
  if (!is_one || ages || !codec.variants.empty() || found == types.end()) return "";
  return found->second;
}

EngineSetting llama_cpp(const Policy& policy, const SettingContext& /*context*/) {
  if (policy.selection() != "full") return none(no_selection(policy));
  static const Types types = {{"f32", "f32"},           {"f16", "f16"},           {"bf16", "bf16"},
                              {"q8_0", "q8_0"},         {"q4_0", "q4_0"},         {"q4_1", "q4_1"},
                              {"q8_0 rotated", "q8_0"}, {"q4_0 rotated", "q4_0"}, {"q4_1 rotated", "q4_1"}};
  const std::string k = type_of(policy, true, types);
  const std::string v = type_of(policy, false, types);
  if (k.empty() || v.empty()) return none(no_type(policy));
  std::string setting = fmt::format("--cache-type-k {} --cache-type-v {}", k, v);
  std::string note;
  if (v.starts_with("q")) {
    setting += " --flash-attn on";
    note = "a quantised V needs flash attention";
    if (k != v) note += ", whose CUDA kernels for mixed types need a build with GGML_CUDA_FA_ALL_QUANTS";
  }
  if (k.starts_with("q") || v.starts_with("q")) {
    note += note.empty() ? "" : "; ";
    note +=
        "builds since April 2026 rotate what they quantise, as our rotate=yes does, unless the environment "
        "has "
        "LLAMA_ATTN_ROT_DISABLE=1";
  }
  return with(std::move(setting), std::move(note));
}

/// Engines that take one type for keys and values.
EngineSetting one_type(const Policy& policy, const Types& types, const char* option,
                       const std::string& note) {
  if (policy.selection() != "full") return none(no_selection(policy));
  const std::string k = type_of(policy, true, types);
  if (k.empty() || k != type_of(policy, false, types)) return none(no_type(policy));
  return with(fmt::format("{} {}", option, k),
              k == "auto" ? "the default: the model's own 16-bit type" : note);
}

EngineSetting vllm(const Policy& policy, const SettingContext& /*context*/) {
  static const Types types = {
      {"f16", "auto"}, {"bf16", "auto"}, {"fp8-e4m3", "fp8"}, {"int8-token", "int8_per_token_head"}};
  const bool is_int8 = policy.codec_of(true, true).name == "int8-token";
  return one_type(policy, types, "--kv-cache-dtype",
                  is_int8 ? "newer versions only; its scale is symmetric, ours has a zero"
                          : "its scales are one a tensor unless calibrated, ours one a head");
}

EngineSetting sglang(const Policy& policy, const SettingContext& /*context*/) {
  static const Types types = {{"f16", "auto"}, {"bf16", "auto"}, {"fp8-e4m3", "fp8_e4m3"}};
  return one_type(policy, types, "--kv-cache-dtype", "its scales come with the checkpoint, else 1");
}

EngineSetting tensorrt_llm(const Policy& policy, const SettingContext& /*context*/) {
  static const Types types = {{"f16", "auto"}, {"bf16", "auto"}, {"fp8-e4m3", "fp8"}};
  const std::string k = type_of(policy, true, types);
  if (k.empty() || k != type_of(policy, false, types)) return none(no_type(policy));
  if (policy.selection() == "full") return with(fmt::format("KvCacheConfig(dtype=\"{}\")", k));
  if (policy.selection() != "window") return none(no_selection(policy));
  const int sinks = policy.values().integer("sinks");
  return with(fmt::format("KvCacheConfig(dtype=\"{}\", max_attention_window=[{}], sink_token_length={})", k,
                          sinks + policy.values().integer("recent"), sinks),
              "sinks with the older TensorRT backend only; the PyTorch backend has the window without them");
}

/// Selections of Hugging Face models: kvpress drops once, after the prefill, a share of the prompt.
EngineSetting kvpress(const Policy& policy, const SettingContext& context) {
  static const std::map<std::string, std::string> presses = {
      {"window", "StreamingLLMPress"}, {"snapkv", "SnapKVPress"}, {"pyramidkv", "PyramidKVPress"},
      {"tova", "TOVAPress"},           {"knorm", "KnormPress"},   {"expected", "ExpectedAttentionPress"},
      {"keydiff", "KeyDiffPress"},     {"lagkv", "LagKVPress"},   {"random", "RandomPress"}};
  static const Types types = {{"f16", "f16"}, {"bf16", "bf16"}};
  const auto found = presses.find(policy.selection());
  if (policy.selection() == "full") return none("drops tokens; the whole cache needs no press");
  if (found == presses.end()) return none(fmt::format("has no press for {}", policy.selection()));
  if (type_of(policy, true, types).empty() || type_of(policy, false, types).empty())
    return none(fmt::format("drops tokens in 16 bits only, not in {}", codecs_of(policy)));
  std::string arguments =
      fmt::format("compression_ratio={:.3f}", std::clamp(1.0 - context.kept_share, 0.0, 1.0));
  if (policy.selection() == "window")
    arguments += fmt::format(", n_sink={}", policy.values().integer("sinks"));
  if (policy.values().has("observe")) {
    arguments += fmt::format(", window_size={}, kernel_size={}", policy.values().integer("observe"),
                             policy.values().integer("kernel"));
  }
  return with(
      fmt::format("{}({})", found->second, arguments),
      fmt::format("for prompts of {} tokens: the share is what this policy drops there; it drops after "
                  "the prefill only",
                  context.context));
}

EngineSetting duo_attention(const Policy& policy, const SettingContext& /*context*/) {
  static const Types types = {{"f16", "f16"}, {"bf16", "bf16"}};
  const ParameterValues& values = policy.values();
  if (!values.has("heads") || !values.has("sinks")) return none("needs a policy that protects heads");
  if (type_of(policy, true, types).empty() || type_of(policy, false, types).empty())
    return none(fmt::format("keeps 16 bits, not {}", codecs_of(policy)));
  const std::string exported =
      "its attn_load_dir: the file of --duo-attention, and its config.json beside it";
  if (policy.selection() == "duo") return with(exported);
  if (policy.selection() == "razor" && values.has("recent")) {
    return with(exported, "its other heads forget what razor folds into a compensation slot");
  }
  return none(fmt::format("its other heads keep sinks and a window of fixed size, not what {} keeps",
                          policy.selection()));
}

}  // namespace

const std::vector<Engine>& engines() {
  static const std::vector<Engine> all = {
      {"llama.cpp", "llama-server --help", llama_cpp},
      {"vLLM", "vllm serve --help=kv-cache-dtype", vllm},
      {"SGLang", "docs.sglang.io, server arguments", sglang},
      {"TensorRT-LLM", "LLM API, KvCacheConfig", tensorrt_llm},
      {"kvpress", "github.com/NVIDIA/kvpress, with Hugging Face Transformers", kvpress},
      {"DuoAttention", "github.com/mit-han-lab/duo-attention, load_attn_pattern", duo_attention},
  };
  return all;
}

std::vector<EngineSetting> engine_settings(const Policy& policy, const SettingContext& context) {
  std::vector<EngineSetting> settings;
  for (const Engine& engine : engines()) {
    settings.push_back(engine.setting(policy, context));
    settings.back().engine = engine.name;
  }
  return settings;
}

}  // namespace razorscope
