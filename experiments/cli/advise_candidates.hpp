#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiments/advise/candidate.hpp"
#include "experiments/advise/limit.hpp"
#include "experiments/cli/advise_options.hpp"
#include "experiments/store/store.hpp"
#include "policies/cache/footprint.hpp"
#include "sim/serving/plan.hpp"

namespace razorscope::cli {

/// The name that the store knows a model by: its file's own, where `model` names one that is here; else its
/// shape's.
std::string name_in_store(const std::string& model);

/// The candidates of a question with their figures: quality from the store, capacity and time from plans,
/// latency from simulations.
class AdviseCandidates {
 public:
  /// InputError where a policy that was asked for by name makes no sense here, or the weights do not fit.
  AdviseCandidates(const AdviseOptions& options, Store& store);

  const Deployment& deployment() const { return deployment_; }
  const std::vector<Candidate>& all() const { return candidates_; }
  /// What the store knows about quality, of other policies too, by policy.
  const std::map<std::string, Figures>& evidence() const { return evidence_; }
  /// What must stand below the figures.
  const std::vector<std::string>& notes() const { return notes_; }

  /// Plans each at the asked context and stores the plans.
  void plan_all(Store& store, Progress& progress);
  /// Serves the load under all whose figures (without their intervals) hold the limits so far, in processes
  /// of their own that store themselves. Seconds a run, in the mean.
  double serve_all(const std::vector<Limit>& limits, Progress& progress);
  /// One policy at several rates, with the figures of each run; not stored among the candidates.
  std::vector<std::pair<double, Candidate>> serve_rates(const std::string& policy,
                                                        const std::vector<double>& rates,
                                                        Progress& progress) const;

  /// The same candidates with the plans' figures at another context, nothing stored.
  std::vector<Candidate> at(int context);

 private:
  void add_policies(Store& store);
  void add_note(const std::string& note);
  /// Nothing, and the candidate's refusal, where the policy makes no sense at this context.
  std::optional<PlanRow> plan_row(size_t index, int context, Candidate& candidate);
  void note_shares(size_t index);
  double full_bytes(int context);

  const AdviseOptions& options_;
  Deployment deployment_;
  std::vector<Policy> policies_;  // of the candidates, in their order
  std::vector<std::unique_ptr<PolicyFootprint>> footprints_;
  std::unique_ptr<PolicyFootprint> full_;
  std::vector<Candidate> candidates_;
  std::map<std::string, Figures> evidence_;
  std::vector<std::string> notes_;
};

}  // namespace razorscope::cli
