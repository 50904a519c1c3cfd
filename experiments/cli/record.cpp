#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/probe_cache.hpp"
#include "experiments/cli/run_cost.hpp"
#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "models/language/model_file.hpp"
#include "models/trace/recorder.hpp"
#include "models/trace/score_bounds.hpp"
#include "policies/cache/exact_memory.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  ModelChoice model;
  TokenSource source;
  int tokens = 0;
  std::string out;
  bool no_probe = false;
  std::string dtype = "f32";
};

TraceDtype trace_dtype(const std::string& name) {
  if (name == "f32") return TraceDtype::f32;
  if (name == "f16") return TraceDtype::f16;
  if (name == "bf16") return TraceDtype::bf16;
  throw InputError("--dtype", unknown_name("trace dtype", name, {"f32", "f16", "bf16"}));
}

/// First byte of each token in the text; the BOS has none.
std::vector<int64_t> text_offsets(const LoadedTokens& loaded, const Tokenizer& tokenizer) {
  std::vector<int64_t> offsets;
  int64_t at = 0;
  for (size_t i = 0; i < loaded.ids.size(); ++i) {
    if (i == 0 && loaded.bos >= 0) {
      offsets.push_back(-1);
      continue;
    }
    offsets.push_back(at);
    at += static_cast<int64_t>(tokenizer.piece(loaded.ids[i]).size());
  }
  return offsets;
}

TraceOrigin describe(const Options& options, const ModelFile& model, const LoadedTokens& loaded) {
  TraceOrigin origin;
  origin.model = model.shape().name;
  origin.model_sha256 = model.sha256();
  origin.bos = loaded.bos;
  if (loaded.text.empty()) return origin;
  origin.text = std::filesystem::path(options.source.text_file).filename().string();
  origin.text_sha256 = sha256_hex(loaded.text);
  origin.text_offsets = text_offsets(loaded, model.tokenizer());
  return origin;
}

/// What a run takes, said before it begins; refused where it would not fit.
void announce(const Options& options, const ModelFile& model, size_t tokens, TraceDtype dtype) {
  const Shape& shape = model.shape();
  const auto rows = std::min<size_t>(tokens, prefill_chunk);
  const size_t activations = rows * sizeof(float) *
                             static_cast<size_t>(3 * shape.hidden + 2 * shape.query_width() +
                                                 2 * shape.kv_width() + 2 * shape.feed_forward);
  const auto cache = static_cast<size_t>(shape.kv_bytes_per_token(32.0)) * tokens;
  const size_t memory = model.weight_bytes(options.model.compute) + cache + activations;
  refuse_beyond_memory("record", "weights, cache and activations", memory);
  const auto file = static_cast<double>(TraceRecorder::file_bytes(shape, tokens, dtype));
  const double seconds = assumed_seconds(model, options.model.compute, static_cast<double>(tokens));
  tell_cost(options.common, {static_cast<double>(memory), seconds, file});
  fmt::print(stderr, "record: {} tokens of {}, about {} of memory, a trace of {}, about {:.0f} s\n", tokens,
             shape.name, format_bytes(static_cast<double>(memory)), format_bytes(file), seconds);
  std::error_code unknown;
  const std::filesystem::file_status target = std::filesystem::status(options.out, unknown);
  if (options.out.empty() || (std::filesystem::exists(target) && !std::filesystem::is_regular_file(target))) {
    throw InputError("--out", fmt::format("'{}' is not a path for a regular file", options.out));
  }
  const std::filesystem::path folder = std::filesystem::absolute(options.out).parent_path();
  std::error_code problem;
  const std::filesystem::space_info space = std::filesystem::space(folder, problem);
  if (problem) throw InputError("--out", fmt::format("{}: {}", folder.string(), problem.message()));
  if (static_cast<double>(space.available) < file) {
    throw InputError("--out",
                     fmt::format("the trace takes {}, but {} has only {} free", format_bytes(file),
                                 folder.string(), format_bytes(static_cast<double>(space.available))));
  }
}

void run(const Options& options) {
  const TraceDtype dtype = trace_dtype(options.dtype);
  const ModelFile model(find_model(options.model.name));
  const LoadedTokens loaded = load_tokens(options.source, model, options.tokens);
  announce(options, model, loaded.ids.size(), dtype);
  const Transformer transformer = model.load(options.model.compute);
  const std::unique_ptr<Progress> progress = terminal_progress();
  TraceOrigin origin = describe(options, model, loaded);
  if (!options.no_probe) origin.probe = default_probe(model, transformer, *progress);
  if (model.shape().position == PositionScheme::alibi)
    origin.score_bounds = weight_score_bounds(model.shape(), transformer.weights());
  TraceRecorder recorder(options.out, transformer, loaded.ids, origin, dtype);
  ExactMemory memory(model.shape(), static_cast<int>(loaded.ids.size()));
  SequenceInput sequence;
  sequence.tokens = loaded.ids;
  sequence.memory = &memory;
  sequence.observer = &recorder;
  prefill(transformer, sequence, *progress, "record");
  recorder.commit();
  const auto bytes = std::filesystem::file_size(options.out);
  if (options.common.json) {
    print_json({{"trace", options.out},
                {"tokens", loaded.ids.size()},
                {"bytes", bytes},
                {"probe", origin.probe.has_value()}});
  } else {
    fmt::print("{}: {} tokens, {} layers, {}{}\n", options.out, loaded.ids.size(), model.shape().layers,
               format_bytes(static_cast<double>(bytes)), origin.probe ? ", with a probe's scores" : "");
  }
}

}  // namespace

void add_record(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "record", "a trace: Q, K and V of every layer and head, from one exact forward pass",
                  "razorscope record --model smollm2-135m --text experiments/texts/harbour.txt --tokens 1600 "
                  "--out trace.safetensors");
  add_model_options(*command, options->model);
  add_token_source(*command, options->source);
  command->add_option("--tokens", options->tokens, "how many tokens, BOS included; default: the whole text")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--out", options->out,
                   "the trace (safetensors); it appears under this name when it is complete")
      ->required();
  command->add_flag("--no-probe", options->no_probe,
                    "leave out the probe: policies that need retrieval heads then ask for heads=FILE");
  command->add_option("--dtype", options->dtype, "element type in the file: f32, f16, bf16")
      ->capture_default_str();
  add_common_options(*command, options->common);
  add_estimate_option(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
