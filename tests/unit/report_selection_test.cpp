#include <gtest/gtest.h>

#include "experiments/store/run_selection.hpp"
#include "tests/support/expect_input_error.hpp"

namespace razorscope::testing {
namespace {

TradeoffRow replay_row(int64_t id, const std::string& policy, int prefix) {
  TradeoffRow row;
  row.run_id = id;
  row.model = "tiny";
  row.text = "harbour.txt, review.txt";
  row.policy = policy;
  row.requested_policy = "window:sinks=4,recent=508+f16";
  row.prefix = prefix;
  return row;
}

ReportData sample() {
  ReportData data;
  data.replay = {replay_row(1, "razor/weighted:sinks=4,recent=100+q8_0", 512),
                 replay_row(2, "full+f16", 1024)};
  data.serving.resize(2);
  data.serving[0].model = "llama-3.1-8b";
  data.serving[0].device = "L40S";
  data.serving[0].policy = "full+f16";
  data.serving[0].run_id = 1;
  data.serving[1] = data.serving[0];
  data.serving[1].device = "H100 SXM";
  data.serving[1].run_id = 2;
  return data;
}

ReportData selected(const RunSelection& selection) {
  ReportData data = sample();
  select_runs(data, selection);
  return data;
}

TEST(RunSelectionTest, KeepsWhatMeetsEachCriterion) {
  EXPECT_TRUE(RunSelection().empty());
  EXPECT_EQ(selected({}).replay.size(), 2U);
  EXPECT_EQ(selected({.models = {"tiny", "none"}}).serving.size(), 0U);
  EXPECT_EQ(selected({.models = {"*"}}).serving.size(), 2U);
  EXPECT_EQ(selected({.texts = {"review.txt"}}).replay.size(), 2U);
  EXPECT_EQ(selected({.texts = {"review.txt"}}).serving.size(), 0U);  // has no text
  EXPECT_EQ(selected({.devices = {"H100*"}}).serving[0].run_id, 2);
  EXPECT_EQ(selected({.devices = {"H100*"}}).replay.size(), 0U);
  EXPECT_EQ(selected({.prefix = 512}).replay[0].run_id, 1);
  const ReportData second = selected({.models = {"tiny"}, .runs = {2}});
  ASSERT_EQ(second.replay.size(), 1U);
  EXPECT_EQ(second.replay[0].policy, "full+f16");
}

TEST(RunSelectionTest, FindsPoliciesByGlobRequestAndAsWritten) {
  EXPECT_EQ(selected({.policies = {"razor*"}}).replay.size(), 1U);
  EXPECT_EQ(selected({.policies = {"razor*q8_?"}}).replay.size(), 1U);
  EXPECT_EQ(selected({.policies = {"window:*"}}).replay.size(), 2U);  // what both were asked for as
  EXPECT_EQ(selected({.policies = {"full"}}).replay.size(), 1U);      // full+f16, as a user writes it
  EXPECT_EQ(selected({.policies = {"full"}}).serving.size(), 2U);
  EXPECT_EQ(selected({.policies = {"full", "razor*"}}).replay.size(), 2U);
}

TEST(RunSelectionTest, NamesWhatThereIs) {
  expect_input_error([] { selected({.models = {"tyny"}}); },
                     {"--model", "'tyny'", "did you mean 'tiny'", "llama"});
  expect_input_error([] { selected({.devices = {"A100"}}); }, {"--device", "A100", "L40S", "H100 SXM"});
  expect_input_error([] { selected({.policies = {"occam*"}}); }, {"--policy", "occam*", "razor/weighted"});
  expect_input_error([] { selected({.prefix = 7}); }, {"--prefix", "'7'", "512", "1024"});
  expect_input_error([] { selected({.runs = {9}}); }, {"--run", "'9'", "1, 2"});
  // Criteria narrow one after another: what is named is what the earlier ones left.
  expect_input_error([] { selected({.texts = {"review.txt"}, .devices = {"L40S"}}); }, {"--device", "none"});
}

}  // namespace
}  // namespace razorscope::testing
