#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/records.hpp"
#include "sim/serving/plan.hpp"
#include "sim/serving/serving.hpp"

namespace razorscope {

/// What every run on a device has that need not be there. The model is known by its shape; the comparison of
/// RunRecord says nothing here.
struct DeploymentRecord : RunRecord {
  Deployment deployment;
  std::string engine;    // whose defaults were taken
  int token_budget = 0;  // of a step
};

/// A workload without its requests.
struct WorkloadDescription {
  std::string name;            // Workload::name
  std::string pattern;         // the same without its rate
  std::string hash;            // of the requests' tokens and prefixes
  std::string arrivals_hash;   // of when they arrive
  std::optional<double> rate;  // requests/s that arrive; nothing: all at once
};
/// requested_rate: requests/s that it was stretched to; 0: not at all.
WorkloadDescription describe_workload(const Workload& workload, double requested_rate);

/// A workload served under a policy.
struct ServingRecord : DeploymentRecord {
  ServingSetup setup;  // its deployment is DeploymentRecord's
  WorkloadDescription workload;
  ServingResult result;  // its records of requests are not stored
};

/// A policy planned on a device.
struct PlanRecord : DeploymentRecord {
  PlanRequest request;
  PlanRow row;
};

/// A search for the highest rate within a service level, whose probes are stored.
struct RateSearchRecord {
  int64_t run_id = 0;               // at the rate; of `never` at the lowest tried
  std::vector<int64_t> probe_runs;  // all of them
  double wanted_share = 0.0;        // of requests that have to meet the level
  double tolerance = 0.0;           // of the rate
  std::string outcome;              // found, never, always
  double rate = 0.0;                // requests/s
  std::string command_line;
  std::string started_utc;
  double wall_seconds = 0.0;
};

/// Hexadecimal hash of a device's name, figures and constants.
std::string content_hash(const Device& device);
/// As of other records: everything that the figures depend on. The engine's name is not among it, as what it
/// stands for is.
std::string config_hash(const ServingRecord& record);
std::string config_hash(const PlanRecord& record);

}  // namespace razorscope
