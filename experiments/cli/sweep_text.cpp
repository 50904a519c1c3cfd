#include "experiments/cli/sweep_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/text_table.hpp"
#include "models/base/machine.hpp"

namespace razorscope::cli {
namespace {

/// "prefix=1536 steps=64", without the keys that all batches have alike.
std::string settings_text(const nlohmann::json& settings, const nlohmann::json& common) {
  std::string text;
  for (const auto& [key, value] : settings.items()) {
    if (common.contains(key) && common[key] == value) continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", key,
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

/// The settings that all batches of a command share.
std::map<std::string, nlohmann::json> common_settings(const SweepPlan& plan) {
  std::map<std::string, nlohmann::json> common;
  for (const SweepBatch& batch : plan.batches) {
    const auto [known, first] = common.emplace(batch.command, batch.settings);
    if (first) continue;
    nlohmann::json shared = nlohmann::json::object();
    for (const auto& [key, value] : known->second.items()) {
      if (batch.settings.contains(key) && batch.settings[key] == value) shared[key] = value;
    }
    known->second = shared;
  }
  return common;
}

std::string cost_cells(const RunCost& cost) {
  return fmt::format("{}, about {}", format_bytes(cost.memory_bytes), duration(cost.seconds));
}

}  // namespace

std::string duration(double seconds) {
  if (seconds < 1.0) return fmt::format("{:.1f} s", seconds);
  if (seconds < 120.0) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200.0) return fmt::format("{:.0f} min", seconds / 60.0);
  return fmt::format("{:.1f} h", seconds / 3600.0);
}

std::string plan_text(const SweepFile& file, const SweepPlan& plan, const SweepRunCosts& costs,
                      size_t threads) {
  std::string text =
      fmt::format("{}: {} runs in {} processes\n", file.name, plan.cells(), plan.batches.size());
  const std::map<std::string, nlohmann::json> common = common_settings(plan);
  for (const auto& [command, settings] : common)
    text += fmt::format("  {}: {}\n", command, settings_text(settings, {}));
  text += '\n';
  for (size_t i = 0; i < plan.traces.size(); ++i) {
    const std::string& tokens =
        *(std::find(plan.traces[i].words.begin(), plan.traces[i].words.end(), "--tokens") + 1);
    text += fmt::format("record  {} tokens of {} with {}: {}, for all replays of it\n", tokens,
                        plan.traces[i].words[4], plan.traces[i].words[2],
                        costs.traces[i].disk_bytes > 0.0 ? cost_cells(costs.traces[i]) : "is there");
  }
  constexpr size_t most_batches = 60;
  constexpr size_t most_policies = 8;
  for (size_t b = 0; b < std::min(plan.batches.size(), most_batches); ++b) {
    const SweepBatch& batch = plan.batches[b];
    text += fmt::format("{}  {}: {} runs, {}\n", batch.command,
                        settings_text(batch.settings, common.at(batch.command)), batch.cells.size(),
                        cost_cells(costs.batches[b]));
    // Policies are the same for most batches of a grid.
    const bool as_before =
        b > 0 && plan.batches[b - 1].cells.size() == batch.cells.size() &&
        std::equal(batch.cells.begin(), batch.cells.end(), plan.batches[b - 1].cells.begin(),
                   [](const SweepCell& left, const SweepCell& right) { return left.policy == right.policy; });
    if (as_before || batch.cells.front().policy.empty()) continue;
    for (size_t i = 0; i < std::min(batch.cells.size(), most_policies); ++i)
      text += fmt::format("          {}\n", policy_label(batch.cells[i].policy));
    if (batch.cells.size() > most_policies)
      text += fmt::format("          and {} more\n", batch.cells.size() - most_policies);
  }
  if (plan.batches.size() > most_batches)
    text += fmt::format("and {} more processes\n", plan.batches.size() - most_batches);
  const RunCost total = costs.total();
  text += fmt::format(
      "\nabout {} on {} cores, at most {} of memory in one process, about {} on disk. Estimates: a run shows "
      "its real "
      "pace.\n",
      duration(total.seconds / static_cast<double>(threads)), threads, format_bytes(total.memory_bytes),
      format_bytes(total.disk_bytes));
  return text;
}

nlohmann::json plan_json(const SweepFile& file, const SweepPlan& plan, const SweepRunCosts& costs) {
  nlohmann::json runs = nlohmann::json::array();
  for (size_t b = 0; b < plan.batches.size(); ++b) {
    for (const SweepCell& cell : plan.batches[b].cells) {
      runs.push_back({{"command", plan.batches[b].command},
                      {"settings", plan.batches[b].settings},
                      {"policy", cell.policy.empty() ? nlohmann::json() : nlohmann::json(cell.policy)},
                      {"process", b},
                      {"config_hash", cell.config_hash}});
    }
  }
  const RunCost total = costs.total();
  return {{"sweep", file.name},
          {"runs", runs},
          {"processes", plan.batches.size()},
          {"traces", plan.traces.size()},
          {"memory_bytes", total.memory_bytes},
          {"seconds", total.seconds},
          {"disk_bytes", total.disk_bytes},
          {"refusals", costs.refusals}};
}

std::string failures_text(const std::vector<CellRow>& cells, size_t most) {
  std::map<std::string, std::vector<const CellRow*>> by_message;
  for (const CellRow& cell : cells) {
    if (cell.state == CellState::failed) by_message[cell.message].push_back(&cell);
  }
  std::string text;
  size_t shown = 0;
  for (const auto& [message, failed] : by_message) {
    if (shown++ == most) {
      text += fmt::format("and {} other messages\n", by_message.size() - most);
      break;
    }
    const CellRow& first = *failed.front();
    text +=
        fmt::format("failed ({}): {} {}\n  {} (exit code {}, attempt {})\n  {}\n", failed.size(),
                    first.command, first.policy.empty() ? first.settings_json : policy_label(first.policy),
                    message, first.exit_code, first.attempts, first.command_line);
  }
  return text;
}

std::string status_text(const SweepStatus& status) {
  const SweepRow& sweep = status.sweep;
  std::string text = fmt::format("{}: {} of {} runs done, {} failed, {} running, {} pending", sweep.name,
                                 sweep.done, sweep.cells, sweep.failed, sweep.running, sweep.pending);
  if (sweep.running > 0 && sweep.left_seconds > 0.0)
    text += fmt::format("; about {} of work left", duration(sweep.left_seconds));
  text += '\n';
  for (const RunnerRow& runner : status.runners) {
    if (runner.cells == 0) continue;
    text += fmt::format("runner {} on {}: {} runs, last heard of {:.0f} s ago\n", runner.pid, runner.host,
                        runner.cells, runner.silent_seconds);
  }
  return text + failures_text(status.cells, 10);
}

nlohmann::json status_json(const SweepStatus& status) {
  const SweepRow& sweep = status.sweep;
  nlohmann::json failures = nlohmann::json::array();
  for (const CellRow& cell : status.cells) {
    if (cell.state != CellState::failed) continue;
    failures.push_back({{"command", cell.command},
                        {"settings", nlohmann::json::parse(cell.settings_json, nullptr, false)},
                        {"policy", cell.policy},
                        {"message", cell.message},
                        {"exit_code", cell.exit_code},
                        {"attempts", cell.attempts},
                        {"command_line", cell.command_line}});
  }
  nlohmann::json runners = nlohmann::json::array();
  for (const RunnerRow& runner : status.runners) {
    runners.push_back({{"host", runner.host},
                       {"pid", runner.pid},
                       {"runs", runner.cells},
                       {"silent_seconds", runner.silent_seconds}});
  }
  return {{"sweep", sweep.name},
          {"runs", sweep.cells},
          {"done", sweep.done},
          {"failed", sweep.failed},
          {"running", sweep.running},
          {"pending", sweep.pending},
          {"spent_seconds", sweep.spent_seconds},
          {"left_seconds", sweep.left_seconds},
          {"failures", failures},
          {"runners", runners}};
}

std::string progress_line(const SweepState& state) {
  std::string line = fmt::format("{} of {} runs", state.done + state.failed, state.cells);
  if (state.failed > 0) line += fmt::format(", {} failed", state.failed);
  if (state.recording > 0) line += fmt::format(", {} traces being recorded", state.recording);
  if (state.running > 0) line += fmt::format(", {} running", state.running);
  if (state.elsewhere > 0) line += fmt::format(" ({} by another runner)", state.elsewhere);
  return line + fmt::format(", about {} left", duration(state.left_seconds));
}

}  // namespace razorscope::cli
