#include "experiments/cli/run_cost.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace razorscope::cli {
namespace {

// A run's rows in the database, measured: 1.2 KB of columns, 100 bytes a query head of a replay.
constexpr double run_bytes = 1200.0;
constexpr double head_row_bytes = 100.0;
// The program itself, its model file's pages not counted.
constexpr double program_bytes = 60e6;

}  // namespace

void add_estimate_option(CLI::App& command, CommonOptions& options) {
  command.add_flag("--estimate", options.estimate,
                   "check the options, say what memory, time and disk the run would take, and do nothing");
}

void tell_cost(const CommonOptions& options, const RunCost& cost) {
  if (options.estimate) throw CostTold(cost);
}

int planned_runs(const PolicyOptions& options) {
  const auto budgets = 1 + std::count(options.equal_bytes.begin(), options.equal_bytes.end(), ',');
  return static_cast<int>(parse_policies(options).size()) * static_cast<int>(budgets);
}

RunCost replay_cost(const Shape& shape, int prefix, int steps, int policies) {
  const double tokens = static_cast<double>(prefix) + steps;
  const double layer_rows = tokens * sizeof(float) * (shape.query_width() + 2.0 * shape.kv_width());
  const double baseline = 4.0 * 32.0 * shape.query_heads * tokens * sizeof(float);
  // Seconds of one core: attention of each step and policy, and what selections compute over the prefix.
  // Constants as measured on SmolLM2 at 1536 + 64 tokens, two cores of 2.4 GHz.
  const double heads = static_cast<double>(shape.layers) * shape.query_heads;
  const double step_seconds = heads * steps * tokens * 1e-9 * (4.0 + 6.0 * policies);
  const double prefix_seconds =
      heads * prefix * static_cast<double>(prefix) * shape.head_size * 2.5e-12 * policies;
  return {program_bytes + layer_rows * 2.0 + baseline +
              policies * 3.0 * tokens * shape.kv_width() * sizeof(float),
          0.1 + step_seconds + prefix_seconds, policies * (run_bytes + head_row_bytes * heads)};
}

RunCost closed_loop_cost(const ModelFile& model, Compute compute, double prompt_rows, double step_rows,
                         int longest, int policies) {
  const Shape& shape = model.shape();
  const double cache = shape.kv_bytes_per_token(32.0) * longest;
  const double queries = sizeof(float) * static_cast<double>(shape.layers) * shape.query_width() * longest;
  const double rows = std::min(2048.0, std::max(32.0 * (1.0 + policies), static_cast<double>(longest)));
  const double row = sizeof(float) * (4.0 * shape.hidden + shape.query_width() + 3.0 * shape.kv_width() +
                                      3.0 * shape.feed_forward);
  const double logits = 2.0 * sizeof(float) * 32.0 * shape.vocabulary;
  return {program_bytes + static_cast<double>(model.weight_bytes(compute)) + cache * (1.0 + policies) +
              queries + rows * row + logits,
          assumed_seconds(model, compute, prompt_rows + step_rows * (1.0 + policies)), policies * run_bytes};
}

}  // namespace razorscope::cli
