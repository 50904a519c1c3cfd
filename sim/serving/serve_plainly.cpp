#include <limits>
#include <stdexcept>

#include "sim/serving/cluster.hpp"

namespace razorscope {

ServingResult serve_plainly(const ServingSetup& setup, PolicyFootprint& footprint, const Workload& workload) {
  if (setup.disaggregated()) throw std::logic_error("serve_plainly: transfers overlap steps; use serve()");
  constexpr double never = std::numeric_limits<double>::infinity();
  Cluster cluster(setup, footprint, workload);
  std::vector<double> step_ends(cluster.engines(), never);
  const auto begin = [&](size_t engine, double now) {
    const std::optional<StepTime> step = cluster.begin_step(engine, now);
    step_ends[engine] = step ? now + step->total() : never;
  };
  while (!cluster.all_finished()) {
    size_t engine = 0;
    for (size_t i = 1; i < step_ends.size(); ++i) {
      if (step_ends[i] < step_ends[engine]) engine = i;
    }
    const double arrival = cluster.all_arrived() ? never : cluster.next_arrival();
    const double now = step_ends[engine];
    if (arrival == never && now == never) throw std::runtime_error(cluster.describe_stall());
    if (arrival <= now) {
      const std::optional<size_t> receiver = cluster.arrive(arrival);
      if (receiver && step_ends[*receiver] == never) begin(*receiver, arrival);
      continue;
    }
    cluster.end_step(engine, now);
    begin(engine, now);
  }
  return cluster.result();
}

}  // namespace razorscope
