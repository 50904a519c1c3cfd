#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <tuple>
#include <vector>

#include "sim/serving/workloads/workload_source.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::TemporaryFolder;

std::vector<std::tuple<double, int, int>> rows(const Workload& workload) {
  std::vector<std::tuple<double, int, int>> out;
  for (const Request& request : workload.requests)
    out.emplace_back(request.arrival, request.input_tokens, request.output_tokens);
  return out;
}

struct Moments {
  double mean = 0.0;
  double deviation = 0.0;
  double standard_error = 0.0;  // of the mean, of independent values
};
Moments moments(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  double sum = 0.0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / count);
  return {mean, deviation, deviation / std::sqrt(count)};
}

std::vector<double> gaps(const Workload& workload) {
  std::vector<double> out;
  for (size_t i = 1; i < workload.requests.size(); ++i)
    out.push_back(workload.requests[i].arrival - workload.requests[i - 1].arrival);
  return out;
}
std::vector<double> lengths(const Workload& workload, int Request::*side) {
  std::vector<double> out;
  for (const Request& request : workload.requests) out.push_back(request.*side);
  return out;
}

TEST(WorkloadGeneratorTest, TheDocumentedExampleHasItsMeans) {
  const Workload workload = load_workload(
      "poisson:rate=5,requests=10000,input=lognormal(1155,1.0),output=lognormal(211,1.1),seed=1");
  ASSERT_EQ(workload.requests.size(), 10000U);
  EXPECT_EQ(workload.requests.front().arrival, 0.0);
  const Moments input = moments(lengths(workload, &Request::input_tokens));
  const Moments output = moments(lengths(workload, &Request::output_tokens));
  const Moments gap = moments(gaps(workload));
  EXPECT_NEAR(input.mean, 1155.0, 4 * input.standard_error);
  EXPECT_NEAR(output.mean, 211.0, 4 * output.standard_error);
  EXPECT_NEAR(gap.mean, 0.2, 4 * gap.standard_error);
  EXPECT_NEAR(gap.deviation / gap.mean, 1.0, 0.05);
}

TEST(WorkloadGeneratorTest, TheNameDrawsTheSameAgain) {
  for (const char* text : {"poisson", "gamma:cv=3,seed=7", "bursty:burst=2,idle=5,output=fixed(3)",
                           "uniform:input=uniform(3,9),max=7"}) {
    const Workload workload = load_workload(text, {.seed = 11});
    const Workload again = load_workload(workload.name, {.seed = 12});
    EXPECT_EQ(again.name, workload.name);
    EXPECT_EQ(rows(again), rows(workload)) << workload.name;
  }
  EXPECT_EQ(load_workload("gamma:rate=2,output=fixed(9)").name,
            "gamma:rate=2,cv=2,requests=1000,input=lognormal(1155,1),output=fixed(9),max=100000000,seed=1");
}

/// The first values of a seed, so that a change of the generator, or of what it is built on, is noticed.
TEST(WorkloadGeneratorTest, ASeedDrawsTheSameOnEveryMachine) {
  const Workload workload = load_workload("poisson:requests=3");
  EXPECT_EQ(workload.requests[0].input_tokens, 159);
  EXPECT_EQ(workload.requests[1].input_tokens, 119);
  EXPECT_EQ(workload.requests[0].output_tokens, 63);
  EXPECT_NEAR(workload.requests[2].arrival, 0.12469861905461448, 1e-12);
}

TEST(WorkloadGeneratorTest, OptionsReplaceRateAndLimitButNotAGivenSeed) {
  EXPECT_EQ(rows(load_workload("poisson:rate=3", {.rate = 9.0})), rows(load_workload("poisson:rate=9")));
  EXPECT_EQ(rows(load_workload("poisson", {.seed = 4})), rows(load_workload("poisson:seed=4")));
  EXPECT_EQ(rows(load_workload("poisson:seed=4", {.seed = 5})), rows(load_workload("poisson:seed=4")));
  EXPECT_EQ(rows(load_workload("poisson", {.max_requests = 10})), rows(load_workload("poisson:requests=10")));
  EXPECT_EQ(load_workload("poisson:requests=10", {.max_requests = 20}).requests.size(), 10U);
}

TEST(WorkloadGeneratorTest, EachSideHasItsOwnRandomNumbers) {
  const Workload one = load_workload("poisson:input=lognormal(1155,1)");
  const Workload other = load_workload("gamma:input=lognormal(1155,1),output=uniform(1,5),rate=2");
  EXPECT_EQ(lengths(one, &Request::input_tokens), lengths(other, &Request::input_tokens));
  const Workload third = load_workload("poisson:input=fixed(3)");
  EXPECT_EQ(lengths(one, &Request::output_tokens), lengths(third, &Request::output_tokens));
  EXPECT_EQ(gaps(one), gaps(third));
  EXPECT_NE(lengths(load_workload("poisson:output=lognormal(1155,1)"), &Request::output_tokens),
            lengths(one, &Request::input_tokens));
  // A longer workload begins with the shorter one.
  auto longer = rows(load_workload("bursty:requests=500"));
  longer.resize(100);
  EXPECT_EQ(longer, rows(load_workload("bursty:requests=100")));
}

TEST(WorkloadGeneratorTest, LengthsFollowTheirDistribution) {
  const Workload workload =
      load_workload("poisson:requests=50000,input=uniform(10,20),output=lognormal(500,0.5)");
  const std::vector<double> input = lengths(workload, &Request::input_tokens);
  EXPECT_EQ(*std::min_element(input.begin(), input.end()), 10.0);
  EXPECT_EQ(*std::max_element(input.begin(), input.end()), 20.0);
  EXPECT_NEAR(moments(input).mean, 15.0, 4 * moments(input).standard_error);
  std::vector<double> logarithms = lengths(workload, &Request::output_tokens);
  for (double& value : logarithms) value = std::log(value);
  EXPECT_NEAR(moments(logarithms).deviation, 0.5, 0.01);
  EXPECT_NEAR(moments(logarithms).mean, std::log(500.0) - 0.125, 0.01);
  const Workload cut = load_workload("poisson:input=lognormal(1155,5),output=lognormal(1,5),max=100");
  for (const Request& request : cut.requests) {
    ASSERT_GE(std::min(request.input_tokens, request.output_tokens), 1);
    ASSERT_LE(std::max(request.input_tokens, request.output_tokens), 100);
  }
}

RC_GTEST_PROP(WorkloadGeneratorProperty, GammaGapsHaveTheirMeanAndVariation, ()) {
  const double rate = *rc::gen::inRange(1, 1000) / 10.0;
  const double cv = *rc::gen::inRange(5, 30) / 10.0;
  const int seed = *rc::gen::inRange(0, 1'000'000);
  const Workload workload =
      load_workload(fmt::format("gamma:rate={},cv={},seed={},requests=20000", rate, cv, seed));
  const Moments gap = moments(gaps(workload));
  RC_ASSERT(std::abs(gap.mean * rate - 1.0) < 5.0 * cv / std::sqrt(20000.0));
  // A gamma's kurtosis is 3 + 6 cv^2, hence the relative error of the deviation.
  RC_ASSERT(std::abs(gap.deviation * rate / cv - 1.0) <
            6.0 * std::sqrt((2.0 + 6.0 * cv * cv) / 4.0 / 20000.0));
}

RC_GTEST_PROP(WorkloadGeneratorProperty, BurstyArrivalsKeepTheMeanRate, ()) {
  const double rate = *rc::gen::inRange(10, 200) / 10.0;
  const double burst = *rc::gen::inRange(1, 50) / 10.0;
  const double idle = *rc::gen::inRange(0, 100) / 10.0;
  const int seed = *rc::gen::inRange(0, 1'000'000);
  const int requests = 20000;
  const Workload workload = load_workload(
      fmt::format("bursty:rate={},burst={},idle={},seed={},requests={}", rate, burst, idle, seed, requests));
  // Index of dispersion of counts in the long run: 1 + 2 rate idle^2 / (burst + idle).
  const double dispersion = 1.0 + 2.0 * rate * idle * idle / (burst + idle);
  const double expected = (requests - 1) / rate;
  RC_ASSERT(std::abs(workload.requests.back().arrival / expected - 1.0) <
            5.0 * std::sqrt(dispersion / requests) + 0.01);
}

TEST(WorkloadGeneratorTest, BurstsHaveTheirRateAndSilencesTheirLength) {
  // 4 requests/s over bursts of 5 s and silences of 15 s are 16/s within bursts; silences split them.
  const Workload workload = load_workload("bursty:rate=4,burst=5,idle=15,requests=100000");
  std::vector<double> within;
  double silence = 0.0;
  int silences = 0;
  for (const double gap : gaps(workload)) {
    if (gap < 1.0) {
      within.push_back(gap);
    } else {
      silence += gap;
      ++silences;
    }
  }
  EXPECT_NEAR(moments(within).mean, 1.0 / 16.0, 0.002);
  EXPECT_NEAR(silence / silences, 16.0, 1.0) << "15 s, of which those above 1 s are a second longer";
}

TEST(WorkloadGeneratorTest, ATraceIsResampledInPairs) {
  const TemporaryFolder folder;
  std::string text = "num_prefill_tokens,num_decode_tokens\n";
  for (int i = 1; i <= 50; ++i) text += fmt::format("{},{}\n", i, 1000 + i);
  const std::string one = folder.write("one, two (3).csv", text).string();
  const std::string other = folder.write("other.csv", text).string();
  const auto unpaired = [](const Workload& workload) {
    return std::count_if(workload.requests.begin(), workload.requests.end(), [](const Request& request) {
      return request.output_tokens != 1000 + request.input_tokens;
    });
  };
  const Workload pairs = load_workload(fmt::format("poisson:input=trace({0}),output=trace({0})", one));
  EXPECT_EQ(unpaired(pairs), 0);
  const Moments input = moments(lengths(pairs, &Request::input_tokens));
  EXPECT_NEAR(input.mean, 25.5, 4 * input.standard_error);
  EXPECT_GT(unpaired(load_workload(fmt::format("poisson:input=trace({}),output=trace({})", one, other))),
            900);
  EXPECT_EQ(load_workload(pairs.name).name, pairs.name);
  EXPECT_EQ(pairs.note, "");
  const std::string talk =
      folder
          .write("talk",
                 R"({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]})")
          .string();
  EXPECT_NE(load_workload(fmt::format("poisson:input=trace({})", talk)).note.find("estimates"),
            std::string::npos);
}

TEST(WorkloadGeneratorTest, FaultsNameTheParameter) {
  const auto refuses = [](const std::string& text, const std::vector<std::string>& fragments) {
    expect_input_error([&] { load_workload(text); }, fragments);
  };
  refuses("posson:rate=5", {"'posson:rate=5' is no file", "did you mean 'poisson'"});
  refuses("posson", {"did you mean 'poisson'"});
  refuses("poisson:rats=5", {"poisson: rats", "did you mean 'rate'", "allowed: rate"});
  refuses("poisson:rate=0", {"poisson: rate", "0 is out of range"});
  refuses("poisson:rate=nan", {"poisson: rate", "not a number"});
  refuses("poisson:rate=1,rate=2", {"rate", "twice"});
  refuses("poisson:cv=2", {"poisson: cv", "gamma"});
  refuses("poisson:requests=1000000000", {"requests", "out of range"});
  refuses("poisson:seed=-1", {"seed", "out of range"});
  refuses("poisson:", {"key=value"});
  refuses("poisson:rate", {"'rate' is not key=value"});
  refuses("poisson:input=fixed(3", {"'(' without ')'"});
  refuses("poisson:input=fixed)3(", {"')' without '('"});
  refuses("poisson:input=", {"input", "is empty"});
  refuses("poisson:input=lognorm(3,1)", {"input", "did you mean 'lognormal'"});
  refuses("poisson:input=fixed", {"input", "brackets", "fixed(tokens)"});
  refuses("poisson:output=lognormal(3)", {"output", "too few", "lognormal(mean,sigma)"});
  refuses("poisson:output=fixed(3,4)", {"output", "too many"});
  refuses("poisson:output=fixed(0)", {"output: fixed: tokens", "out of range"});
  refuses("poisson:output=uniform(5,4)", {"output", "lowest"});
  refuses("poisson:output=trace(absent.csv)", {"absent.csv", "cannot be opened"});
  refuses("bursty:rate=0.001,burst=0.001,idle=0", {"bursty: rate", "at least 0.01"});
}

TEST(WorkloadGeneratorTest, HelpNamesEveryFormatGeneratorAndParameter) {
  const std::string help = workload_help();
  for (const char* word : {"azure",    "mooncake", "vidur",  "sharegpt", "poisson", "gamma",
                           "bursty",   "uniform",  "rate",   "cv",       "burst",   "idle",
                           "requests", "input",    "output", "seed",     "max",     "lognormal(mean,sigma)",
                           "fixed(",   "trace("}) {
    EXPECT_NE(help.find(word), std::string::npos) << word;
  }
}

/// Any text: a workload or an InputError, never anything else.
RC_GTEST_PROP(WorkloadGeneratorProperty, AnyTextIsAnswered, ()) {
  const std::vector<std::string> parts = {
      "poisson", "gamma", "bursty",  ":",     ",",   "=",    "(",     ")",  "rate", "input", "cv",       "1",
      "-1",      "1e9",   "uniform", "fixed", "max", "seed", "burst", "0.", "1000", "trace", "lognormal"};
  std::string text = *rc::gen::elementOf(parts);
  for (const std::string& part : *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(parts)))
    text += part;
  try {
    RC_ASSERT(!load_workload(text, {.max_requests = 100}).requests.empty());
  } catch (const InputError&) {
  }
}

}  // namespace
}  // namespace razorscope
