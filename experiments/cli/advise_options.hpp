#pragma once

#include <string>
#include <vector>

#include "experiments/advise/ranking.hpp"
#include "experiments/cli/serve_options.hpp"

namespace CLI {
class App;
}

namespace razorscope::cli {

/// What `advise` was asked.
struct AdviseOptions {
  CommonOptions common;
  DeploymentOptions deployment;
  int context = 0;  // 0: the model's, less the output
  int output = 256;
  int batch = 1;
  std::string workload;
  double rate = 0.0;  // requests/s; 0: the workload's own, or no load
  int requests = 500;
  std::string slo;
  std::vector<std::string> limits;
  std::string goal;
  std::vector<std::string> policies;
  std::string evidence = "any";
  std::string heads;          // a head table, in place of a probe
  std::string duo_attention;  // files to write
  std::string heads_json;
  int top = 3;
  std::string db;

  bool with_load() const { return !workload.empty() || rate > 0.0; }
};
void add_advise_options(CLI::App& command, AdviseOptions& options);

/// --limit, and the batch that has to fit as the last. InputError where one is not a limit, or needs a load
/// or a service level that is not given.
std::vector<Limit> limits_of(const AdviseOptions& options);

/// The serving run that the load asks for.
ServeOptions serve_options(const AdviseOptions& options);

}  // namespace razorscope::cli
