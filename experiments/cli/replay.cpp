#include "sim/replay/replay.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/device_replay.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/cli/run_cost.hpp"
#include "experiments/cli/run_records.hpp"
#include "experiments/store/records.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "sim/equal_bytes.hpp"
#include "sim/replay/calibrated_bounds.hpp"
#include "sim/replay/context.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string db;
  std::string trace;
  int prefix = 0;
  int steps = 0;
  PolicyOptions policies;
  bool heads = false;
  bool kept = false;
  DeviceReplayOptions device;
};

/// The same policies on a device: nothing where none was asked for.
struct OnDevice {
  std::vector<DeviceReplayResult> results;
  std::vector<std::string> notes;
};

nlohmann::json ledger_json(const ByteLedger& ledger) {
  return {
      {"keys", ledger.keys},           {"values", ledger.values},      {"compensation", ledger.compensation},
      {"positions", ledger.positions}, {"padding", ledger.padding},    {"nominal", ledger.nominal},
      {"logical", ledger.logical()},   {"physical", ledger.physical()}};
}

nlohmann::json result_json(const ReplayResult& result, const Options& options) {
  nlohmann::json out = {{"policy", result.policy},
                        {"relative_error_mean", result.relative_error_mean},
                        {"relative_error_p99", result.relative_error_p99},
                        {"relative_error_max", result.relative_error_max},
                        {"lost_mass_mean", result.lost_mass_mean},
                        {"lost_mass_max", result.lost_mass_max},
                        {"largest_dropped_weight", result.largest_dropped_weight},
                        {"kl_mean", result.kl_mean},
                        {"regret_mean", result.regret_mean},
                        {"read_tokens_mean", result.read_tokens_mean},
                        {"output_error_mean", or_null(result.output_error_mean)},
                        {"bytes_nominal", result.compressed.nominal},
                        {"bytes_logical", result.compressed.logical()},
                        {"bytes_physical", result.compressed.physical()},
                        {"bytes_physical_end", result.at_end.physical()},
                        {"bytes_peak", result.peak_bytes},
                        {"ledger", ledger_json(result.compressed)},
                        {"ledger_end", ledger_json(result.at_end)},
                        {"kept_tokens_mean", result.kept_tokens_mean},
                        {"protected_heads", result.protected_heads},
                        {"dropped_nothing", result.dropped_nothing},
                        {"seconds", result.seconds}};
  if (options.heads) {
    nlohmann::json& heads = out["heads"] = nlohmann::json::array();
    for (const HeadErrors& head : result.heads) {
      heads.push_back({{"layer", head.layer},
                       {"kv_head", head.kv_head},
                       {"query_head", head.query_head},
                       {"relative_error", head.relative_error},
                       {"relative_error_max", head.relative_error_max},
                       {"lost_mass", head.lost_mass},
                       {"lost_mass_max", head.lost_mass_max},
                       {"largest_dropped_weight", head.largest_dropped_weight},
                       {"kl", head.kl}});
    }
  }
  if (options.kept) out["kept"] = result.kept;
  return out;
}

/// One record a policy, with what they share filled in from `shared`.
std::vector<ReplayRecord> records_of(const std::vector<ReplayResult>& results,
                                     const std::vector<PlannedPolicy>& planned, size_t full_bytes,
                                     const ReplayRecord& shared) {
  std::vector<ReplayRecord> records(results.size(), shared);
  for (size_t i = 0; i < results.size(); ++i) {
    describe_policy(records[i], planned[i], full_bytes);
    records[i].result = results[i];
  }
  return records;
}

void print_document(const Options& options, const ReplayRequest& request,
                    const std::vector<ReplayRecord>& records, const OnDevice& on_device) {
  nlohmann::json rows = nlohmann::json::array();
  for (const ReplayRecord& record : records) {
    rows.push_back(result_json(record.result, options));
    rows.back()["requested_policy"] = record.asked_for().name();
    rows.back()["equal_bytes_share"] = or_null(stored_share(record));
    const size_t index = rows.size() - 1;
    if (index < on_device.results.size())
      rows.back()["device"] = device_replay_json(on_device.results[index], on_device.notes);
  }
  print_json({{"policies", rows}, {"prefix", request.prefix}, {"steps", request.steps}});
}

void run(const Options& options) {
  ReplayRequest request;
  request.prefix = options.prefix;
  request.steps = options.steps;
  request.want_kept = options.kept;
  request.policies = parse_policies(options.policies);
  const Trace trace(options.trace);
  const std::optional<DeviceReplayRequest> device = device_replay_request(options.device, trace);
  request.want_footprints = device.has_value();
  check_replay(trace, request);
  const TraceBounds bounds(trace, request.prefix);
  const SelectionContext context = selection_context(trace, request.prefix, bounds);
  const std::vector<PlannedPolicy> planned = plan_policies(options.policies, request.policies, context);
  tell_cost(options.common,
            replay_cost(trace.shape(), options.prefix, options.steps, static_cast<int>(planned.size())));
  ReplayRecord shared = describe_trace(trace);
  shared.prefix = request.prefix;
  shared.steps = request.steps;
  describe_command(shared, options.common.seed, Compute::f32);
  const size_t full_bytes = full_f16_bytes(context);
  request.policies.clear();
  for (const PlannedPolicy& plan : planned) request.policies.push_back(plan.policy);
  const std::unique_ptr<Progress> progress = terminal_progress();
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<ReplayResult> results = replay(trace, request, *progress);
  shared.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  OnDevice on_device;
  if (device) {
    on_device.results = run_on_device(*device, results, options.device.chrome_trace, *progress);
    on_device.notes = device_replay_notes(*device, trace, request.prefix, on_device.results);
  }
  const std::vector<ReplayRecord> records = records_of(results, planned, full_bytes, shared);
  Store store = Store::open_for_writing(results_database(options.db));
  std::vector<TradeoffRow> rows;
  store.together([&] {
    rows = store_records(store, records, &Store::add_replay, &Store::tradeoff);
    for (const DeviceReplayResult& result : on_device.results) {
      const auto row = std::find_if(rows.begin(), rows.end(), [&](const TradeoffRow& stored) {
        return stored.policy == result.policy;
      });
      if (row != rows.end()) store.add_device_replay(row->run_id, device->deployment, result);
    }
  });
  if (options.common.json) {
    print_document(options, request, records, on_device);
  } else {
    ReportData data;
    data.replay = rows;
    fmt::print("{}", format_whole_report(data, ReportFormat::table, ReportSection::replay));
    print_device_replay(on_device.results, on_device.notes);
  }
  fmt::print(stderr, "{} runs stored in {}\n", records.size(), store.path().string());
}

}  // namespace

void add_replay(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "replay",
                  "open loop: what each policy's attention loses against full+f32 on a trace, and its bytes",
                  "razorscope replay --trace trace.safetensors --prefix 1536 --steps 64 --policies "
                  "\"full;window:recent=508;razor:recent=252\"");
  command
      ->add_option("--trace", options->trace,
                   "a trace that `record` wrote, or one from PyTorch in the same format")
      ->required();
  command->add_option("--prefix", options->prefix, "tokens that are computed exactly, then compressed")
      ->required();
  command->add_option("--steps", options->steps, "queries after the prefix that are measured")->required();
  add_policy_options(*command, options->policies);
  add_database_option(*command, options->db);
  command->add_flag("--heads", options->heads, "one row per query head too (JSON)");
  command->add_flag("--kept", options->kept, "kept positions of the prefix per layer and KV head too (JSON)");
  add_device_replay_options(*command, options->device);
  add_common_options(*command, options->common, true);
  add_estimate_option(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
