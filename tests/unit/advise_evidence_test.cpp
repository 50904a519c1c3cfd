#include <gtest/gtest.h>
#include <limits>

#include "experiments/advise/evidence.hpp"
#include "experiments/advise/measure_command.hpp"
#include "experiments/store/store.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

const EvidenceWanted wanted{.model = "Some Model-8B", .context = 4096};

ClosedLoopRow evaluation(int64_t id, const std::string& model, int prefix, double kl, double half = 0.001) {
  ClosedLoopRow row;
  row.run_id = id;
  row.model = model;
  row.text = "a.txt";
  row.prefix = prefix;
  row.policy = row.requested_policy = "full+q4_0";
  row.scored_rows = 100;
  row.kl_to_full = {kl, Interval{kl - half, kl + half}};
  row.nll_difference = {kl / 2, std::nullopt};
  row.top1_agreement = 0.9;
  return row;
}

CandidateFigure kl_of(const EvidenceRows& rows, const EvidenceWanted& asked = wanted) {
  return quality_figures(rows, asked).at("full+q4_0").at("kl");
}

TEST(AdviseEvidenceTest, TheSameModelComesFirstThenTheNearestByName) {
  EvidenceRows rows;
  rows.evaluations = {evaluation(1, "tiny", 4096, 0.5), evaluation(2, "other-model-8b", 100, 0.3)};
  EXPECT_EQ(kl_of(rows).evidence.run_id, 2);
  EXPECT_FALSE(kl_of(rows).evidence.same_model);
  rows.evaluations.push_back(evaluation(3, "some_model_8b", 10, 0.9));
  EXPECT_EQ(kl_of(rows).evidence.run_id, 3);
  EXPECT_TRUE(kl_of(rows).evidence.same_model);
  EvidenceWanted same = wanted;
  same.same_model = true;
  rows.evaluations.pop_back();
  EXPECT_TRUE(quality_figures(rows, same).empty());
  EXPECT_GT(likeness("Meta Llama 3.1 8B Instruct", "llama-3.1-8b"), likeness("qwen3-8b", "llama-3.1-8b"));
}

TEST(AdviseEvidenceTest, TheNearestContextAndOfItsRowsTheWorstDecides) {
  EvidenceRows rows;
  rows.evaluations = {evaluation(1, "some-model-8b", 512, 0.9), evaluation(2, "some-model-8b", 2048, 0.01),
                      evaluation(3, "some-model-8b", 2048, 0.02),
                      evaluation(4, "some-model-8b", 2048, 0.019, 0.01),
                      evaluation(5, "some-model-8b", 65536, 0.8)};
  const CandidateFigure figure = kl_of(rows);
  EXPECT_EQ(figure.evidence.run_id, 4);  // its interval reaches further
  EXPECT_EQ(figure.evidence.tokens, 2048);
  EXPECT_EQ(figure.evidence.n, 100);
  const Figures all = quality_figures(rows, wanted).at("full+q4_0");
  EXPECT_FALSE(all.at("nll_increase").interval);
  EXPECT_LT(all.at("top1").interval->low, 0.9);
  EXPECT_GT(all.at("top1").interval->high, 0.9);
}

TEST(AdviseEvidenceTest, FiguresThatAreNotFiniteAreLeftOut) {
  EvidenceRows rows;
  rows.evaluations = {evaluation(1, "some-model-8b", 512, std::numeric_limits<double>::quiet_NaN())};
  rows.evaluations[0].top1_agreement = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(quality_figures(rows, wanted).empty());
  rows.evaluations.push_back(evaluation(2, "some-model-8b", 100'000, 0.25));
  EXPECT_EQ(kl_of(rows).evidence.run_id, 2);
}

TEST(AdviseEvidenceTest, TasksBelongToPoliciesOfTheirShare) {
  EvidenceRows rows;
  ClosedLoopRow solved = evaluation(1, "some-model-8b", 1536, 0.1);
  solved.policy = "window:sinks=4,recent=508";
  solved.requested_policy = "window";
  solved.comparison = equal_bytes;
  solved.equal_bytes_share = 0.3;
  rows.evaluations = {solved};
  TaskRow task;
  static_cast<RunRow&>(task) = solved;
  task.run_id = 2;
  task.policy = "window";
  task.task = "multi-query";
  task.n = 40;
  task.accuracy = 0.5;
  task.interval = {0.35, 0.65};
  task.model_can = true;
  TaskRow other = task;
  other.equal_bytes_share = 0.1;
  other.accuracy = 0.0;
  TaskRow needle = task;
  needle.task = "needle";
  needle.model_can = false;
  rows.tasks = {task, other, needle};
  const std::map<std::string, Figures> figures = quality_figures(rows, wanted);
  ASSERT_EQ(figures.size(), 1U);
  const Figures& window = figures.at("window:sinks=4,recent=508");
  EXPECT_EQ(window.at("multi_query").evidence.run_id, 2);
  EXPECT_EQ(window.at("multi_query").decisive(find_metric("x", "multi_query")), 0.35);
  EXPECT_FALSE(window.contains("needle"));
}

TEST(AdviseEvidenceTest, FromAStore) {
  const testing::TemporaryFolder folder;
  Store store = Store::open_for_writing(folder.path() / "r.db");
  const int64_t eval = store.add_eval(testing::eval_of("full+q4_0", 0.25));
  const int64_t task = store.add_task(testing::task_of("full+q4_0"));
  const int64_t replay = store.add_replay(testing::record_of("full+q4_0"));
  const std::map<std::string, Figures> figures =
      quality_figures({store.closed_loop(), store.tasks(), store.tradeoff()}, wanted);
  const Figures& found = figures.at(Policy::parse("full+q4_0").name());
  EXPECT_EQ(found.at("kl").evidence.run_id, eval);
  EXPECT_EQ(found.at("kl").interval->high, 0.5);
  EXPECT_EQ(found.at("needle").evidence.run_id, task);
  EXPECT_EQ(found.at("relative_error").evidence.run_id, replay);
  EXPECT_EQ(found.at("lost_mass").value, 0.125);
}

TEST(AdviseMeasureCommandTest, RepeatsTheEarlierRunWithOtherPolicies) {
  const std::string earlier =
      "build/razorscope eval --model 'a model.gguf' --text t.txt --prefix 768 --equal-bytes=0.3 --policies "
      "'full;razor' --steps 64 --db old.db --json";
  EXPECT_EQ(measure_command(find_metric("x", "kl"), {"full+q4_0", "window"}, earlier, {"m", 5, "new.db"}),
            "razorscope eval --model 'a model.gguf' --text t.txt --prefix 768 --steps 64 --policies "
            "'full+q4_0;window' --db new.db");
  EXPECT_EQ(measure_command(find_metric("x", "needle"), {"full"}, "", {"m.gguf", 5, "new.db"}),
            "razorscope task needle --model m.gguf --text TEXT.txt --lengths 5 --policies full --db new.db");
}

TEST(AdviseMeasureCommandTest, WordsSurviveTheShell) {
  for (const std::string word : {"plain", "it's", "a b", "", "\"x\"", "'", "$HOME"})
    EXPECT_EQ(shell_words("x " + shell_quoted(word) + " y"), (std::vector<std::string>{"x", word, "y"}));
}

}  // namespace
}  // namespace razorscope
