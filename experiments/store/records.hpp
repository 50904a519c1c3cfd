#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/provenance.hpp"
#include "models/language/shape.hpp"
#include "models/trace/head_scores.hpp"
#include "models/trace/trace.hpp"
#include "policies/policy.hpp"
#include "sim/replay/replay.hpp"

namespace razorscope {

struct ModelDescription {
  Shape shape;         // name, architecture, layers, heads, head size, context and position scheme are stored
  std::string sha256;  // of the model file; "" where it is unknown: then name and shape stand for it
};

struct TextDescription {
  std::string name;    // "" with an empty hash: the trace was not made from a text
  std::string sha256;  // "" where it is unknown
};

struct TraceDescription {
  std::string path;
  std::string content_hash;  // Trace::content_hash
  int tokens = 0;
};

/// What a run's figures may be compared with: the label that groups rows of a table.
inline constexpr const char* fixed_parameters = "fixed parameters";
inline constexpr const char* equal_bytes = "equal bytes";

/// One policy's replay of a trace, with all that is needed to repeat it.
struct ReplayRecord {
  Policy policy;
  ReplayResult result;
  ModelDescription model;
  TextDescription text;
  TraceDescription trace;
  int prefix = 0;  // tokens
  int steps = 0;   // queries
  uint64_t seed = 0;
  std::string comparison = fixed_parameters;
  std::optional<size_t> equal_bytes_target;  // bytes that the solver aimed at; only beside `equal_bytes`
  std::string command_line;
  std::string started_utc;    // see utc_now
  double wall_seconds = 0.0;  // of the whole replay; ReplayResult::seconds is what this policy took of it
  Provenance provenance;
};

/// A record with model, text and trace filled in from the trace. Reads the whole file, for its hash.
ReplayRecord describe_trace(const Trace& trace);

/// A probe of a model's heads.
struct ProbeRecord {
  HeadScores scores;
  ModelDescription model;
  std::vector<int32_t>
      block;  // the repeated ids, where scores.token_source is "ids": seed and source do not tell them
  Provenance provenance;
};

/// Hexadecimal hash of everything that a run's figures depend on: model, trace, prefix, steps, policy and
/// compute type. Kernel target and threads stay out (figures agree across them to rounding), and so does the
/// comparison it was made for: the same policy on the same trace is the same run.
std::string config_hash(const ReplayRecord& record);
std::string config_hash(const ProbeRecord& record);

/// One run as a line of the trade-off table. Bytes and tokens are those right after the prefix was
/// compressed.
struct TradeoffRow {
  int64_t run_id = 0;  // 0: not stored
  std::string model;
  std::string model_sha256;
  std::string text;
  std::string trace_path;
  std::string trace_hash;
  int layers = 0;
  int query_heads = 0;  // per layer
  int kv_heads = 0;     // per layer
  int prefix = 0;       // tokens
  int steps = 0;        // queries
  std::string comparison;
  std::optional<int64_t> equal_bytes_target;
  std::string policy;  // canonical name
  double relative_error_mean = 0.0;
  double relative_error_p99 = 0.0;
  double relative_error_max = 0.0;
  double lost_mass_mean = 0.0;
  double lost_mass_max = 0.0;
  double largest_dropped_weight = 0.0;
  double kl_mean = 0.0;  // nats
  std::optional<double> output_error_mean;
  double nominal_bytes = 0.0;
  int64_t logical_bytes = 0;
  int64_t physical_bytes = 0;
  int64_t peak_bytes = 0;
  std::optional<int64_t> full_f16_bytes;  // physical bytes of full+f16 on the same trace and prefix
  double kept_tokens_mean = 0.0;
  int protected_heads = 0;  // KV heads of all layers
  bool dropped_nothing = false;
};

/// The table's rows of results that need not be stored. full_f16_bytes is set where one of the records is
/// full+f16 on the same trace and prefix; callers that know it otherwise set it themselves.
std::vector<TradeoffRow> tradeoff_rows(const std::vector<ReplayRecord>& records);

}  // namespace razorscope
