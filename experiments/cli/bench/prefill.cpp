#include <fmt/format.h>
#include <random>

#include "experiments/cli/bench/bench.hpp"
#include "experiments/cli/bench/limits.hpp"
#include "experiments/cli/bench/rows.hpp"
#include "experiments/cli/bench/timing.hpp"
#include "experiments/cli/options.hpp"
#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "policies/cache/exact_memory.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  ModelChoice model = {"smollm2-135m", Compute::f32};
  int tokens = 512;
  int repeats = 5;
};

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

/// The share of oneDNN's own speed that a prefill should reach: 400 and 640 tokens/s of SmolLM2-135M where a
/// core does 109 GFLOP/s in f32 and 205 in bf16. Attention stays in f32, which is why bf16's is lower.
double aimed_share(Compute compute) { return compute == Compute::bf16 ? 0.72 : 0.85; }

void run(const Options& options) {
  const ModelFile model(find_model(options.model.name));
  const Shape& shape = model.shape();
  if (options.tokens > shape.context) {
    throw InputError("--tokens", fmt::format("{} tokens do not fit into the context of {}", options.tokens,
                                             shape.context));
  }
  const Compute compute = options.model.compute;
  const Transformer transformer = model.load(compute);
  std::mt19937 random(static_cast<std::mt19937::result_type>(options.common.seed));
  std::vector<int32_t> ids;
  for (int i = 0; i < options.tokens; ++i)
    ids.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(shape.vocabulary)));
  const ProductPeak peak(compute);
  std::vector<TimedWork> works = peak.works();
  works.emplace_back([&] { return prefill_seconds(transformer, ids); });
  std::vector<double> seconds =
      interleaved_medians(works, options.repeats, *terminal_progress(), "bench prefill");
  BenchRow row;
  row.name = "prefill";
  row.codec = "f32";
  row.tokens = options.tokens;
  row.seconds_median = seconds.back();
  seconds.pop_back();
  row.rate = prefill_flops(shape, options.tokens) / row.seconds_median / 1e9;
  row.limit = peak.gflop_per_s(seconds);
  row.aim = BenchAim{"oneDNN's own speed", aimed_share(compute), row.ratio()};
  const double tokens_per_second = options.tokens / row.seconds_median;
  row.more = {{"model", shape.name},
              {"compute", compute_name(compute)},
              {"repeats", options.repeats},
              {"tokens_per_second", tokens_per_second}};
  print_bench({row},
              {fmt::format("{}, products in {}: {:.0f} tokens/s; limit: large products of oneDNN, same run",
                           shape.name, compute_name(compute), tokens_per_second)},
              options.common.json);
}

}  // namespace

void add_bench_prefill(CLI::App& bench) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(bench, "prefill", "exact prefill, LM head for the last token only",
                                  "razorscope bench prefill --tokens 512 --threads 1 --compute bf16");
  add_model_options(*command, options->model);
  command->add_option("--tokens", options->tokens, "random tokens to prefill")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--repeats", options->repeats, "runs; the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_common_options(*command, options->common, true);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
