// The serving simulator without golden files: closed forms, conservation, monotony, and a plain event loop
// beside SimGrid (one simulation on SimGrid a process: each case here runs at most one).
#include "sim/serving/serving.hpp"

#include <gtest/gtest.h>
#include <numeric>

#include "sim/serving/plan.hpp"
#include "sim/serving/workloads/workload_source.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/made_up_device.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::made_up_device;
using testing::made_up_shape;

constexpr double roomy = 1e8;    // bytes of a device that holds every request
constexpr double tight = 1.8e6;  // of one that must preempt

ServingSetup setup_on(double memory_bytes) {
  ServingSetup setup;
  setup.deployment = {.device = made_up_device(memory_bytes), .shape = made_up_shape(), .non_kv_bytes = 0.0};
  setup.limits = {.token_budget = 512, .max_sequences = 64, .max_tokens = 8192};
  return setup;
}

PolicyFootprint footprint_of(const std::string& policy) {
  return {Policy::parse(policy), made_up_shape(), nullptr, 1};
}

ServingResult serve_plainly(const ServingSetup& setup, const Workload& workload,
                            const std::string& policy = "full") {
  PolicyFootprint footprint = footprint_of(policy);
  return serve_plainly(setup, footprint, workload);
}

ServingResult serve_on_simgrid(const ServingSetup& setup, const Workload& workload,
                               const std::string& policy = "full") {
  PolicyFootprint footprint = footprint_of(policy);
  NoProgress progress;
  return serve(setup, footprint, workload, progress);
}

Workload random_workload(double rate, int requests = 300) {
  return load_workload("poisson:rate=" + std::to_string(rate) + ",requests=" + std::to_string(requests) +
                       ",input=lognormal(400,0.8),output=lognormal(60,0.7),max=4000,seed=3");
}

Workload lone_request(int input, int output) {
  Workload workload;
  workload.name = "one";
  workload.requests.push_back({.arrival = 0.0, .input_tokens = input, .output_tokens = output});
  return workload;
}

void expect_equal(const ServingResult& a, const ServingResult& b, double tolerance) {
  EXPECT_EQ(a.completed, b.completed);
  EXPECT_EQ(a.preemptions, b.preemptions);
  EXPECT_EQ(a.steps, b.steps);
  ASSERT_EQ(a.records.size(), b.records.size());
  for (size_t i = 0; i < a.records.size(); ++i) {
    EXPECT_NEAR(a.records[i].first_token, b.records[i].first_token, tolerance) << i;
    EXPECT_NEAR(a.records[i].last_token, b.records[i].last_token, tolerance) << i;
  }
}

TEST(Serving, ALoneRequestEqualsTheClosedForm) {
  const ServingSetup setup = setup_on(roomy);
  for (const char* policy : {"full", "razor:recent=64", "full+q8_0", "h2o:budget=128"}) {
    SCOPED_TRACE(policy);
    const ServingResult result = serve_plainly(setup, lone_request(1300, 40), policy);
    PolicyFootprint footprint = footprint_of(policy);
    const auto sequence = footprint.of_prompt(1300);
    const StepTimeModel model(setup.deployment.device, made_up_shape(), WeightType::bf16, 1);
    double seconds = 0.0;
    for (const auto& [done, chunk] : {std::pair(0, 512), std::pair(512, 512), std::pair(1024, 276)}) {
      StepWork work = {.prefill_tokens = chunk, .prefill_pairs = causal_pairs(done, chunk)};
      if (done + chunk == 1300) {
        work.logits_rows = 1;
        work.other_bytes = sequence->compression().bytes;
        work.other_operations = sequence->compression().operations;
      }
      seconds += model.step(work).total();
    }
    EXPECT_NEAR(result.records[0].first_token, seconds, 1e-12);
    for (int generated = 1; generated < 40; ++generated)
      seconds += model.step(decode_work(*sequence, 1300 + generated, 1)).total();
    EXPECT_NEAR(result.records[0].last_token, seconds, 1e-12);
  }
}

TEST(Serving, SimGridRunsWhatAPlainLoopRuns) {
  const ServingSetup setup = setup_on(tight);
  const Workload workload = random_workload(10000);
  const ServingResult plain = serve_plainly(setup, workload);
  EXPECT_GT(plain.preemptions, 0);
  expect_equal(serve_on_simgrid(setup, workload), plain, 1e-7);
}

TEST(Serving, SimGridRunsReplicasAsAPlainLoopDoes) {
  ServingSetup setup = setup_on(roomy);
  setup.engines = 3;
  setup.router = Router::least_outstanding;
  const Workload workload = random_workload(20000);
  expect_equal(serve_on_simgrid(setup, workload, "razor:recent=64+q8_0"),
               serve_plainly(setup, workload, "razor:recent=64+q8_0"), 1e-7);
}

TEST(Serving, LittlesLaw) {
  for (const double rate : {1000.0, 5000.0, 20000.0}) {
    const ServingResult result = serve_plainly(setup_on(roomy), random_workload(rate));
    double in_system = 0.0;
    for (const RequestRecord& record : result.records) in_system += record.e2e();
    EXPECT_NEAR(result.mean_running + result.mean_waiting, in_system / result.seconds, 1e-6 * in_system);
  }
}

TEST(Serving, WorkIsConserved) {
  const Workload workload = random_workload(10000);
  const ServingResult result = serve_plainly(setup_on(tight), workload, "h2o:budget=128");
  EXPECT_EQ(result.completed, workload.requests.size());
  double output = 0.0;
  for (const Request& request : workload.requests) output += request.output_tokens;
  EXPECT_NEAR(result.token_rate * result.seconds, output, 1e-6 * output);
  for (const RequestRecord& record : result.records) {
    EXPECT_LE(record.arrival, record.first_token);
    EXPECT_LE(record.first_token, record.last_token);
  }
}

TEST(Serving, NeverAboveTheRoofline) {
  const ServingResult result = serve_plainly(setup_on(roomy), random_workload(50000));
  EXPECT_LE(result.memory_utilisation, 1.0);
  EXPECT_LE(result.compute_utilisation, 1.0);
  EXPECT_LE(result.peak_kv_use, 1.0);
  EXPECT_GT(result.memory_utilisation + result.compute_utilisation, 0.15);
}

TEST(Serving, MoreBandwidthOrMemoryIsNeverSlower) {
  const Workload workload = random_workload(10000);
  double before = 1e9;
  for (const double bandwidth : {0.5e12, 1e12, 2e12, 8e12}) {
    ServingSetup setup = setup_on(roomy);
    setup.deployment.device.bandwidth = bandwidth;
    const double now = serve_plainly(setup, workload).e2e.mean;
    EXPECT_LE(now, before) << bandwidth;
    before = now;
  }
  before = 1e9;
  for (const double memory : {1.8e6, 2.5e6, 4e6, 1e8}) {
    const double now = serve_plainly(setup_on(memory), workload).e2e.mean;
    EXPECT_LE(now, before * 1.001) << memory;
    before = now;
  }
}

TEST(Serving, FewerBytesServeMoreWhereMemoryIsShort) {
  const Workload workload = random_workload(10000);
  const ServingResult full = serve_plainly(setup_on(tight), workload);
  const ServingResult coded = serve_plainly(setup_on(tight), workload, "full+q4_0");
  EXPECT_GT(full.preemptions, coded.preemptions);
  EXPECT_GT(full.ttft.mean, coded.ttft.mean);
}

TEST(Serving, SameSeedSameResult) {
  const ServingResult a = serve_plainly(setup_on(tight), random_workload(10000));
  const ServingResult b = serve_plainly(setup_on(tight), random_workload(10000));
  expect_equal(a, b, 0.0);
  EXPECT_EQ(a.itl.p99, b.itl.p99);
}

TEST(Serving, RequestsThatNeverFitAreRefusedAndTheOthersServed) {
  Workload workload = random_workload(10000, 20);
  workload.requests[7].input_tokens = 8000;
  workload.requests[9].input_tokens = 8191;
  workload.requests[9].output_tokens = 2;
  const ServingResult result = serve_plainly(setup_on(tight), workload);
  EXPECT_EQ(result.completed, 18U);
  ASSERT_EQ(result.refused.size(), 1U);
  EXPECT_EQ(result.refused.begin()->second, 2U);
  EXPECT_NE(result.refused.begin()->first.find("the pool has"), std::string::npos);
  EXPECT_FALSE(result.records[7].completed);
  expect_input_error([&] { serve_plainly(setup_on(tight), lone_request(8000, 10)); },
                     {"--workload", "no request can be served", "GB"});
  expect_input_error([&] { serve_plainly(setup_on(roomy), lone_request(8190, 10)); },
                     {"exceed the context of 8192"});
}

TEST(Serving, AModelThatDoesNotFitIsRefusedWithItsSum) {
  expect_input_error([] { serve_plainly(setup_on(1e5), random_workload(10)); },
                     {"made up", "does not fit", "--tp"});
}

TEST(Serving, PrefillAndDecodeApartShipTheCaches) {
  ServingSetup setup = setup_on(roomy);
  setup.prefill_engines = 1;
  setup.decode_engines = 2;
  const Workload workload = random_workload(5000, 200);
  const ServingResult apart = serve_on_simgrid(setup, workload);
  EXPECT_EQ(apart.completed, workload.requests.size());
  // Decode steps that no prompt interrupts: the longest gap is shorter than where one engine does both.
  const ServingResult together = serve_plainly(setup_on(roomy), workload);
  EXPECT_LT(apart.itl.p90, together.itl.p90);
}

TEST(Serving, ATransferTakesTheLinksTime) {
  ServingSetup setup = setup_on(roomy);
  setup.prefill_engines = 1;
  setup.decode_engines = 1;
  setup.deployment.device.link_bandwidth = 1e6;
  const Workload workload = lone_request(1024, 2);
  const ServingResult apart = serve_on_simgrid(setup, workload);
  const ServingResult together = serve_plainly(setup_on(roomy), workload);
  const double bytes = 2.0 * 2 * 1024 * 2 * 16 * 2;
  EXPECT_NEAR(apart.records[0].last_token - together.records[0].last_token, bytes / (0.7 * 1e6), 1e-3);
  EXPECT_NEAR(apart.records[0].first_token, together.records[0].first_token, 1e-9);
}

TEST(Serving, PromptsThatBeginAlikeAreComputedOnce) {
  Workload workload;
  workload.name = "alike";
  workload.hash_block_tokens = 512;
  for (int i = 0; i < 20; ++i) {
    workload.requests.push_back(
        {.arrival = 0.1 * i, .input_tokens = 1600, .output_tokens = 5, .prefix_hashes = {1, 2, 100 + i}});
  }
  ServingSetup setup = setup_on(roomy);
  setup.limits.hash_block_tokens = 512;
  const ServingResult without = serve_plainly(setup, workload);
  setup.limits.prefix_cache = true;
  const ServingResult with = serve_plainly(setup, workload);
  EXPECT_EQ(without.cached_tokens, 0);
  EXPECT_EQ(with.cached_tokens, 19 * 1024);
  EXPECT_LT(with.ttft.mean, 0.6 * without.ttft.mean);
  expect_input_error([&] { serve_plainly(setup, workload, "razor:recent=64"); },
                     {"--prefix-cache", "drops tokens"});
}

/// What a preempted sequence leaves is of use to it, and blocks stay within the pool.
TEST(Serving, PreemptedSequencesFindWhatIsLeft) {
  ServingSetup setup = setup_on(tight);
  const Workload workload = random_workload(10000);
  const ServingResult without = serve_plainly(setup, workload);
  setup.limits.prefix_cache = true;
  const ServingResult with = serve_plainly(setup, workload);
  EXPECT_EQ(with.completed, workload.requests.size());
  EXPECT_GT(with.cached_tokens, 0);
  EXPECT_LE(with.peak_kv_use, 1.0);
  EXPECT_LT(with.seconds, without.seconds * 1.001);
}

TEST(Serving, AbsurdSetupsAreRefused) {
  const auto with = [](auto change) {
    return [change] {
      ServingSetup setup = setup_on(roomy);
      change(setup);
      serve_plainly(setup, random_workload(10, 5));
    };
  };
  expect_input_error(with([](ServingSetup& s) { s.engines = 0; }), {"--replicas", "from 1"});
  expect_input_error(with([](ServingSetup& s) { s.limits.token_budget = 0; }), {"--token-budget"});
  expect_input_error(with([](ServingSetup& s) { s.deployment.utilisation = 1.5; }), {"--utilisation"});
  expect_input_error(with([](ServingSetup& s) { s.deployment.non_kv_bytes = -1.0; }), {"--non-kv"});
  expect_input_error([] { serve_plainly(setup_on(roomy), Workload{}); }, {"--workload"});
}

TEST(ServiceLevels, AreReadWithTheirUnits) {
  const ServiceLevel level = parse_service_level("ttft=2s,tpot=50ms,e2e=1.5min");
  EXPECT_DOUBLE_EQ(*level.ttft, 2.0);
  EXPECT_DOUBLE_EQ(*level.tpot, 0.05);
  EXPECT_DOUBLE_EQ(*level.e2e, 90.0);
  expect_input_error([] { parse_service_level("ttfp=2s"); }, {"--slo", "ttft"});
  expect_input_error([] { parse_service_level("ttft=2"); }, {"--slo", "ms, s or min"});
  expect_input_error([] { parse_service_level("ttft=-2s"); }, {"--slo"});
  expect_input_error([] { parse_service_level("ttft=2s,ttft=3s"); }, {"twice"});
}

TEST(ServingPercentiles, LieBetweenRanks) {
  std::vector<float> values = {4, 1, 3, 2, 5};
  const Percentiles p = percentiles(values);
  EXPECT_DOUBLE_EQ(p.mean, 3.0);
  EXPECT_DOUBLE_EQ(p.p50, 3.0);
  EXPECT_NEAR(p.p90, 4.6, 1e-6);
  EXPECT_DOUBLE_EQ(p.max, 5.0);
  std::vector<float> none;
  EXPECT_EQ(percentiles(none).p99, 0.0);
}

TEST(ServingTimeline, StaysBounded) {
  Timeline timeline;
  for (int i = 0; i < 2'000'000; ++i) {
    const double time = 0.06 * i;
    if (timeline.wants(time)) timeline.add({.time = time});
  }
  EXPECT_LT(timeline.points().size(), Timeline::most_points);
  EXPECT_GT(timeline.points().size(), Timeline::most_points / 3);
  for (size_t i = 1; i < timeline.points().size(); ++i)
    ASSERT_GT(timeline.points()[i].time, timeline.points()[i - 1].time);
}

}  // namespace
}  // namespace razorscope
