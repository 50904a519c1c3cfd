#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <numeric>

#include "experiments/cli/bench/bench.hpp"
#include "experiments/cli/bench/command.hpp"
#include "experiments/cli/bench/limits.hpp"
#include "experiments/cli/bench/rows.hpp"
#include "experiments/cli/bench/timing.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "models/base/error.hpp"
#include "sim/closed_loop/compressed_context.hpp"

namespace razorscope::cli {
namespace {

// Every selection that shrinks a cache; --equal-bytes sizes them.
constexpr const char* default_policies =
    "window;window/slot-positions;h2o;h2o/"
    "flexgen;tova;snapkv;pyramidkv;adakv;occam+q8_0;razor;occam;knorm;expected;"
    "keydiff;lagkv;random";

struct Options {
  CommonOptions common;
  ModelChoice model = {"smollm2-135m", Compute::f32};
  PolicyOptions policies;
  int batch = 0;  // 0: as many as there are policies
  int prefix = 512;
  int repeats = 5;
};

class DiscardLogits final : public ForwardObserver {};

/// The policies, repeated or cut to the batch.
std::vector<Policy> policies_of(const Options& options) {
  std::vector<Policy> policies = options.policies.policies.empty() ? Policy::parse_list(default_policies)
                                                                   : parse_policies(options.policies);
  if (policies.empty()) throw InputError("--policies", "at least one policy is needed");
  if (options.batch == 0) return policies;
  std::vector<Policy> batch;
  for (size_t i = 0; i < static_cast<size_t>(options.batch); ++i)
    batch.push_back(policies[i % policies.size()]);
  return batch;
}

/// Decode steps of a context's policies, each with a token of its own place: a policy's next one every time.
class Steps {
 public:
  Steps(const Transformer& transformer, CompressedContext& context, int32_t token)
      : transformer_(transformer),
        context_(context),
        token_(token),
        positions_(context.policies(), context.tokens()) {}

  /// One step of the policies [begin, end) in one batch.
  double seconds(size_t begin, size_t end) {
    std::vector<SequenceInput> batch;
    for (size_t i = begin; i < end; ++i) {
      batch.push_back({.tokens = {&token_, 1},
                       .first_position = positions_[i]++,
                       .memory = &context_.memory(i),
                       .observer = &discard_,
                       .logits = LogitsWanted::last});
    }
    return seconds_of([&] { transformer_.forward(batch); });
  }

 private:
  const Transformer& transformer_;
  CompressedContext& context_;
  int32_t token_;
  std::vector<int> positions_;
  DiscardLogits discard_;
};

BenchRow row_of(const Options& options, const Shape& shape, size_t policies, double seconds,
                double weight_bytes, double limit) {
  BenchRow row;
  row.name = fmt::format("decode, {} polic{}", policies, policies == 1 ? "y" : "ies");
  row.codec = "mixed";
  row.tokens = options.prefix;
  row.seconds_median = seconds;
  row.unit = RateUnit::gb_per_s;
  row.rate = weight_bytes / seconds / 1e9;
  row.limit = limit;
  row.more = {{"model", shape.name},
              {"compute", compute_name(options.model.compute)},
              {"repeats", options.repeats},
              {"policies", policies},
              {"ms_per_step", 1e3 * seconds}};
  return row;
}

void run(const Options& options) {
  const std::vector<Policy> requested = policies_of(options);
  const ModelFile model(find_model(options.model.name));
  const Shape& shape = model.shape();
  const int steps = 2 * (options.repeats + 1);  // of each policy: alone and in the batch
  if (options.prefix + steps > shape.context) {
    throw InputError("--prefix", fmt::format("{} tokens and {} steps do not fit into the context of {}",
                                             options.prefix, steps, shape.context));
  }
  const Transformer transformer = model.load(options.model.compute);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const PolicyKnowledge knowledge(model, transformer, requested, *progress);
  std::vector<Policy> policies;
  PolicyOptions sizes = options.policies;
  if (sizes.policies.empty() && sizes.equal_bytes.empty()) sizes.equal_bytes = "0.3";
  for (const PlannedPolicy& plan : plan_policies(sizes, requested, knowledge.context(options.prefix)))
    policies.push_back(plan.policy);
  const std::vector<int32_t> ids = random_tokens(options.prefix + 1, shape.vocabulary, options.common);
  CompressedContext context(transformer, std::span(ids).first(ids.size() - 1), policies, knowledge.view(), 0,
                            *progress, "prefill");
  Steps decode(transformer, context, ids.back());
  const ReadPeak peak;
  std::vector<TimedWork> works = {peak.work(), [&] { return decode.seconds(0, policies.size()); }};
  for (size_t i = 0; i < policies.size(); ++i)
    works.emplace_back([&, i] { return decode.seconds(i, i + 1); });
  const std::vector<double> seconds = interleaved_medians(works, options.repeats, *progress, "bench decode");
  const double one =
      std::accumulate(seconds.begin() + 2, seconds.end(), 0.0) / static_cast<double>(policies.size());
  const double limit = peak.gb_per_s(seconds[0]);
  // The embedding is looked up, not read; norms are too small to count.
  const double weight_bytes = static_cast<double>(model.weight_bytes(options.model.compute)) -
                              static_cast<double>(sizeof(float)) * shape.vocabulary * shape.hidden;
  std::vector<BenchRow> rows = {row_of(options, shape, 1, one, weight_bytes, limit)};
  if (policies.size() > 1) {
    rows.push_back(row_of(options, shape, policies.size(), seconds[1], weight_bytes, limit));
    rows.back().more["times_one"] = seconds[1] / one;
    // 16 of 135 M parameters on two cores; more work in the products needs more time.
    rows.back().aim = BenchAim{"times one policy's step", 4.0, seconds[1] / one, true};
  }
  print_bench(rows,
              {fmt::format("{}, products in {}; rate: the weights, read once a step; limit: reading memory, "
                           "same run; one policy: the mean of all, each alone",
                           shape.name, compute_name(options.model.compute))},
              options.common.json);
}

}  // namespace

void add_bench_decode(CLI::App& bench) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      bench, "decode",
      "one decode step of the model: for one policy, and for many in one batch (default: 16 of "
      "different kinds, each at 0.3 of the bytes of full+f16; policies that are given keep their sizes)",
      "razorscope bench decode --prefix 512 --batch 16");
  add_model_options(*command, options->model);
  add_policy_options(*command, options->policies, false);
  command->add_option("--batch", options->batch, "sequences in the batch: policies are repeated or cut to it")
      ->check(CLI::Range(1, 1024));
  command->add_option("--prefix", options->prefix, "random tokens before the step")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  add_repeats_option(*command, options->repeats);
  run_on_parse(*command, options, run);
}

}  // namespace razorscope::cli
