#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/language/model_file.hpp"
#include "policies/policy.hpp"
#include "policies/selections/selection.hpp"
#include "sim/closed_loop/compressed_context.hpp"
#include "sim/closed_loop/weight_bounds.hpp"

namespace CLI {
class App;
}

namespace razorscope::cli {

/// --policies and --equal-bytes, as every subcommand that compares policies understands them.
struct PolicyOptions {
  std::vector<std::string> policies;
  std::string equal_bytes;
};
void add_policy_options(CLI::App& command, PolicyOptions& options, bool policies_required = true);

/// All policies of all --policies options, in the order given.
std::vector<Policy> parse_policies(const PolicyOptions& options);
/// Whether any of them chooses heads from a probe.
bool needs_probe(const std::vector<Policy>& policies);

/// What policies may ask of a model in the closed loop, kept together: a probe, where one of them needs it,
/// and the score bounds of an ALiBi model.
class PolicyKnowledge {
 public:
  /// Model and transformer must outlive it.
  PolicyKnowledge(const ModelFile& model, const Transformer& transformer, const std::vector<Policy>& policies,
                  Progress& progress);
  ModelKnowledge view() const { return {probe_ ? &*probe_ : nullptr, bounds_ ? &*bounds_ : nullptr}; }
  SelectionContext context(int prefix) const;

 private:
  const Transformer& transformer_;
  std::optional<HeadScores> probe_;
  std::optional<WeightBounds> bounds_;
};

/// A policy as it will run.
struct PlannedPolicy {
  Policy policy;
  Policy requested;              // before its size was solved
  std::optional<size_t> target;  // bytes that its size was solved for
  std::optional<double> share;   // the same, of full+f16
};

/// Each policy at each budget of --equal-bytes, budget by budget; as they are without one. A policy that a
/// budget is too small for is an InputError where there is one budget, else left out there, which a line on
/// stderr says. One whose size is fixed stands once, at the smallest budget that it fits.
std::vector<PlannedPolicy> plan_policies(const PolicyOptions& options, const std::vector<Policy>& policies,
                                         const SelectionContext& context);

/// Budgets of --equal-bytes ("0.3,0.15" or "8MiB") in bytes, the largest first.
std::vector<size_t> equal_bytes_targets(const std::string& text, size_t full_bytes);

}  // namespace razorscope::cli
