#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/cli/deployment_options.hpp"
#include "experiments/cli/options.hpp"
#include "sim/serving/serving.hpp"
#include "sim/serving/workloads/workload_source.hpp"

namespace CLI {
class App;
}

namespace razorscope::cli {

/// What `serve` was asked.
struct ServeOptions {
  CommonOptions common;
  DeploymentOptions deployment;
  std::vector<std::string> policies = {"full"};
  std::string workload;
  WorkloadOptions source;
  std::string rates;  // a list: one run each
  bool search_rate = false;
  std::string slo;
  double slo_share = 0.9;
  std::string router = "round-robin";
  std::string disaggregate;
  int replicas = 1;
  int max_sequences = 0;  // 0: the engine's
  int max_tokens = 0;     // 0: the model's context
  bool prefix_cache = false;
  std::string chrome_trace;  // file
  std::string db;
};
void add_serve_options(CLI::App& command, ServeOptions& options);

/// What is served on. InputError where an option makes no sense. The limits' hash blocks are the workload's
/// and not filled in.
ServingSetup serving_setup(const ServeOptions& options);

/// --rates as requests/s, ascending; where there are none, --rate as it is (0: the workload's own).
std::vector<double> serve_rates(const ServeOptions& options);

/// The command line of one run of the same: `serve` with one policy and one rate (0: the workload's own).
std::vector<std::string> serve_arguments(const ServeOptions& options, const std::string& policy, double rate);

}  // namespace razorscope::cli
