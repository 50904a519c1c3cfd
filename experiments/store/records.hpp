#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/provenance.hpp"
#include "models/language/shape.hpp"
#include "models/trace/head_scores.hpp"
#include "models/trace/trace.hpp"
#include "policies/policy.hpp"
#include "sim/closed_loop/evaluate.hpp"
#include "sim/closed_loop/explain.hpp"
#include "sim/closed_loop/task.hpp"
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

/// What every run of one policy has beside its figures: what was asked for, and all that is needed to repeat
/// it.
struct RunRecord {
  Policy policy;                    // as it ran
  std::optional<Policy> requested;  // before its size was solved for equal bytes; nothing: the same
  ModelDescription model;
  uint64_t seed = 0;
  std::string comparison = fixed_parameters;
  std::optional<size_t> equal_bytes_target;  // bytes that the solver aimed at; only beside `equal_bytes`
  std::optional<double> equal_bytes_share;   // the same as a share of full+f16, as it was asked for (0.3);
                                             // nothing: the target's share of full_f16_bytes, if known
  std::optional<size_t> full_f16_bytes;      // physical bytes of full+f16 after the prefix
  std::string command_line;
  std::string started_utc;    // see utc_now
  double wall_seconds = 0.0;  // of the whole run, with all its policies
  Provenance provenance;

  const Policy& asked_for() const { return requested ? *requested : policy; }
};

/// The share that a run is stored and compared under: to 0.01 %, so that what rounding the target to whole
/// bytes changes does not keep runs apart. Nothing where sizes were not solved, or the share is not known.
std::optional<double> stored_share(const RunRecord& record);

/// One policy's replay of a trace.
struct ReplayRecord : RunRecord {
  ReplayResult result;  // its `seconds` is what this policy took of wall_seconds
  TextDescription text;
  TraceDescription trace;
  int prefix = 0;  // tokens
  int steps = 0;   // queries
};

/// A record with model, text and trace filled in from the trace. Reads the whole file, for its hash.
ReplayRecord describe_trace(const Trace& trace);

/// One policy's closed-loop evaluation: a row of Evaluation::policies, with what all rows share.
struct EvalRecord : RunRecord {  // its seed is the bootstrap's
  EvaluationResult result;
  Estimate full_nll;                   // Evaluation's
  int rows = 0;                        // Evaluation's
  int units = 0;                       // Evaluation's
  std::vector<TextDescription> texts;  // in the order in which they were evaluated; never empty
  int prefix = 0;                      // tokens
  int steps = 0;                       // of each text
};

/// One policy on a retrieval task. `policy` is what was asked for, since each length has a size of its own;
/// the seed is that of the settings.
struct TaskRecord : RunRecord {
  TaskSettings settings;
  TaskResult result;
  double full_accuracy = 0.0;  // of full+f32 on the same questions
  bool model_can = false;      // TaskOutcome's
  TextDescription haystack;
};

/// {"task", "lengths", "depths", ...}: all settings, as they are stored.
nlohmann::json to_json(const TaskSettings& settings);

/// One policy's explanation of a text.
struct ExplainRecord : RunRecord {
  ExplainRequest request;
  PolicyExplanation result;
  PolicyExplanation full;           // full+f32's odds
  std::vector<std::string> pieces;  // see Explanation
  int verdict_begin = 0;
  int verdict_end = 0;
  std::shared_ptr<const AttentionRecord> attention;  // of full+f32, shared by the policies; null: none
  TextDescription text;
};

/// A probe of a model's heads.
struct ProbeRecord {
  HeadScores scores;
  ModelDescription model;
  std::vector<int32_t>
      block;  // the repeated ids, where scores.token_source is "ids": seed and source do not tell them
  std::string command_line;
  double wall_seconds = 0.0;  // of this probe
  Provenance provenance;
};

/// Hexadecimal hash of everything that a run's figures depend on: its kind, model, trace or texts, prefix,
/// steps, policy with the content of files that it names, compute type; of an evaluation also the seed; of a
/// task all settings, and the share that sizes were solved for. Kernel target and threads stay out (figures
/// agree across them to rounding), and so does the comparison that a replay or evaluation was made for: the
/// same policy on the same trace is the same run. InputError where a file that the policy names cannot be
/// read.
std::string config_hash(const ReplayRecord& record);
std::string config_hash(const EvalRecord& record);
std::string config_hash(const TaskRecord& record);
std::string config_hash(const ExplainRecord& record);
std::string config_hash(const ProbeRecord& record);
/// The same of what an explanation's attention depends on: model, text, question, compute type.
std::string attention_hash(const ExplainRecord& record);

}  // namespace razorscope
