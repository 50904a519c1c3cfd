#include "sim/replay/replay.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <omp.h>

#include "experiments/cli/bench/bench.hpp"
#include "experiments/cli/bench/command.hpp"
#include "experiments/cli/bench/limits.hpp"
#include "experiments/cli/bench/rows.hpp"
#include "experiments/cli/bench/synthetic_trace.hpp"
#include "experiments/cli/bench/timing.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "models/base/machine.hpp"
#include "sim/replay/calibrated_bounds.hpp"
#include "sim/replay/context.hpp"

namespace razorscope::cli {
namespace {

// The three that shrink keep a quarter of the default prefix (razor: in its windowed heads, an eighth).
constexpr const char* default_policies = "full;window:recent=508;h2o:budget=512;razor:recent=252;full+q8_0";

struct Options {
  CommonOptions common;
  PolicyOptions policies;
  std::string trace;  // "": random numbers in the shape below
  SyntheticTrace shape = {.layers = 3, .kv_heads = 8, .group = 4, .head_size = 64};
  int prefix = 2048;
  int steps = 32;
  int repeats = 5;
};

Trace trace_of(const Options& options) {
  if (!options.trace.empty()) return Trace(options.trace);
  SyntheticTrace shape = options.shape;
  shape.tokens = options.prefix + options.steps;
  shape.seed = options.common.seed;
  refuse_beyond_memory("bench replay", "a trace of random numbers and a layer of it", 2 * shape.bytes());
  return make_trace(shape);
}

/// A policy's replay is one thread's work, and policies are replayed side by side: here as many copies of one
/// policy as there are threads, so that the machine is as busy as with a list of policies.
class PolicyReplays {
 public:
  PolicyReplays(const Trace& trace, const Options& options, Policy policy)
      : trace_(trace), policy_(std::move(policy)) {
    request_.prefix = options.prefix;
    request_.steps = options.steps;
    request_.policies.assign(static_cast<size_t>(omp_get_max_threads()), policy_);
  }

  /// Of a step through all layers, in the mean over the copies. Baseline and compression are left out.
  double seconds_per_step() {
    NoProgress silent;
    results_ = replay(trace_, request_, silent);
    double seconds = 0.0;
    for (const ReplayResult& result : results_) seconds += result.step_seconds;
    return seconds / static_cast<double>(results_.size()) / request_.steps;
  }

  const Policy& policy() const { return policy_; }
  size_t copies() const { return request_.policies.size(); }
  double kept_tokens() const { return results_.front().kept_tokens_mean; }
  double read_tokens() const { return results_.front().read_tokens_mean; }
  /// Of K and V that one copy's queries read in a step, in the mean over the steps: what the compressed
  /// prefix takes, in proportion to the tokens that are read.
  double bytes_per_step() const {
    const auto held = static_cast<double>(results_.front().compressed.rows());
    return kept_tokens() > 0.0 ? held * read_tokens() / kept_tokens() : 0.0;
  }

 private:
  const Trace& trace_;
  Policy policy_;
  ReplayRequest request_;
  std::vector<ReplayResult> results_;  // of the last run
};

/// "razor/weighted:recent=252": of the parameters only the size.
std::string short_name(const Policy& policy) {
  std::string name = policy.selection();
  if (!policy.variant().empty()) name += "/" + policy.variant();
  const std::string& size = policy.entry().size_parameter;
  if (policy.values().has(size)) name += fmt::format(":{}={}", size, policy.values().text(size));
  return name;
}

/// "q8_0", or "q8_0, q4_0" where K and V differ.
std::string codecs_of(const Policy& policy) {
  const std::string& keys = policy.codec_of(true, false).name;
  const std::string& values = policy.codec_of(false, false).name;
  return keys == values ? keys : keys + ", " + values;
}

BenchRow row_of(const Options& options, const Shape& shape, const PolicyReplays& replays, double seconds,
                double limit) {
  BenchRow row;
  row.name = "replay " + short_name(replays.policy());
  row.codec = codecs_of(replays.policy());
  row.tokens = options.prefix;
  row.seconds_median = seconds;
  row.unit = RateUnit::gb_per_s;
  row.rate = replays.bytes_per_step() * static_cast<double>(replays.copies()) / seconds / 1e9;
  row.limit = limit;
  row.more = {{"policy", replays.policy().name()},
              {"steps", options.steps},
              {"repeats", options.repeats},
              {"replays", replays.copies()},
              {"bytes_per_step", replays.bytes_per_step()},
              {"kept_tokens_mean", replays.kept_tokens()},
              {"read_tokens_mean", replays.read_tokens()},
              {"layers", shape.layers},
              {"kv_heads", shape.kv_heads},
              {"group", shape.group_size()},
              {"head_size", shape.head_size}};
  return row;
}

void run(const Options& options) {
  const std::vector<Policy> requested = options.policies.policies.empty()
                                            ? Policy::parse_list(default_policies)
                                            : parse_policies(options.policies);
  const Trace trace = trace_of(options);
  check_replay(trace, {.prefix = options.prefix, .steps = options.steps, .policies = requested});
  const TraceBounds bounds(trace, options.prefix);
  std::vector<std::unique_ptr<PolicyReplays>> replays;
  for (PlannedPolicy& plan :
       plan_policies(options.policies, requested, selection_context(trace, options.prefix, bounds)))
    replays.push_back(std::make_unique<PolicyReplays>(trace, options, std::move(plan.policy)));
  const ReadPeak peak;
  std::vector<TimedWork> works = {peak.work()};
  for (const auto& each : replays) works.emplace_back([&each = *each] { return each.seconds_per_step(); });
  const std::unique_ptr<Progress> progress = terminal_progress();
  const std::vector<double> seconds = interleaved_medians(works, options.repeats, *progress, "bench replay");
  std::vector<BenchRow> rows;
  for (size_t i = 0; i < replays.size(); ++i)
    rows.push_back(row_of(options, trace.shape(), *replays[i], seconds[i + 1], peak.gb_per_s(seconds[0])));
  const Shape& shape = trace.shape();
  print_bench(
      rows,
      {fmt::format("a step through {} layers of {} query heads on {} KV heads, head size {}: append, attend, "
                   "measure errors, evict; {} steps, a replay on each thread",
                   shape.layers, shape.query_heads, shape.kv_heads, shape.head_size, options.steps),
       "rate: bytes of K and V that the policy's queries read; limit: reading memory, same run"},
      options.common.json);
}

/// Only of a trace that is made here: a recorded one has a shape of its own.
void add_shape_options(CLI::App& command, SyntheticTrace& shape, CLI::Option* trace) {
  const auto add = [&](const char* name, int& value, const char* help, int most) {
    command.add_option(name, value, help)->capture_default_str()->check(CLI::Range(1, most))->excludes(trace);
  };
  add("--layers", shape.layers, "layers of the random trace", 1024);
  add("--kv-heads", shape.kv_heads, "KV heads of a layer of it", 128);
  add("--group", shape.group, "query heads that share a KV head", 16);
  add("--head-size", shape.head_size, "channels of a head", 1024);
}

}  // namespace

void add_bench_replay(CLI::App& bench) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      bench, "replay",
      "a step of `replay` under each policy, on random numbers from --seed or on a recorded trace: what the "
      "policy's queries read of K and V, against reading memory. A step does more than read: it measures "
      "errors over all tokens, however few are kept, and some policies keep scores",
      "razorscope bench replay --policies \"full;h2o:budget=512;full+q8_0\" --prefix 4096 --threads 1");
  CLI::Option* trace = command->add_option("--trace", options->trace,
                                           "a trace that `record` wrote, instead of random numbers");
  add_policy_options(*command, options->policies, false);
  command->get_option("--policies")->default_str(default_policies);
  command->add_option("--prefix", options->prefix, "tokens that are compressed before the steps")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 24));
  command->add_option("--steps", options->steps, "queries after the prefix, in each run")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  add_shape_options(*command, options->shape, trace);
  add_repeats_option(*command, options->repeats);
  run_on_parse(*command, options, run);
}

}  // namespace razorscope::cli
