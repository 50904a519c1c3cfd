#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

#include "experiments/store/records.hpp"

namespace razorscope::testing {

/// A number that SQL asks of a database.
inline int64_t ask(const std::filesystem::path& path, const std::string& sql) {
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE, 10'000);
  return database.execAndGet(sql).getInt64();
}

inline ReplayRecord record_of(const std::string& policy, int heads = 6, double error = 0.25) {
  ReplayRecord record;
  record.policy = Policy::parse(policy);
  Shape& shape = record.model.shape;
  shape.name = "tiny, \"quoted\" model";
  shape.architecture = "llama";
  shape.layers = 2;
  shape.query_heads = heads / 2;
  shape.kv_heads = 1;
  shape.head_size = 64;
  shape.context = 2048;
  record.model.sha256 = "m1";
  record.text = {"harbour.txt", "t1"};
  record.trace = {"/data/trace.safetensors", "c1", 1600};
  record.prefix = 1536;
  record.steps = 64;
  record.seed = std::numeric_limits<uint64_t>::max();
  record.command_line = "razorscope replay";
  record.started_utc = utc_now();
  record.wall_seconds = 1.5;
  record.provenance = {"0.1", "abc", "a cpu", "scalar", "f32", 2, "an os"};
  ReplayResult& result = record.result;
  result.policy = record.policy.name();
  result.relative_error_mean = error;
  result.relative_error_p99 = 0.5;
  result.relative_error_max = 0.75;
  result.lost_mass_mean = 0.125;
  result.lost_mass_max = 0.375;
  result.largest_dropped_weight = 1e-7;
  result.kl_mean = 0.0625;
  result.regret_mean = 0.03125;
  result.read_tokens_mean = 300.5;
  result.compressed.keys = 1000;
  result.compressed.values = 1001;
  result.compressed.compensation = 20;
  result.compressed.positions = 30;
  result.compressed.padding = 400;
  result.compressed.nominal = 2000.5;
  result.at_end.keys = 5000;
  result.peak_bytes = 1 << 20;
  result.kept_tokens_mean = 256.5;
  result.protected_heads = 1;
  result.seconds = 0.25;
  for (int i = 0; i < heads; ++i) {
    HeadErrors head;
    head.layer = i / shape.query_heads;
    head.query_head = i % shape.query_heads;
    head.relative_error = error + i;
    head.kl = 0.5 * i;
    result.heads.push_back(head);
  }
  return record;
}

inline EvalRecord eval_of(const std::string& policy, double kl = 0.25) {
  const ReplayRecord replay = record_of(policy);
  EvalRecord record;
  static_cast<RunRecord&>(record) = replay;
  record.seed = 1;
  record.command_line = "razorscope eval";
  record.full_nll = {2.5, Interval{2.0, 3.0}};
  record.rows = 256;
  record.units = 8;
  record.texts = {replay.text};
  record.prefix = replay.prefix;
  record.steps = 256;
  EvaluationResult& result = record.result;
  result.policy = record.policy.name();
  result.nll = {2.75, Interval{2.25, 3.25}};
  result.nll_difference = {0.25, Interval{0.125, 0.375}};
  result.kl_to_full = {kl, Interval{kl / 2, kl * 2}};
  result.top1_agreement = 0.875;
  result.compressed.keys = 3000;
  result.compressed.padding = 96;
  result.compressed.nominal = 2000.5;
  result.at_end.keys = 5000;
  result.bytes_read_per_step = 4000.5;
  result.token_by_token = true;
  result.seconds = 0.5;
  return record;
}

inline TaskRecord task_of(const std::string& policy, int correct = 30) {
  const ReplayRecord replay = record_of(policy);
  TaskRecord record;
  static_cast<RunRecord&>(record) = replay;
  record.command_line = "razorscope task needle";
  record.settings.task = "needle";
  record.settings.lengths = {512, 1024};
  record.settings.facts = 2;
  record.settings.seed = 7;
  record.full_accuracy = 0.95;
  record.model_can = true;
  record.haystack = replay.text;
  TaskResult& result = record.result;
  result.policy = record.policy;
  result.n = 40;
  result.correct = correct;
  result.interval = {0.5, 0.875};
  result.logical_bytes = 900.5;
  result.physical_bytes = 1000.5;
  result.nominal_bytes = 800.5;
  result.answers = {{512, 0.0, true, 0.5}, {1024, 1.0, false, 1.5}};
  return record;
}

inline ProbeRecord probe_of() {
  ProbeRecord record;
  record.model = record_of("full").model;
  record.model.shape.query_heads = 4;
  record.model.shape.kv_heads = 2;
  record.provenance = record_of("full").provenance;
  record.command_line = "razorscope probe";
  record.wall_seconds = 2.5;
  HeadScores& scores = record.scores;
  scores.layers = 2;
  scores.query_heads = 4;
  scores.kv_heads = 2;
  scores.block = 200;
  scores.repeats = 4;
  scores.seed = 1;
  scores.variant = "sum-prior";
  scores.token_source = "vocabulary";
  scores.echo = {0.1, 0.2, 0.3, 0.4, 0.8, 0.7, 0.6, 0.5};
  scores.induction = {0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.1};
  return record;
}

/// The record as if its size had been solved for a share of full+f16.
template <typename Record>
Record at_share(Record record, const std::string& requested, double share) {
  record.requested = Policy::parse(requested);
  record.comparison = equal_bytes;
  record.equal_bytes_share = share;
  record.full_f16_bytes = 10'000;
  record.equal_bytes_target = static_cast<size_t>(share * 10'000);
  return record;
}

}  // namespace razorscope::testing
