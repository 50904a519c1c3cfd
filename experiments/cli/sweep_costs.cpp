#include "experiments/cli/sweep_costs.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <system_error>

#include "experiments/cli/command_app.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {
namespace {

/// Of a batch whose trace is still to be recorded: the model tells its shape.
RunCost cost_without_trace(const SweepBatch& batch) {
  const ModelFile model(find_model(batch.settings.at("model").get<std::string>()));
  const auto integer = [&](const char* key) { return std::stoi(batch.settings.at(key).get<std::string>()); };
  return replay_cost(model.shape(), integer("prefix"), integer("steps"),
                     static_cast<int>(batch.cells.size()));
}

RunCost cost_of_batch(const SweepBatch& batch, const SweepPlan& plan) {
  std::error_code unknown;
  if (batch.trace >= 0 &&
      !std::filesystem::exists(plan.traces[static_cast<size_t>(batch.trace)].path, unknown))
    return cost_without_trace(batch);
  return cli::cost_of(batch.words_for(batch.cells));
}

}  // namespace

RunCost SweepRunCosts::total() const {
  RunCost sum;
  for (const std::vector<RunCost>* all : {&batches, &traces}) {
    for (const RunCost& cost : *all) {
      sum.memory_bytes = std::max(sum.memory_bytes, cost.memory_bytes);
      sum.seconds += cost.seconds;
      sum.disk_bytes += cost.disk_bytes;
    }
  }
  return sum;
}

SweepRunCosts sweep_run_costs(const SweepPlan& plan, Progress& progress) {
  SweepRunCosts costs;
  std::error_code unknown;
  const auto refuse = [&](const std::string& refusal) {
    if (std::find(costs.refusals.begin(), costs.refusals.end(), refusal) == costs.refusals.end())
      costs.refusals.push_back(refusal);
  };
  progress.begin("checking the sweep", static_cast<double>(plan.traces.size() + plan.batches.size()),
                 "commands");
  for (const SweepTrace& trace : plan.traces) {
    progress.advance(static_cast<double>(costs.traces.size()));
    costs.traces.emplace_back();
    if (std::filesystem::exists(trace.path, unknown)) continue;
    std::filesystem::create_directories(trace.path.parent_path(), unknown);
    try {
      costs.traces.back() = cost_of(trace.words);
    } catch (const InputError& problem) {
      refuse(fmt::format("record: {}", problem.what()));
    }
  }
  for (const SweepBatch& batch : plan.batches) {
    progress.advance(static_cast<double>(costs.traces.size() + costs.batches.size()));
    costs.batches.emplace_back();
    try {
      costs.batches.back() = cost_of_batch(batch, plan);
    } catch (const InputError& problem) {
      refuse(fmt::format("line {}: {}: {}", batch.line, batch.command, problem.what()));
      ++costs.refused;
    }
  }
  return costs;
}

SweepCosts runner_costs(const SweepPlan& plan, const SweepRunCosts& costs) {
  SweepCosts out;
  for (const RunCost& cost : costs.traces) out.traces.push_back({cost.memory_bytes, cost.seconds, false});
  for (size_t i = 0; i < costs.batches.size(); ++i) {
    out.batches.push_back(
        {costs.batches[i].memory_bytes, costs.batches[i].seconds, plan.batches[i].command == "serve"});
  }
  return out;
}

}  // namespace razorscope::cli
