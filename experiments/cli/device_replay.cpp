#include "experiments/cli/device_replay.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/cli/deployment_options.hpp"
#include "experiments/store/device_timeline.hpp"
#include "experiments/store/text_table.hpp"
#include "models/base/error.hpp"
#include "models/devices/catalogue.hpp"
#include "models/language/shape_catalogue.hpp"

namespace razorscope::cli {
namespace {

constexpr double gigabyte = 1e9;
constexpr double megabyte = 1e6;

using ReadKind = std::pair<const char*, double CacheTraffic::*>;
constexpr std::array<ReadKind, 5> read_kinds = {{{"wide", &CacheTraffic::wide},
                                                 {"coded", &CacheTraffic::coded},
                                                 {"residual", &CacheTraffic::residual},
                                                 {"compensation", &CacheTraffic::compensation},
                                                 {"scores", &CacheTraffic::scores}}};

nlohmann::json moment_json(const DeviceMoment& moment) {
  nlohmann::json out = {{"ms", moment.seconds * 1e3},
                        {"phase", to_string(moment.phase)},
                        {"sequence", moment.sequence},
                        {"token", moment.token},
                        {"layer", nullptr}};
  if (moment.layer >= 0) out["layer"] = moment.layer;
  return out;
}

/// "decode, token 1087" or "compression of sequence 3, layer 0".
std::string moment_text(const DeviceMoment& moment, int sequences) {
  std::string text(to_string(moment.phase));
  if (sequences > 1 && moment.phase != DevicePhase::decode)
    text += fmt::format(" {}/{}", moment.sequence + 1, sequences);
  if (moment.layer >= 0) return text + fmt::format(", layer {}", moment.layer);
  return text + fmt::format(", token {}", moment.token);
}

std::string milliseconds(double seconds) {
  return fmt::format("{:.{}f}", seconds * 1e3, seconds < 0.1 ? 3 : 1);
}

void refuse_without_device(const CLI::App& command) {
  for (const char* option : {"--as", "--weights", "--engine", "--token-budget", "--utilisation", "--non-kv",
                             "--sequences", "--context", "--chrome-trace"}) {
    if (command.count(option) > 0) throw InputError(option, "is about a device: it needs --device");
  }
}

}  // namespace

void add_device_replay_options(CLI::App& command, DeviceReplayOptions& options) {
  const char* group = "On a device";
  const auto add = [&](const char* name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->group(group);
  };
  add("--device", options.device,
      "also run the recorded caches on a simulated device: a name of the catalogue (razorscope devices), or "
      "a "
      "file in its format. Prompts in chunks, their compression, then the decoded tokens");
  add("--as", options.shape,
      "on a larger SHAPE: its layers and KV heads take what the recorded ones hold in turn (layer l that of "
      "l "
      "mod L); rows go with its head size and the codec; tokens and steps stay as recorded");
  add("--context", options.context,
      "prompt tokens instead of --prefix: each head keeps the share that it kept of the recorded prefix; how "
      "it "
      "grows from step to step, its residual window and compensation stay as recorded")
      ->check(CLI::PositiveNumber);
  add("--sequences", options.sequences,
      "copies of the recorded sequence: their prompts one after another, then all decode together")
      ->capture_default_str();
  add("--weights", options.weights, "type of the weights: bf16, fp8, int8, int4")->capture_default_str();
  add("--engine", options.engine, "whose defaults to take: vllm, trtllm")->capture_default_str();
  add("--token-budget", options.token_budget, "prompt tokens of a step; default the engine's");
  add("--utilisation", options.utilisation,
      "share of device memory that the engine may take; default the engine's");
  const std::map<std::string, double> units = {
      {"B", 1.0}, {"MB", 1e6}, {"GB", 1e9}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  add("--non-kv", options.non_kv_bytes,
      "memory for activations, workspace and runtime: 1.24GB, 900MiB; default the engine's")
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_SENSITIVE));
  add("--chrome-trace", options.chrome_trace,
      "write the device's timeline to this file, for chrome://tracing or Perfetto");
  command.parse_complete_callback([&command, &options] {
    if (options.device.empty()) refuse_without_device(command);
  });
}

std::optional<DeviceReplayRequest> device_replay_request(const DeviceReplayOptions& options,
                                                         const Trace& trace) {
  if (options.device.empty()) return std::nullopt;
  const EngineDefaults& engine = find_engine("--engine", options.engine);
  DeviceReplayRequest request;
  request.deployment = {.device = find_device("--device", options.device),
                        .shape = options.shape.empty() ? trace.shape() : find_shape("--as", options.shape),
                        .weights = weight_type("--weights", options.weights),
                        .tp = 1,
                        .utilisation = options.utilisation.value_or(engine.utilisation),
                        .non_kv_bytes = options.non_kv_bytes.value_or(engine.non_kv_bytes)};
  request.sequences = options.sequences;
  request.token_budget = options.token_budget.value_or(engine.token_budget);
  request.context = options.context;
  check_device_replay(request);
  return request;
}

std::vector<DeviceReplayResult> run_on_device(const DeviceReplayRequest& request,
                                              const std::vector<ReplayResult>& replayed,
                                              const std::string& chrome_trace, Progress& progress) {
  std::vector<std::shared_ptr<const ReplayFootprints>> footprints;
  for (const ReplayResult& result : replayed) footprints.push_back(result.footprints);
  std::vector<DeviceReplayResult> results = device_replay(request, footprints, progress);
  if (chrome_trace.empty()) return results;
  ChromeTrace trace;
  for (const DeviceReplayResult& result : results) add_device_timeline(result, trace);
  trace.write(chrome_trace);
  return results;
}

std::vector<std::string> device_replay_notes(const DeviceReplayRequest& request, const Trace& trace,
                                             int prefix, const std::vector<DeviceReplayResult>& results) {
  std::vector<std::string> notes;
  const Shape& shape = request.deployment.shape;
  const Shape& recorded = trace.shape();
  if (shape.layers != recorded.layers || shape.kv_heads != recorded.kv_heads ||
      shape.head_size != recorded.head_size) {
    notes.push_back(
        fmt::format("scaled: {} layers x {} KV heads of {} take what {}'s {} x {} of {} hold, in turn; "
                    "nobody recorded {}",
                    shape.layers, shape.kv_heads, shape.head_size, recorded.name, recorded.layers,
                    recorded.kv_heads, recorded.head_size, shape.name));
  }
  if (request.context > 0 && request.context != prefix) {
    notes.push_back(
        fmt::format("scaled: a prompt of {} tokens, of which each head keeps the share that it kept of {}",
                    request.context, prefix));
  }
  Calibration worst = Calibration::calibrated;
  int together = 1;
  for (const DeviceReplayResult& result : results) {
    worst = std::max(worst, result.calibration);
    together = std::max(together, result.layers_together);
  }
  for (const std::string& note : deployment_notes(request.deployment, worst, false)) notes.push_back(note);
  if (together > 1) notes.push_back(fmt::format("coarse: up to {} layers are simulated together", together));
  return notes;
}

nlohmann::json device_replay_json(const DeviceReplayResult& result, const std::vector<std::string>& notes) {
  nlohmann::json read = {{"weights", result.weights_read_per_step}};
  for (const auto& [name, kind] : read_kinds) read[name] = result.read_per_step.*kind;
  nlohmann::json occupancy = nlohmann::json::array();
  for (const OccupancyPoint& point : result.occupancy)
    occupancy.push_back({{"ms", point.seconds * 1e3}, {"kv_bytes", point.kv_bytes}});
  nlohmann::json decode = nlohmann::json::array();
  for (const double seconds : result.decode_seconds) decode.push_back(seconds * 1e3);
  return {{"device", result.device},
          {"shape", result.shape},
          {"sequences", result.sequences},
          {"prompt_tokens", result.prompt},
          {"prefill_ms", result.prefill_seconds * 1e3},
          {"compression_ms", result.compression_seconds * 1e3},
          {"decode_ms",
           {{"first", result.decode_seconds.front() * 1e3},
            {"mean", result.decode_mean() * 1e3},
            {"last", result.decode_seconds.back() * 1e3}}},
          {"decode_ms_by_step", decode},
          {"total_ms", result.seconds * 1e3},
          {"capacity_bytes", result.capacity_bytes},
          {"weights_bytes", result.weights_bytes},
          {"non_kv_bytes", result.non_kv_bytes},
          {"peak_bytes", result.peak_bytes()},
          {"peak_kv_bytes", result.peak_kv_bytes},
          {"peak_at", moment_json(result.peak)},
          {"overflow_token", result.overflow ? nlohmann::json(result.overflow->token) : nlohmann::json()},
          {"overflow_at", result.overflow ? moment_json(*result.overflow) : nlohmann::json()},
          {"end_kv_bytes", result.end_kv_bytes},
          {"bytes_read_per_step", read},
          {"compression_bytes_read", result.compression.read},
          {"compression_bytes_written", result.compression.written},
          {"occupancy", occupancy},
          {"layers_together", result.layers_together},
          {"calibration", to_string(result.calibration)},
          {"notes", notes}};
}

void print_device_replay(const std::vector<DeviceReplayResult>& results,
                         const std::vector<std::string>& notes) {
  if (results.empty()) return;
  const DeviceReplayResult& first = results.front();
  fmt::print(
      "\n{} on {}: {} x {} prompt tokens, {} decoded; {:.2f} GB may be taken, of which weights {:.2f}, "
      "non-KV {:.2f}\n\n",
      first.shape, first.device, first.sequences, first.prompt, first.decode_seconds.size(),
      first.capacity_bytes / gigabyte, first.weights_bytes / gigabyte, first.non_kv_bytes / gigabyte);
  std::vector<Cells> table = {{"policy", "prefill ms", "compression ms", "decode ms first", "mean", "last",
                               "peak GB", "of it KV", "when", "overflow", "constants"}};
  std::vector<Cells> reads = {
      {"MB read a step", "weights", "16 bits", "coded", "residual", "compensation", "scores"}};
  for (const DeviceReplayResult& result : results) {
    const std::string policy = policy_cell(result.policy, TextStyle::plain);
    table.push_back(
        {policy, milliseconds(result.prefill_seconds), milliseconds(result.compression_seconds),
         milliseconds(result.decode_seconds.front()), milliseconds(result.decode_mean()),
         milliseconds(result.decode_seconds.back()), fmt::format("{:.3f}", result.peak_bytes() / gigabyte),
         fmt::format("{:.3f}", result.peak_kv_bytes / gigabyte), moment_text(result.peak, result.sequences),
         result.overflow ? moment_text(*result.overflow, result.sequences) : "-",
         std::string(to_string(result.calibration))});
    Cells row = {policy, fmt::format("{:.2f}", result.weights_read_per_step / megabyte)};
    for (const auto& [name, kind] : read_kinds)
      row.push_back(fmt::format("{:.2f}", result.read_per_step.*kind / megabyte));
    reads.push_back(row);
  }
  fmt::print("{}\n{}", format_table(table, TextStyle::plain), format_table(reads, TextStyle::plain));
  if (std::any_of(results.begin(), results.end(), [](const auto& result) { return result.overflow; }))
    fmt::print("overflow: the first token without room; times go on as if there were\n");
  for (const std::string& note : notes) fmt::print("note: {}\n", note);
}

}  // namespace razorscope::cli
