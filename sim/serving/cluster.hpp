#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/serving/serving.hpp"

namespace razorscope {

/// The engines of a setup and the requests in them: everything but the passing of time, so that simulators of
/// different kinds run the same thing. Internal to this folder.
class Cluster {
 public:
  Cluster(const ServingSetup& setup, PolicyFootprint& footprint, const Workload& workload);

  size_t engines() const { return engines_.size(); }
  Scheduler& engine(size_t index) { return *engines_[index]; }
  const StepTimeModel& model() const { return model_; }

  /// The next request arrives; the engine that got it, or nothing where it was refused.
  std::optional<size_t> arrive(double now);
  bool all_arrived() const { return next_ == workload_.requests.size(); }
  double next_arrival() const { return workload_.requests[next_].arrival; }

  /// An engine's step over this work begins, or ended. Ending gives sequences whose prompts are done and that
  /// decode elsewhere.
  std::optional<StepTime> begin_step(size_t engine, double now);
  std::vector<std::unique_ptr<Sequence>> end_step(size_t engine, double now);

  /// The decode engine that has room for a sequence and the fewest others; it then belongs to that engine,
  /// which starts it once its cache has arrived. Nothing: none has room yet.
  std::optional<size_t> place(std::unique_ptr<Sequence>& sequence);

  size_t finished() const { return finished_; }  // or refused
  bool all_finished() const { return finished_ == workload_.requests.size(); }
  /// Why requests are left although nothing can be done.
  std::string describe_stall() const;

  ServingResult result();

 private:
  size_t route();
  double kv_use() const;  // share of all pools that sequences hold
  size_t running() const;
  size_t waiting() const;
  void sample(double now);
  void integrate(double now);

  const ServingSetup& setup_;
  PolicyFootprint& footprint_;
  const Workload& workload_;
  StepTimeModel model_;
  std::vector<std::unique_ptr<Scheduler>> engines_;
  std::vector<size_t> outstanding_;  // requests of each engine
  size_t routed_ = 0;
  size_t next_ = 0;  // request to arrive
  size_t finished_ = 0;
  std::vector<double> latest_token_;  // by request
  std::vector<float> gaps_;
  std::vector<TokenEvent> events_;
  Timeline timeline_;
  ServingResult result_;
  int64_t output_tokens_ = 0;
  int64_t prompt_tokens_ = 0;
  double integrated_until_ = 0.0;
  double running_seconds_ = 0.0;
  double waiting_seconds_ = 0.0;
  double kv_seconds_ = 0.0;
  double memory_seconds_ = 0.0;
  double compute_seconds_ = 0.0;
};

}  // namespace razorscope
