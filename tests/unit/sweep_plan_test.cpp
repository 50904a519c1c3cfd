#include "experiments/runner/sweep_plan.hpp"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "models/base/error.hpp"
#include "policies/policy.hpp"

namespace razorscope {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Two commands as the program declares them, cut short.
std::vector<SweepCommand> commands() {
  using Kind = SweepKey::Kind;
  return {{"replay",
           {{"trace", Kind::text, false, true},
            {"prefix", Kind::integer, false, true},
            {"steps", Kind::integer, false, true}},
           true,
           true,
           true},
          {"eval",
           {{"model", Kind::text, false, true},
            {"text", Kind::text, true, true},
            {"prefix", Kind::integer, false, true},
            {"query-aware", Kind::flag, false, false}},
           true,
           true,
           false},
          {"serve",
           {{"model", Kind::text, false, true}, {"rate", Kind::number, false, false}},
           true,
           false,
           false},
          {"probe",
           {{"model", Kind::text, false, true}, {"compute", Kind::text, false, false}},
           false,
           false,
           false}};
}

class SweepPlanTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("sweep-") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  SweepFile read(const std::string& toml) {
    write("sweep.toml", toml);
    return read_sweep_file(folder_ / "sweep.toml", folder_, commands());
  }
  SweepPlan plan(const std::string& toml) { return plan_sweep(read(toml), commands(), "cache"); }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  std::string refusal(const std::string& toml) {
    try {
      plan(toml);
    } catch (const InputError& problem) {
      return problem.what();
    }
    return "";
  }
  static std::set<std::string> hashes(const SweepPlan& plan) {
    std::set<std::string> all;
    for (const SweepBatch& batch : plan.batches) {
      for (const SweepCell& cell : batch.cells) all.insert(cell.config_hash);
    }
    return all;
  }

  std::filesystem::path folder_;
};

std::string name_of(const std::string& policy) { return Policy::parse(policy).name(); }

TEST_F(SweepPlanTest, ListsMultiplyInTheOrderOfTheFile) {
  const SweepPlan made =
      plan("[[serve]]\nrate = [1, 2.5]\nmodel = ['a', 'b']\npolicies = ['full', 'window']\n");
  std::vector<std::string> lines;
  for (const SweepBatch& batch : made.batches) {
    ASSERT_EQ(batch.cells.size(), 1U);
    lines.push_back(batch.settings.dump() + Policy::parse(batch.cells[0].policy).selection());
  }
  EXPECT_THAT(lines, ElementsAre(R"({"model":"a","rate":"1"}full)", R"({"model":"a","rate":"1"}window)",
                                 R"({"model":"b","rate":"1"}full)", R"({"model":"b","rate":"1"}window)",
                                 R"({"model":"a","rate":"2.5"}full)", R"({"model":"a","rate":"2.5"}window)",
                                 R"({"model":"b","rate":"2.5"}full)", R"({"model":"b","rate":"2.5"}window)"));
}

TEST_F(SweepPlanTest, PoliciesOfASettingShareAProcess) {
  const SweepPlan made = plan(
      "[[eval]]\nmodel = 'm'\ntext = [['a', 'b'], 'c']\nprefix = 8\nquery-aware = [true, false]\n"
      "policies = 'full;window'\n");
  ASSERT_EQ(made.batches.size(), 4U);
  EXPECT_EQ(made.cells(), 8U);
  EXPECT_THAT(made.batches[0].words_for(made.batches[0].cells),
              ElementsAre("eval", "--model", "m", "--text", "a", "b", "--prefix", "8", "--query-aware",
                          "--policies", name_of("full") + ";" + name_of("window")));
  EXPECT_THAT(
      made.batches[3].words_for({made.batches[3].cells[1]}),
      ElementsAre("eval", "--model", "m", "--text", "c", "--prefix", "8", "--policies", name_of("window")));
}

TEST_F(SweepPlanTest, AskedForTwiceIsRunOnce) {
  const std::string grid =
      "model = 'm'\ntext = 'a'\nprefix = [8, 8, 16]\npolicies = ['full', 'full', 'window']\n";
  EXPECT_EQ(plan("[[eval]]\n" + grid + "[[eval]]\n" + grid).cells(), 4U);
}

TEST_F(SweepPlanTest, PolicyGridsMultiplyTheirLists) {
  const SweepFile file = read(
      "[[eval]]\nmodel = 'm'\ntext = 'a'\nprefix = 8\npolicies = ['full', {selection = 'window', recent = "
      "[8, 16], codec = "
      "['f16', 'q4_0:residual=32']}, {selection = 'razor', variant = 'none', recent = 8}]\n");
  EXPECT_THAT(file.grids[0].policies,
              ElementsAre(name_of("full"), name_of("window:recent=8"), name_of("window:recent=16"),
                          name_of("window:recent=8+q4_0:residual=32"),
                          name_of("window:recent=16+q4_0:residual=32"), name_of("razor/none:recent=8")));
}

TEST_F(SweepPlanTest, TracesAreRecordedOnceAsLongAsTheLongestReplay) {
  const std::string rest = "model = 'm'\ntext = 'a'\nsteps = 4\npolicies = 'full'\n";
  const SweepPlan made = plan("[[replay]]\nprefix = [8, 32]\n" + rest + "[[replay]]\nprefix = 16\n" + rest +
                              "[[replay]]\nprefix = 16\ndtype = 'f16'\n" + rest);
  ASSERT_EQ(made.traces.size(), 2U);
  EXPECT_THAT(made.traces[0].words, testing::Contains("36"));
  EXPECT_EQ(made.batches[0].trace, 0);
  EXPECT_EQ(made.batches[2].trace, 0);
  EXPECT_EQ(made.batches[3].trace, 1);
  EXPECT_EQ(made.batches[0].words[2], made.traces[0].path.string());
  // A longer replay beside it changes the trace, but not what was asked for before.
  const SweepPlan more = plan("[[replay]]\nprefix = [8, 32, 64]\n" + rest);
  EXPECT_EQ(more.batches[0].cells[0].config_hash, made.batches[0].cells[0].config_hash);
}

TEST_F(SweepPlanTest, ModelsHeadsAreProbedOnceForAllThatNeedThem) {
  const SweepPlan made = plan(
      "[[eval]]\nmodel = 'm'\ntext = ['a', 'b']\nprefix = 8\npolicies = ['full', 'razor']\n"
      "[[eval]]\nmodel = 'm'\ntext = 'c'\nprefix = 8\npolicies = 'full'\n");
  ASSERT_EQ(made.batches.size(), 4U);
  EXPECT_EQ(made.batches[0].command, "probe");
  EXPECT_EQ(made.batches[1].probe, 0);
  EXPECT_EQ(made.batches[2].probe, 0);
  EXPECT_EQ(made.batches[3].probe, -1);
}

TEST_F(SweepPlanTest, FilesCountByWhatIsInThem) {
  const std::string toml = "[[eval]]\nmodel = 'm'\ntext = 'a.txt'\nprefix = 8\npolicies = 'full'\n";
  const std::set<std::string> without = hashes(plan(toml));
  write("a.txt", "one");
  const std::set<std::string> one = hashes(plan(toml));
  EXPECT_EQ(plan(toml).batches[0].words[4], (folder_ / "a.txt").string());  // beside the sweep file
  write("a.txt", "two");
  EXPECT_NE(hashes(plan(toml)), one);
  EXPECT_NE(without, one);
  write("b.txt", "one");
  EXPECT_EQ(hashes(plan("[[eval]]\nprefix = 8\nmodel = 'm'\npolicies = 'full'\ntext = 'b.txt'\n")), one);
}

TEST_F(SweepPlanTest, FaultsAreToldTogetherWithTheirLines) {
  const std::string told = refusal(
      "[[eval]]\nmodel = 'm'\ntxt = 'a'\nprefix = true\npolicies = ['full', 3, {recent = 4}]\n[[repaly]]\nx "
      "= 1\n");
  EXPECT_THAT(told, HasSubstr("line 3: eval: txt: unknown key 'txt' (did you mean 'text'?)"));
  EXPECT_THAT(told, HasSubstr("line 1: eval: text: is missing"));
  EXPECT_THAT(told, HasSubstr("line 4: eval: prefix: must be an integer, or a list of such"));
  EXPECT_THAT(told, HasSubstr("line 5: eval: policies: a table of parameters needs `selection`"));
  EXPECT_THAT(told, HasSubstr("line 5: eval: policies: must be a policy"));
  EXPECT_THAT(told, HasSubstr("unknown key 'repaly' (did you mean 'replay'?)"));
}

TEST_F(SweepPlanTest, TraceOrModelAndTextButNotBoth) {
  const std::string rest = "prefix = 8\nsteps = 4\npolicies = 'full'\n";
  EXPECT_THAT(refusal("[[replay]]\ntrace = 't'\nmodel = 'm'\n" + rest), HasSubstr("stands beside `trace`"));
  EXPECT_THAT(refusal("[[replay]]\n" + rest), HasSubstr("trace: is missing"));
  EXPECT_THAT(refusal("[[replay]]\nmodel = 'm'\n" + rest), HasSubstr("text: is missing"));
}

}  // namespace
}  // namespace razorscope
