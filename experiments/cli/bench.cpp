#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <omp.h>
#include <random>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "models/base/error.hpp"
#include "models/language/linear.hpp"
#include "models/language/model_file.hpp"
#include "policies/cache/exact_memory.hpp"
#include "policies/kernels/target.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string model = "smollm2-135m";
  int tokens = 512;
  int repeats = 5;
};

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// oneDNN's own f32 rate on a large product, with the same threads: what a prefill could reach at most.
double gemm_seconds(size_t size) {
  Matrix x(size, size);
  Matrix w(size, size);
  Matrix y(size, size);
  for (Matrix* matrix : {&x, &w}) std::fill_n(matrix->data(), size * size, 0.5F);
  return seconds_of([&] { multiply(x.data(), size, w, y.data()); });
}

class DiscardLogits final : public ForwardObserver {};

double prefill_seconds(const Transformer& transformer, const std::vector<int32_t>& ids) {
  ExactMemory memory(transformer.shape(), static_cast<int>(ids.size()));
  DiscardLogits discard;
  NoProgress silent;
  SequenceInput sequence;
  sequence.tokens = ids;
  sequence.memory = &memory;
  sequence.observer = &discard;
  sequence.logits = LogitsWanted::last;
  return seconds_of([&] { prefill(transformer, sequence, silent, "prefill"); });
}

/// Floating-point operations of a prefill with the LM head for the last token only.
double prefill_flops(const Shape& shape, int tokens) {
  const double n = tokens;
  const double per_layer =
      static_cast<double>(shape.hidden) * (shape.query_width() + 2.0 * shape.kv_width()) +
      static_cast<double>(shape.query_width()) * shape.hidden +
      (shape.mlp == MlpKind::swiglu ? 3.0 : 2.0) * shape.hidden * shape.feed_forward;
  const double attention = 2.0 * shape.query_width() * n * (n + 1.0) / 2.0;
  return 2.0 *
         (shape.layers * (per_layer * n + attention) + static_cast<double>(shape.hidden) * shape.vocabulary);
}

void run_prefill(const Options& options) {
  const ModelFile model(find_model(options.model));
  if (options.tokens > model.shape().context) {
    throw InputError("--tokens", fmt::format("{} tokens do not fit into the context of {}", options.tokens,
                                             model.shape().context));
  }
  const Transformer transformer = model.load();
  std::mt19937 random(static_cast<std::mt19937::result_type>(options.common.seed));
  std::vector<int32_t> ids;
  for (int i = 0; i < options.tokens; ++i)
    ids.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(model.shape().vocabulary)));
  constexpr size_t gemm_size = 2048;
  prefill_seconds(transformer, ids);  // warm-up
  std::vector<double> prefills;
  std::vector<double> gemms;
  for (int i = 0; i < options.repeats; ++i) {  // in turn, so that a drifting machine touches both
    prefills.push_back(prefill_seconds(transformer, ids));
    gemms.push_back(gemm_seconds(gemm_size));
  }
  const double seconds = median(prefills);
  const double rate = prefill_flops(model.shape(), options.tokens) / seconds / 1e9;
  const double limit = 2.0 * static_cast<double>(gemm_size * gemm_size * gemm_size) / median(gemms) / 1e9;
  const double tokens_per_second = options.tokens / seconds;
  const std::string target(target_name(active_target()));
  const int threads = omp_get_max_threads();
  if (options.common.json) {
    print_json({{"rows",
                 {{{"name", "prefill"},
                   {"model", model.shape().name},
                   {"codec", "f32"},
                   {"compute", "f32"},
                   {"target", target},
                   {"threads", threads},
                   {"tokens", options.tokens},
                   {"repeats", options.repeats},
                   {"seconds_median", seconds},
                   {"tokens_per_second", tokens_per_second},
                   {"gflop_per_s", rate},
                   {"limit", limit},
                   {"ratio", rate / limit}}}}});
    return;
  }
  fmt::print(
      "prefill of {} tokens, {}, f32, {} threads, target {}: median of {}: {:.3f} s, {:.0f} tokens/s\n",
      options.tokens, model.shape().name, threads, target, options.repeats, seconds, tokens_per_second);
  fmt::print(
      "{:.1f} GFLOP/s of the {:.1f} that oneDNN reaches on a {} x {} product in the same run: {:.0f} %\n",
      rate, limit, gemm_size, gemm_size, 100.0 * rate / limit);
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* bench =
      add_command(app, "bench", "our speed against the machine's own limit, measured in the same run",
                  "razorscope bench prefill --model smollm2-135m --tokens 512");
  bench->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(*bench, "prefill", "exact prefill, LM head for the last token only",
                                  "razorscope bench prefill --tokens 512 --threads 1");
  command->add_option("--model", options->model, "GGUF file, or smollm2-135m or tiny-alibi")
      ->capture_default_str();
  command->add_option("--tokens", options->tokens, "random tokens to prefill")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--repeats", options->repeats, "runs; the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_common_options(*command, options->common, true);
  command->callback([options] {
    apply_common_options(options->common);
    run_prefill(*options);
  });
}

}  // namespace razorscope::cli
