#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/records.hpp"

namespace razorscope {

/// What a run of any kind tells beside its figures.
struct RunRow {
  int64_t run_id = 0;  // 0: not stored
  std::string model;
  std::string model_sha256;
  std::string text;  // several: ", " between them
  int prefix = 0;    // tokens; of a task: of its longest context
  int steps = 0;     // queries; of an evaluation: steps of each text; of a task: questions
  std::string comparison;
  std::optional<int64_t> equal_bytes_target;
  std::optional<double> equal_bytes_share;  // see stored_share
  std::string requested_policy;             // canonical name, before sizes were solved
  std::string policy;                       // canonical name
  std::optional<int64_t> full_f16_bytes;    // physical bytes of full+f16 after the same prefix
};

/// 95 % intervals of a replay's means over its query heads, by Student's t: how far heads differ. Nothing of
/// fewer than two heads.
struct HeadIntervals {
  std::optional<Interval> relative_error;
  std::optional<Interval> lost_mass;
  std::optional<Interval> kl;
};

/// One replay as a line of the trade-off table. Bytes and tokens are those right after the prefix was
/// compressed.
struct TradeoffRow : RunRow {
  std::string trace_path;
  std::string trace_hash;
  int layers = 0;
  int query_heads = 0;  // per layer
  int kv_heads = 0;     // per layer
  double relative_error_mean = 0.0;
  double relative_error_p99 = 0.0;
  double relative_error_max = 0.0;
  double lost_mass_mean = 0.0;
  double lost_mass_max = 0.0;
  double largest_dropped_weight = 0.0;
  double kl_mean = 0.0;  // nats
  std::optional<double> output_error_mean;
  std::optional<double> regret_mean;       // unknown of runs that older programs stored
  std::optional<double> read_tokens_mean;  // likewise; per query and KV head
  double nominal_bytes = 0.0;
  int64_t logical_bytes = 0;
  int64_t physical_bytes = 0;
  int64_t peak_bytes = 0;
  double kept_tokens_mean = 0.0;
  int protected_heads = 0;  // KV heads of all layers
  bool dropped_nothing = false;
  HeadIntervals intervals = {};  // of a store's rows: see read_head_intervals
};

/// The table's rows of results that need not be stored. Where a record does not know full_f16_bytes, it is
/// set if one of the records is full+f16 on the same trace and prefix.
std::vector<TradeoffRow> tradeoff_rows(const std::vector<ReplayRecord>& records);

/// One closed-loop evaluation. Figures as in EvaluationResult.
struct ClosedLoopRow : RunRow {
  std::string text_ids;  // tells texts of the same name apart
  int texts = 0;
  int scored_rows = 0;
  int units = 0;     // that were resampled
  std::string unit;  // "text" or "block of 32 steps"
  Estimate nll;
  Estimate full_nll;  // of full+f32
  Estimate nll_difference;
  Estimate kl_to_full;
  double top1_agreement = 0.0;
  double nominal_bytes = 0.0;
  int64_t logical_bytes = 0;
  int64_t physical_bytes = 0;
  int64_t end_physical_bytes = 0;
  double bytes_read_per_step = 0.0;
  bool token_by_token = false;
};

/// One policy on a retrieval task. Bytes are means over contexts.
struct TaskRow : RunRow {
  std::string text_ids;
  std::string task;
  bool query_aware = false;
  std::string settings_json;  // see to_json(TaskSettings)
  int n = 0;                  // questions
  int correct = 0;
  double accuracy = 0.0;
  Interval interval;
  double full_accuracy = 0.0;
  bool model_can = false;
  double nominal_bytes = 0.0;
  double logical_bytes = 0.0;
  double physical_bytes = 0.0;
};

/// What is cheap to measure beside what is dear, for one policy at one size: an evaluation, the replays of
/// its texts (means over them) with one number of steps, and the accuracy of the same policy at the same
/// share on tasks (over all lengths; questions that come after compression, and only where the model can do
/// the task).
struct LadderRow {
  int64_t eval_run_id = 0;
  int64_t replay_run_id = 0;  // the first of them
  int replays = 0;
  std::string model;
  std::string model_sha256;
  std::string text;
  std::string text_ids;
  int prefix = 0;
  int replay_steps = 0;
  int eval_steps = 0;
  int scored_rows = 0;
  std::string requested_policy;
  std::optional<double> equal_bytes_share;
  std::string policy;  // as it was evaluated
  double lost_mass_mean = 0.0;
  double kl_mean = 0.0;  // of attention weights, nats
  double relative_error_mean = 0.0;
  std::optional<double> output_error_mean;
  double kl_to_full = 0.0;      // of the next token's distribution, nats
  double nll_difference = 0.0;  // nats a token
  std::optional<double> needle_accuracy;
  std::optional<int64_t> needle_n;
  std::optional<double> multi_query_accuracy;
  std::optional<int64_t> multi_query_n;
};

}  // namespace razorscope
