#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "experiments/store/questions.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/sweep_journal.hpp"
#include "tests/support/sql_rows.hpp"
#include "tests/support/stored_deployments.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

/// What a question is to be answered: rows of some of its columns.
struct Answer {
  SqlReader::Settings settings;
  std::vector<std::string> columns;
  SqlRows rows;
};

const std::string full = "full+f16";
const std::string coded = Policy::parse("full+q8_0").name();
const std::string wide = Policy::parse("window:recent=508").name();  // as asked for
const std::string wide_at = Policy::parse("window:recent=300").name();
const std::string bare = Policy::parse("window:sinks=0,recent=508").name();
const std::string bare_at = Policy::parse("window:sinks=0,recent=310").name();

/// Four replays on one trace, whose errors and bytes tell them apart; heads err by the replay's error and
/// more the higher they stand.
/// A sweep of two cells, one of which failed.
void add_sweep(const std::filesystem::path& path) {
  SweepJournal journal(path);
  CellRow failed;
  failed.config_hash = "a";
  failed.command = "replay";
  failed.settings_json = "{}";
  CellRow pending = failed;
  pending.config_hash = "b";
  const std::vector<int64_t> ids = journal.enter("s", "", {failed, pending});
  journal.claim({ids[0]}, journal.add_runner("here", 1, "a"), "razorscope replay");
  journal.fail({ids[0]}, 1.0, 2, "why");
}

void add_replays(Store& store, const Deployment& deployment) {
  const auto add = [&](ReplayRecord record, size_t bytes) {
    record.result.compressed = {};
    record.result.compressed.keys = bytes;
    record.full_f16_bytes = 10'000;
    return store.add_replay(record);
  };
  add(record_of("full", 6, 0.0625), 10'000);
  add(record_of("full+q8_0", 6, 0.125), 5'000);
  ReplayRecord later = at_share(record_of("window:recent=300", 6, 0.25), "window:recent=508", 0.3);
  later.provenance.commit = "def";
  later.command_line = "razorscope replay --later";
  later.started_utc = "2099-01-01T00:00:00Z";
  const int64_t run = add(later, 3'000);
  add(at_share(record_of("window:sinks=0,recent=310", 6, 0.5), "window:sinks=0,recent=508", 0.3), 3'000);

  DeviceReplayResult result;
  result.shape = "llama-3.1-8b";
  result.sequences = 4;
  result.prompt = 1536;
  result.capacity_bytes = 40e9;
  result.weights_bytes = 16e9;
  result.non_kv_bytes = 2e9;
  result.peak_kv_bytes = 12e9;
  result.decode_seconds = {0.5};
  store.add_device_replay(run, deployment, result);
}

void add_closed_loop(Store& store) {
  store.add_eval(at_share(eval_of("window:recent=300", 0.25), "window:recent=508", 0.3));
  EvalRecord by_chance =
      at_share(eval_of("window:sinks=0,recent=310", 0.125), "window:sinks=0,recent=508", 0.3);
  by_chance.result.nll_difference.interval = {-0.125, 0.625};
  by_chance.result.compressed.keys = 9'000;
  store.add_eval(by_chance);

  const auto add_task = [&](TaskRecord record) {
    record.result.physical_bytes = 3'000;
    store.add_task(record);
  };
  add_task(at_share(task_of("window:recent=508", 30), "window:recent=508", 0.3));
  add_task(at_share(task_of("window:sinks=0,recent=508", 10), "window:sinks=0,recent=508", 0.3));
  TaskRecord cannot = task_of("full", 1);
  cannot.settings.task = "multi-query";
  cannot.model_can = false;
  cannot.result.answers.clear();
  add_task(cannot);
}

/// Of four KV heads: (0, 0) has the highest induction in both, (1, 0) and then (1, 1) the highest echo.
void add_probes(Store& store) {
  ProbeRecord record = probe_of();
  store.add_probe(record);
  record.scores.seed = 2;
  std::swap(record.scores.echo[4], record.scores.echo[7]);
  record.scores.echo[6] = 0.75;
  record.scores.echo[5] = 0.25;
  record.scores.echo[7] = 0.8125;
  store.add_probe(record);
}

void add_deployments(Store& store) {
  const auto serve = [&](const std::string& policy, double rate, double ttft, double goodput) {
    ServingRecord record = serving_of(policy, rate);
    record.result.ttft.p99 = ttft;
    record.result.goodput = goodput;
    record.wall_seconds = 4.0;
    record.command_line = "razorscope serve";
    record.started_utc = "2025-01-01T00:00:00Z";
    return store.add_serving(record);
  };
  const int64_t slow = serve("full", 2.0, 0.5, 1.75);
  const int64_t late = serve("full", 4.0, 3.0, 1.5);
  const int64_t fast = serve("window:recent=508", 4.0, 0.5, 3.5);
  const auto search = [&](int64_t run, std::vector<int64_t> probes, double rate) {
    RateSearchRecord record;
    record.run_id = run;
    record.probe_runs = std::move(probes);
    record.wanted_share = 0.9;
    record.outcome = "found";
    record.rate = rate;
    store.add_rate_search(record);
  };
  search(slow, {slow, late}, 2.0);
  search(fast, {fast}, 5.0);

  const auto plan = [&](const std::string& policy, int64_t batch, double attention) {
    auto record = on_device<PlanRecord>(policy);
    record.request = {4096, 128, 8, 2048};
    record.row.fits = true;
    record.row.max_batch = batch;
    record.row.kv_bytes_per_sequence = 1e9 / static_cast<double>(batch);
    record.row.decode.weights = 0.015;
    record.row.decode.decode_attention = attention;
    record.row.decode_full = StepTime();
    record.row.decode_full->weights = 0.02;
    store.add_plan(record);
  };
  plan("full", 10, 0.005);
  plan("window:recent=508", 40, 0.001);
}

std::map<std::string, Answer> expected_answers() {
  return {
      {"least-error",
       {{},
        {"requested_policy", "relative_bytes", "relative_error_mean"},
        {{wide, "0.3", "0.25"}, {bare, "0.3", "0.5"}}}},
      {"smallest-cache",
       {{{"error", "0.3"}}, {"text", "physical_bytes", "policy"}, {{"harbour.txt", "3000", wide_at}}}},
      {"front",
       {{},
        {"kind", "policy", "physical_bytes", "relative_error_mean", "kl_to_full_nats"},
        {{"eval", wide_at, "3096", "-", "0.25"},
         {"eval", bare_at, "9096", "-", "0.125"},
         {"replay", wide_at, "3000", "0.25", "-"},
         {"replay", coded, "5000", "0.125", "-"},
         {"replay", full, "10000", "0.0625", "-"}}}},
      {"codec-cost",
       {{},
        {"codec", "relative_bytes", "relative_error_mean"},
        {{"q8_0:residual=0,rotate=no", "0.5", "0.125"}, {"f16", "1", "0.0625"}}}},
      {"tail-risk", {{}, {"policy", "max_over_mean"}, {{full, "12"}, {coded, "6"}}}},
      {"worst-heads",
       {{{"policy", "full+q8%"}},
        {"policy", "layer", "query_head", "relative_error"},
        {{coded, "1", "2", "5.125"},
         {coded, "1", "1", "4.125"},
         {coded, "1", "0", "3.125"},
         {coded, "0", "2", "2.125"},
         {coded, "0", "1", "1.125"},
         {coded, "0", "0", "0.125"}}}},
      {"error-by-layer",
       {{{"policy", "full+f16"}},
        {"layer", "heads", "relative_error_mean", "relative_error_of_worst_head"},
        {{"0", "3", "1.0625", "2.0625"}, {"1", "3", "4.0625", "5.0625"}}}},
      {"retrieval-heads-suffer",  // of the last probe: (0, 0) and (1, 1), which no replay has
       {{},
        {"policy", "is_retrieval_head", "heads", "relative_error_mean"},
        {{full, "0", "3", "4.0625"},
         {full, "1", "3", "1.0625"},
         {coded, "0", "3", "4.125"},
         {coded, "1", "3", "1.125"},
         {bare_at, "0", "3", "4.5"},
         {bare_at, "1", "3", "1.5"},
         {wide_at, "0", "3", "4.25"},
         {wide_at, "1", "3", "1.25"}}}},
      {"divergence",
       {{},
        {"policy", "kl_to_full_nats", "kl_to_full_low_nats", "top1_agreement"},
        {{bare_at, "0.125", "0.0625", "0.875"}, {wide_at, "0.25", "0.125", "0.875"}}}},
      {"worse-for-sure", {{}, {"policy", "nll_difference_low_nats"}, {{wide_at, "0.125"}}}},
      {"cheap-and-dear",  // the order of one is not the other's
       {{}, {"requested_policy", "replay_rank", "eval_rank"}, {{bare, "2", "1"}, {wide, "1", "2"}}}},
      {"task-accuracy",
       {{},
        {"task", "requested_policy", "relative_bytes", "correct", "n", "accuracy", "full_accuracy"},
        {{"needle", wide, "0.3", "30", "40", "0.75", "0.95"},
         {"needle", bare, "0.3", "10", "40", "0.25", "0.95"}}}},
      {"needle-by-depth",
       {{},
        {"requested_policy", "length_tokens", "depth", "correct", "n"},
        {{bare, "512", "0", "1", "1"},
         {bare, "1024", "1", "0", "1"},
         {wide, "512", "0", "1", "1"},
         {wide, "1024", "1", "0", "1"}}}},
      {"retrieval-heads",
       {{},
        {"layer", "kv_head", "induction_rank", "echo_rank"},
        {{"0", "0", "1", "4"}, {"1", "1", "3", "1"}}}},
      {"stable-heads",
       {{},
        {"layer", "kv_head", "chosen", "probes"},
        {{"0", "0", "2", "2"}, {"1", "0", "1", "2"}, {"1", "1", "1", "2"}}}},
      {"largest-batch",
       {{{"device", "L40%"}},
        {"device", "context_tokens", "policy", "max_batch", "max_batch_decode_ms",
         "max_batch_tokens_per_second"},
        {{"L40S", "4096", wide, "40", "20", "2000"}, {"L40S", "4096", full, "10", "20", "500"}}}},
      {"decode-split",
       {{},
        {"policy", "decode_ms", "decode_attention_ms", "attention_share"},
        {{wide, "16", "1", "0.0625"}, {full, "20", "5", "0.25"}}}},
      {"goodput-at-rate",
       {{},
        {"rate_per_second", "policy", "goodput_per_second"},
        {{"2", full, "1.75"}, {"4", wide, "3.5"}, {"4", full, "1.5"}}}},
      {"rate-within-ttft",
       {{}, {"policy", "rate_per_second", "ttft_p99_ms"}, {{wide, "4", "500"}, {full, "2", "500"}}}},
      {"rate-gain",
       {{}, {"policy", "max_rate_per_second", "times_full_f16"}, {{wide, "5", "2.5"}, {full, "2", "1"}}}},
      {"device-memory",
       {{},
        {"device", "shape", "sequences", "policy", "use_of_capacity", "overflow_tokens", "decode_mean_ms"},
        {{"L40S", "llama-3.1-8b", "4", wide_at, "0.75", "-", "500"}}}},
      {"mixed-commits", {{}, {"text", "runs", "commits"}, {{"harbour.txt", "4", "2"}}}},
      {"how-to-repeat",
       {{{"policy", wide_at}},
        {"kind", "policy", "command_line", "git_commit"},
        {{"replay", wide_at, "razorscope replay --later", "def"},
         {"eval", wide_at, "razorscope eval", "abc"}}}},
      {"sweep-failures", {{{"sweep", "s"}}, {"sweep", "command", "message"}, {{"s", "replay", "why"}}}},
      {"sweep-progress", {{}, {"sweep", "cells", "done", "failed", "pending"}, {{"s", "2", "0", "1", "1"}}}},
      // Three runs of one command count its time once.
      {"time-spent", {{}, {"kind", "runs", "wall_seconds"}, {{"serve", "3", "4"}}}},
  };
}

SqlRows chosen(const KeptRows& answer, const std::vector<std::string>& columns) {
  SqlRows rows(answer.rows().size());
  for (const std::string& column : columns) {
    const auto found = std::find(answer.names().begin(), answer.names().end(), column);
    EXPECT_TRUE(found != answer.names().end()) << column;
    if (found == answer.names().end()) return {};
    const auto at = static_cast<size_t>(found - answer.names().begin());
    for (size_t i = 0; i < rows.size(); ++i) rows[i].push_back(answer.rows()[i][at]);
  }
  return rows;
}

TEST(StoreQuestionsTest, AreAnsweredByWhatIsStored) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "results.db";
  Store store = Store::open_for_writing(path);
  add_replays(store, on_device<PlanRecord>("full").deployment);
  add_sweep(store.path());
  add_closed_loop(store);
  add_probes(store);
  add_deployments(store);

  const std::map<std::string, Answer> expected = expected_answers();
  SqlReader reader(path);
  for (const Question& question : usual_questions()) {
    SCOPED_TRACE(question.name);
    EXPECT_TRUE(question.question.ends_with('?')) << question.question;
    ASSERT_TRUE(expected.contains(question.name)) << "a question needs an answer here";
    const Answer& answer = expected.at(question.name);
    SqlReader::Settings settings = question.settings;
    for (const auto& [name, value] : answer.settings) settings[name] = value;
    KeptRows rows;
    reader.ask(question.sql, settings, rows);
    if (question.name == "time-spent") {
      SqlRows served = chosen(rows, answer.columns);
      std::erase_if(served, [](const std::vector<std::string>& row) { return row.front() != "serve"; });
      EXPECT_EQ(served, answer.rows);
      EXPECT_EQ(rows.rows().size(), 7U);
      continue;
    }
    EXPECT_EQ(chosen(rows, answer.columns), answer.rows);
  }
  EXPECT_GE(usual_questions().size(), 20U);
  EXPECT_EQ(expected.size(), usual_questions().size());
}

TEST(StoreQuestionsTest, AreReadFromFilesWithNamesAndValues) {
  const std::vector<Question> questions =
      parse_questions("q.sql",
                      "-- words on the file; with a semicolon\n\n"
                      "-- name: first\n-- What?\n-- more\n-- set: a=1=2\n-- set: b=\n"
                      "SELECT ';' -- ; it's\n  AS x;\n"
                      "SELECT 2; -- name: second\nSELECT 3");
  ASSERT_EQ(questions.size(), 3U);
  EXPECT_EQ(questions[0].name, "first");
  EXPECT_EQ(questions[0].question, "What?");
  EXPECT_EQ(questions[0].settings, (SqlReader::Settings{{"a", "1=2"}, {"b", ""}}));
  EXPECT_EQ(questions[0].sql, "SELECT ';' -- ; it's\n  AS x;");
  EXPECT_EQ(questions[1].name, "");
  EXPECT_EQ(questions[1].sql, "SELECT 2;");
  EXPECT_EQ(questions[2].name, "second");
  EXPECT_EQ(&find_question("q", questions, "second"), &questions[2]);
  EXPECT_EQ(&find_question("q", questions, "2"), &questions[1]);
}

}  // namespace
}  // namespace razorscope::testing
