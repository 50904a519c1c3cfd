#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "experiments/store/store.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

namespace fs = std::filesystem;

/// A store in a folder of its own.
class StoreEvalTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  fs::path path_ = folder_ / "results.db";
  Store store_ = Store::open_for_writing(path_);
};

void expect_equal(const Estimate& a, const Estimate& b) {
  EXPECT_EQ(a.mean, b.mean);
  ASSERT_EQ(a.interval.has_value(), b.interval.has_value());
  if (!a.interval) return;
  EXPECT_EQ(a.interval->low, b.interval->low);
  EXPECT_EQ(a.interval->high, b.interval->high);
}

TEST_F(StoreEvalTest, GivesBackAnEvaluation) {
  EvalRecord record = at_share(eval_of("window:recent=300"), "window:recent=508", 0.3);
  record.texts = {{"a, b.txt", "t1"}, {"c.txt", "t2"}, {"a, b.txt", "t3"}};
  record.result.kl_to_full.interval.reset();
  const int64_t run = store_.add_eval(record);
  const std::vector<ClosedLoopRow> rows = Store::open_read_only(path_).closed_loop();
  ASSERT_EQ(rows.size(), 1U);
  const ClosedLoopRow& row = rows.front();
  EXPECT_EQ(row.run_id, run);
  EXPECT_EQ(row.model_sha256, "m1");
  EXPECT_EQ(row.text, "a, b.txt, c.txt, a, b.txt");
  EXPECT_EQ(row.texts, 3);
  EXPECT_EQ(row.unit, "text");
  EXPECT_EQ(row.scored_rows, 256);
  EXPECT_EQ(row.units, 8);
  EXPECT_EQ(row.prefix, 1536);
  EXPECT_EQ(row.steps, 256);
  EXPECT_EQ(row.comparison, equal_bytes);
  EXPECT_EQ(row.equal_bytes_target, 3000);
  EXPECT_EQ(row.equal_bytes_share, 0.3);
  EXPECT_EQ(row.full_f16_bytes, 10'000);
  EXPECT_EQ(row.policy, record.policy.name());
  EXPECT_EQ(row.requested_policy, record.requested->name());
  expect_equal(row.nll, record.result.nll);
  expect_equal(row.full_nll, record.full_nll);
  expect_equal(row.nll_difference, record.result.nll_difference);
  expect_equal(row.kl_to_full, record.result.kl_to_full);
  EXPECT_EQ(row.top1_agreement, 0.875);
  EXPECT_EQ(row.nominal_bytes, 2000.5);
  EXPECT_EQ(row.logical_bytes, 3000);
  EXPECT_EQ(row.physical_bytes, 3096);
  EXPECT_EQ(row.end_physical_bytes, 5000);
  EXPECT_EQ(row.bytes_read_per_step, 4000.5);
  EXPECT_TRUE(row.token_by_token);
  ASSERT_EQ(store_.provenance_of_runs().size(), 1U);
  EXPECT_EQ(store_.provenance_of_runs().front().command_line, "razorscope eval");
  EXPECT_TRUE(store_.tradeoff().empty());
  EXPECT_EQ(store_.find_run(config_hash(record)), run);
}

TEST_F(StoreEvalTest, ReplacesAnEvaluationOfTheSameConfiguration) {
  EvalRecord record = eval_of("window:recent=508");
  const int64_t run = store_.add_eval(record);
  EXPECT_EQ(store_.closed_loop().front().unit, "block of 32 steps");
  record.result.kl_to_full = {0.5, std::nullopt};
  record.provenance.threads = 9;
  EXPECT_EQ(store_.add_eval(record), run);
  ASSERT_EQ(store_.closed_loop().size(), 1U);
  EXPECT_EQ(store_.closed_loop().front().kl_to_full.mean, 0.5);
  EXPECT_EQ(ask(path_, "SELECT count(*) FROM run_texts"), 1);
  const auto differs = [&](const std::function<void(EvalRecord&)>& change) {
    EvalRecord other = record;
    change(other);
    EXPECT_NE(config_hash(other), config_hash(record));
  };
  differs([](EvalRecord& r) { r.policy = Policy::parse("window:recent=509"); });
  differs([](EvalRecord& r) { r.texts.push_back({"b", "t2"}); });
  differs([](EvalRecord& r) { r.texts.front().sha256 = ""; });
  differs([](EvalRecord& r) { r.prefix = 1; });
  differs([](EvalRecord& r) { r.steps = 1; });
  differs([](EvalRecord& r) { r.seed = 2; });
  differs([](EvalRecord& r) { r.model.sha256 = "m2"; });
  differs([](EvalRecord& r) { r.provenance.compute = "bf16"; });
}

TEST_F(StoreEvalTest, RefusesWhatIsNotWhole) {
  EvalRecord record = eval_of("window:recent=508");
  record.result.kl_to_full.mean = std::nan("");
  expect_message("runtime", {path_.string(), "kl_to_full_nats"}, [&] { store_.add_eval(record); });
  record = eval_of("window:recent=508");
  record.result.nll.interval->low = std::nan("");
  expect_message("runtime", {"CHECK"}, [&] { store_.add_eval(record); });
  record.texts.clear();
  EXPECT_THROW(store_.add_eval(record), std::logic_error);
  TaskRecord task = task_of("window:recent=508");
  task.result.correct = 41;
  expect_message("runtime", {"CHECK"}, [&] { store_.add_task(task); });
  task = task_of("window:recent=508");
  task.result.answers.back().nll = std::nan("");
  expect_message("runtime", {"nll_nats"}, [&] { store_.add_task(task); });
  EXPECT_EQ(ask(path_, "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM texts)"), 0);
}

TEST_F(StoreEvalTest, GivesBackATask) {
  TaskRecord record = at_share(task_of("window:recent=508"), "window:recent=508", 0.15);
  record.equal_bytes_target.reset();  // each length has its own
  const int64_t run = store_.add_task(record);
  const std::vector<TaskRow> rows = store_.tasks();
  ASSERT_EQ(rows.size(), 1U);
  const TaskRow& row = rows.front();
  EXPECT_EQ(row.run_id, run);
  EXPECT_EQ(row.task, "needle");
  EXPECT_FALSE(row.query_aware);
  EXPECT_EQ(row.text, "harbour.txt");
  EXPECT_EQ(nlohmann::json::parse(row.settings_json), to_json(record.settings));
  EXPECT_EQ(row.prefix, 1024);
  EXPECT_EQ(row.steps, 40);
  EXPECT_EQ(row.n, 40);
  EXPECT_EQ(row.correct, 30);
  EXPECT_EQ(row.accuracy, 0.75);
  EXPECT_EQ(row.interval.low, 0.5);
  EXPECT_EQ(row.interval.high, 0.875);
  EXPECT_EQ(row.full_accuracy, 0.95);
  EXPECT_TRUE(row.model_can);
  EXPECT_EQ(row.physical_bytes, 1000.5);
  EXPECT_EQ(row.equal_bytes_share, 0.15);
  EXPECT_FALSE(row.equal_bytes_target.has_value());
  const std::vector<TaskAnswer> answers = store_.task_answers(run);
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[1].length, 1024);
  EXPECT_EQ(answers[1].depth, 1.0);
  EXPECT_FALSE(answers[1].correct);
  EXPECT_EQ(answers[1].nll, 1.5);
  EXPECT_EQ(ask(path_, "SELECT seed FROM runs"), 7);

  record.result.answers.pop_back();
  EXPECT_EQ(store_.add_task(record), run);
  EXPECT_EQ(store_.task_answers(run).size(), 1U);
}

TEST_F(StoreEvalTest, KeepsTasksApartThatDifferInASettingOrTheShare) {
  const TaskRecord record = at_share(task_of("window:recent=508"), "window:recent=508", 0.15);
  const auto differs = [&](const std::function<void(TaskRecord&)>& change) {
    TaskRecord other = record;
    change(other);
    EXPECT_NE(config_hash(other), config_hash(record));
  };
  differs([](TaskRecord& r) { r.equal_bytes_share = 0.3; });
  differs([](TaskRecord& r) { r.comparison = fixed_parameters; });
  differs([](TaskRecord& r) { r.policy = Policy::parse("window:recent=509"); });
  differs([](TaskRecord& r) { r.haystack.sha256 = "t2"; });
  differs([](TaskRecord& r) { r.settings.task = "multi-query"; });
  differs([](TaskRecord& r) { r.settings.lengths = {512}; });
  differs([](TaskRecord& r) { r.settings.depths = 3; });
  differs([](TaskRecord& r) { r.settings.facts = 3; });
  differs([](TaskRecord& r) { r.settings.contexts = 3; });
  differs([](TaskRecord& r) { r.settings.query_aware = true; });
  differs([](TaskRecord& r) { r.settings.seed = 3; });
  TaskRecord same = record;
  same.equal_bytes_share = 0.15000001;  // a target of whole bytes
  same.result.correct = 3;
  EXPECT_EQ(config_hash(same), config_hash(record));
}

TEST_F(StoreEvalTest, KnowsTheShareFromTheTargetWhereItWasNotGiven) {
  EvalRecord record = eval_of("window:recent=508");
  record.equal_bytes_target = 2999;
  record.full_f16_bytes = 10'000;
  EXPECT_FALSE(stored_share(record).has_value());  // at fixed parameters nothing was solved
  record.comparison = equal_bytes;
  EXPECT_EQ(stored_share(record), 0.2999);
  record.equal_bytes_share = 0.3;
  EXPECT_EQ(stored_share(record), 0.3);
  record.equal_bytes_share.reset();
  record.full_f16_bytes.reset();
  EXPECT_FALSE(stored_share(record).has_value());
}

TEST_F(StoreEvalTest, HashesTheContentOfFilesThatAPolicyNames) {
  const fs::path file = folder_.write("heads.json", "{\"retrieval_kv_heads\": [[0, 0]]}");
  const std::string policy = fmt::format("razor:heads={},recent=252", file.string());
  const std::string replay = config_hash(record_of(policy));
  const std::string eval = config_hash(eval_of(policy));
  const std::string task = config_hash(task_of(policy));
  EXPECT_EQ(config_hash(record_of(policy)), replay);
  folder_.write("heads.json", "{\"retrieval_kv_heads\": [[1, 0]]}");
  EXPECT_NE(config_hash(record_of(policy)), replay);
  EXPECT_NE(config_hash(eval_of(policy)), eval);
  EXPECT_NE(config_hash(task_of(policy)), task);
  fs::remove(file);
  expect_input_error([&] { config_hash(record_of(policy)); }, {file.string()});
}

TEST_F(StoreEvalTest, PairsEvaluationsWithReplaysOfTheSame) {
  const std::string asked = "window:recent=508";
  const auto replay = [&](const std::string& policy, double share,
                          const std::function<void(ReplayRecord&)>& change) {
    ReplayRecord record = at_share(record_of(policy, 6, 0.5), asked, share);
    change(record);
    return store_.add_replay(record);
  };
  const auto as_is = [](const auto&) {};
  const int64_t first = replay("window:recent=300", 0.3, as_is);
  replay("window:recent=150", 0.15, as_is);  // no evaluation at this share
  replay("window:recent=301", 0.3, [](ReplayRecord& r) { r.prefix = 1000; });
  replay("window:recent=302", 0.3, [](ReplayRecord& r) {
    r.text = {"other.txt", "t2"};
    r.trace.content_hash = "c2";
  });
  store_.add_replay(record_of("window:recent=508"));  // at fixed parameters
  // Solved for another number of rows, the size may differ: what was asked for decides.
  EvalRecord eval = at_share(eval_of("window:recent=299"), asked, 0.30001);
  const int64_t run = store_.add_eval(eval);
  store_.add_task(at_share(task_of(asked, 30), asked, 0.3));
  TaskRecord more = at_share(task_of(asked, 10), asked, 0.3);
  more.settings.seed = 8;
  store_.add_task(more);
  TaskRecord easier = at_share(task_of(asked, 40), asked, 0.3);
  easier.settings.query_aware = true;
  store_.add_task(easier);
  TaskRecord cannot = at_share(task_of(asked, 1), asked, 0.3);
  cannot.settings.task = "multi-query";
  cannot.model_can = false;
  store_.add_task(cannot);

  std::vector<LadderRow> rows = store_.ladder();
  ASSERT_EQ(rows.size(), 1U);
  const LadderRow& row = rows.front();
  EXPECT_EQ(row.eval_run_id, run);
  EXPECT_EQ(row.replay_run_id, first);
  EXPECT_EQ(row.replays, 1);
  EXPECT_EQ(row.prefix, 1536);
  EXPECT_EQ(row.replay_steps, 64);
  EXPECT_EQ(row.eval_steps, 256);
  EXPECT_EQ(row.requested_policy, Policy::parse(asked).name());
  EXPECT_EQ(row.policy, eval.policy.name());
  EXPECT_EQ(row.equal_bytes_share, 0.3);
  EXPECT_EQ(row.lost_mass_mean, 0.125);
  EXPECT_EQ(row.kl_mean, 0.0625);
  EXPECT_EQ(row.relative_error_mean, 0.5);
  EXPECT_FALSE(row.output_error_mean.has_value());
  EXPECT_EQ(row.kl_to_full, 0.25);
  EXPECT_EQ(row.nll_difference, 0.25);
  EXPECT_EQ(row.needle_accuracy, 0.5);
  EXPECT_EQ(row.needle_n, 80);
  EXPECT_FALSE(row.multi_query_accuracy.has_value());

  // At fixed parameters the policy itself decides.
  store_.add_eval(eval_of("window:recent=508"));
  rows = store_.ladder();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_FALSE(rows[0].equal_bytes_share.has_value());
  EXPECT_FALSE(rows[0].needle_accuracy.has_value());
}

TEST_F(StoreEvalTest, PairsAnEvaluationOfSeveralTextsWithTheMeanOfTheirReplays) {
  EvalRecord eval = eval_of("window:recent=508");
  eval.texts = {{"a.txt", "t1"}, {"b.txt", "t2"}};
  store_.add_eval(eval);
  const auto replay = [&](const std::string& sha, double error) {
    ReplayRecord record = record_of("window:recent=508", 6, error);
    record.text = {sha, sha};
    record.trace.content_hash = sha;
    store_.add_replay(record);
  };
  replay("t1", 0.25);
  EXPECT_TRUE(store_.ladder().empty());  // the other text was not replayed
  replay("t2", 0.75);
  ASSERT_EQ(store_.ladder().size(), 1U);
  EXPECT_EQ(store_.ladder().front().relative_error_mean, 0.5);
  EXPECT_EQ(store_.ladder().front().replays, 2);
}

}  // namespace
}  // namespace razorscope::testing
