#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "models/base/machine.hpp"
#include "models/language/model_file.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string model;
};

std::string position_text(const Shape& shape) {
  if (shape.position == PositionScheme::alibi) {
    return fmt::format("ALiBi, slopes {:.4g} to {:.4g}", shape.alibi_slopes.front(),
                       shape.alibi_slopes.back());
  }
  return fmt::format(
      "RoPE, theta {}, {} of {} channels, {}{}", shape.rope.theta, shape.rope.dimensions, shape.head_size,
      shape.rope.pairing == RopePairing::half ? "half pairs" : "interleaved pairs",
      shape.rope.linear_scaling == 1.0F ? "" : fmt::format(", positions / {}", shape.rope.linear_scaling));
}

void run(const Options& options) {
  const ModelFile model(find_model(options.model));
  const Shape& shape = model.shape();
  std::map<std::string, size_t> types;
  size_t parameters = 0;
  for (const GgufTensor& tensor : model.gguf().tensors()) {
    ++types[std::string(traits_of(tensor.type).name)];
    parameters += tensor.elements();
  }
  const double kv_layer = shape.kv_bytes_per_token(16.0) / shape.layers;
  if (options.common.json) {
    print_json({{"path", model.gguf().path().string()},
                {"sha256", model.sha256()},
                {"name", shape.name},
                {"architecture", shape.architecture},
                {"layers", shape.layers},
                {"query_heads", shape.query_heads},
                {"kv_heads", shape.kv_heads},
                {"head_size", shape.head_size},
                {"hidden", shape.hidden},
                {"feed_forward", shape.feed_forward},
                {"vocabulary", shape.vocabulary},
                {"context", shape.context},
                {"position_scheme", shape.position == PositionScheme::alibi ? "alibi" : "rope"},
                {"rope_theta", shape.rope.theta},
                {"alibi_slopes", shape.alibi_slopes},
                {"parameters", parameters},
                {"tensor_types", types},
                {"file_bytes", model.gguf().bytes().size()},
                {"weight_bytes_f32", model.weights() * sizeof(float)},
                {"kv_bytes_per_token_and_layer_f16", kv_layer},
                {"kv_bytes_per_token_f16", shape.kv_bytes_per_token(16.0)}});
    return;
  }
  std::string type_list;
  for (const auto& [name, count] : types)
    type_list += fmt::format("{}{} x {}", type_list.empty() ? "" : ", ", count, name);
  const auto line = [](const char* what, const std::string& value) { fmt::print("{:<22}{}\n", what, value); };
  line("model", fmt::format("{} ({})", shape.name, shape.architecture));
  line("file", fmt::format("{}, {}", model.gguf().path().string(),
                           format_bytes(static_cast<double>(model.gguf().bytes().size()))));
  line("sha256", model.sha256());
  line("parameters", fmt::format("{:.2f} M in {}", static_cast<double>(parameters) / 1e6, type_list));
  line("layers", fmt::to_string(shape.layers));
  line("heads", fmt::format("{} query, {} KV (group size {}), head size {}", shape.query_heads,
                            shape.kv_heads, shape.group_size(), shape.head_size));
  line("hidden, feed-forward", fmt::format("{}, {}", shape.hidden, shape.feed_forward));
  line("vocabulary, context", fmt::format("{}, {}", shape.vocabulary, shape.context));
  line("positions", position_text(shape));
  line("weights in memory",
       fmt::format("{} with --compute f32, {} with bf16",
                   format_bytes(static_cast<double>(model.weight_bytes(Compute::f32))),
                   format_bytes(static_cast<double>(model.weight_bytes(Compute::bf16)))));
  line("KV cache in f16", fmt::format("{} a token and layer, {} a token, {} at the whole context",
                                      format_bytes(kv_layer), format_bytes(shape.kv_bytes_per_token(16.0)),
                                      format_bytes(shape.kv_bytes_per_token(16.0) * shape.context)));
}

}  // namespace

void add_inspect(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "inspect", "shape, position scheme, tensor types, parameters, KV bytes of a model",
                  "razorscope inspect smollm2-135m");
  command->add_option("model,--model", options->model, "GGUF file, or smollm2-135m or tiny-alibi")
      ->required();
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
