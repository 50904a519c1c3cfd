#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "experiments/cli/bench/bench.hpp"
#include "experiments/cli/bench/command.hpp"
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
struct PrefillFlops {
  double weights = 0.0;    // of products with weights, in the compute type
  double attention = 0.0;  // of its two products, in f32

  double all() const { return weights + attention; }
};

PrefillFlops prefill_flops(const Shape& shape, int tokens) {
  const double n = tokens;
  const double per_layer =
      static_cast<double>(shape.hidden) * (shape.query_width() + 2.0 * shape.kv_width()) +
      static_cast<double>(shape.query_width()) * shape.hidden +
      (shape.mlp == MlpKind::swiglu ? 3.0 : 2.0) * shape.hidden * shape.feed_forward;
  const double attention = 2.0 * shape.query_width() * n * (n + 1.0) / 2.0;
  const double head = static_cast<double>(shape.hidden) * shape.vocabulary;
  return {2.0 * (shape.layers * per_layer * n + head), 2.0 * shape.layers * attention};
}

/// The share of oneDNN's own speed that a prefill of up to 512 tokens should reach; a longer one spends more
/// in softmax. With SmolLM2-135M: 400 tokens/s where a core does 109 GFLOP/s in f32, 640 where 205 in bf16.
std::optional<BenchAim> aim_of(const Options& options, double share) {
  if (options.tokens > prefill_chunk) return std::nullopt;
  return BenchAim{"oneDNN's own speed", options.model.compute == Compute::bf16 ? 0.80 : 0.85, share};
}

void run(const Options& options) {
  const ModelFile model(find_model(options.model.name));
  const Shape& shape = model.shape();
  if (options.tokens > shape.context) {
    throw InputError("--tokens", fmt::format("{} tokens do not fit into the context of {}", options.tokens,
                                             shape.context));
  }
  const Compute compute = options.model.compute;
  const Transformer transformer = model.load(compute);
  const std::vector<int32_t> ids = random_tokens(options.tokens, shape.vocabulary, options.common);
  const ProductPeak peak(compute);
  const ProductPeak attention_peak(Compute::f32);
  std::vector<TimedWork> works = peak.works();
  const size_t peak_works = works.size();
  for (TimedWork& work : attention_peak.works()) works.push_back(std::move(work));
  works.emplace_back([&] { return prefill_seconds(transformer, ids); });
  const std::vector<double> seconds =
      interleaved_medians(works, options.repeats, *terminal_progress(), "bench prefill");
  const auto part = [&](size_t begin, size_t end) {
    return std::vector<double>(seconds.begin() + static_cast<ptrdiff_t>(begin),
                               seconds.begin() + static_cast<ptrdiff_t>(end));
  };
  const PrefillFlops flops = prefill_flops(shape, options.tokens);
  const double least_nanoseconds =
      flops.weights / peak.gflop_per_s(part(0, peak_works)) +
      flops.attention / attention_peak.gflop_per_s(part(peak_works, works.size() - 1));
  BenchRow row;
  row.name = "prefill";
  row.codec = "f32";
  row.tokens = options.tokens;
  row.seconds_median = seconds.back();
  row.rate = flops.all() / row.seconds_median / 1e9;
  row.limit = flops.all() / least_nanoseconds;
  row.aim = aim_of(options, row.ratio());
  const double tokens_per_second = options.tokens / row.seconds_median;
  row.more = {{"model", shape.name},
              {"compute", compute_name(compute)},
              {"repeats", options.repeats},
              {"tokens_per_second", tokens_per_second}};
  print_bench({row},
              {fmt::format("{}, products in {}: {:.0f} tokens/s; limit: oneDNN on large products in the same "
                           "run, attention in f32",
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
  add_repeats_option(*command, options->repeats);
  run_on_parse(*command, options, run);
}

}  // namespace razorscope::cli
