// Recorded caches on a simulated device: bytes are the ledgers', times the step-time model's, memory is
// watched exactly. SimGrid runs one simulation a process: each case is a process of its own under CTest.
#include "sim/device_replay/device_replay.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "sim/device_replay/deployed_cache.hpp"
#include "sim/replay/replay.hpp"
#include "sim/serving/plan.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/made_up_device.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::made_up_device;
using testing::made_up_shape;

constexpr int prefix = 150;
constexpr int steps = 37;
const char* const policies =
    "full;full+q8_0;full+k=q8_0+v=f16;window:recent=40;window:recent=40+q4_0:residual=16;h2o:budget=64+q8_0;"
    "snapkv:budget=64;razor:recent=40;tova:budget=50";

/// Replayed once for a test: a random trace of made_up_shape().
std::vector<ReplayResult> replayed(const std::string& list, bool want_footprints = true, int head_size = 16) {
  testing::TraceOptions options;
  options.layers = 2;
  options.kv_heads = 2;
  options.head_size = head_size;
  options.tokens = prefix + steps;
  HeadScores& probe = options.probe.emplace();
  probe.layers = options.layers;
  probe.query_heads = options.query_heads();
  probe.kv_heads = options.kv_heads;
  probe.induction = {0.9, 0.1, 0.2, 0.1, 0.1, 0.2, 0.1, 0.1};
  probe.echo = probe.induction;
  const testing::TemporaryFolder folder;
  const testing::PlainTrace plain(options);
  const Trace trace = plain.write(folder / "trace.safetensors");
  NoProgress progress;
  return replay(trace,
                {.prefix = prefix,
                 .steps = steps,
                 .policies = Policy::parse_list(list),
                 .want_footprints = want_footprints},
                progress);
}

std::vector<std::shared_ptr<const ReplayFootprints>> footprints(const std::vector<ReplayResult>& results) {
  std::vector<std::shared_ptr<const ReplayFootprints>> out;
  for (const ReplayResult& result : results) out.push_back(result.footprints);
  return out;
}

DeviceReplayRequest request_on(const Device& device) {
  DeviceReplayRequest request;
  request.deployment = {.device = device, .shape = made_up_shape(), .non_kv_bytes = 0.0};
  request.token_budget = 64;
  return request;
}

std::vector<DeviceReplayResult> simulated(const DeviceReplayRequest& request, const std::string& list) {
  NoProgress progress;
  return device_replay(request, footprints(replayed(list)), progress);
}

/// A device on which the KV pool is so many bytes.
DeviceReplayRequest with_pool(double bytes) {
  DeviceReplayRequest request = request_on(made_up_device(1e9));
  request.deployment.utilisation = 1.0;
  request.deployment.non_kv_bytes = 1e9 - weight_memory_bytes(made_up_shape(), WeightType::bf16, 1) - bytes;
  return request;
}

TEST(ReplayFootprintsOf, EveryPolicySumToItsLedgers) {
  for (const ReplayResult& result : replayed(policies)) {
    const ReplayFootprints& recorded = *result.footprints;
    ASSERT_EQ(recorded.policy, result.policy);
    size_t compressed = 0;
    size_t read = 0;
    size_t at_end = 0;
    double tokens = 0.0;
    for (int layer = 0; layer < recorded.layers; ++layer) {
      for (int head = 0; head < recorded.heads; ++head) {
        compressed += recorded.at(layer, 0, head).held;
        read += recorded.at(layer, 0, head).read();
        tokens += recorded.at(layer, 0, head).tokens;
        at_end += recorded.at(layer, steps, head).held;
      }
    }
    EXPECT_EQ(compressed, result.compressed.physical()) << result.policy;
    EXPECT_EQ(read, result.compressed.rows()) << result.policy;
    EXPECT_EQ(at_end, result.at_end.physical()) << result.policy;
    EXPECT_DOUBLE_EQ(tokens / 4, result.kept_tokens_mean) << result.policy;
  }
}

TEST(ReplayFootprintsOf, NobodyWhoDidNotAsk) {
  EXPECT_EQ(replayed("full", false).front().footprints, nullptr);
}

TEST(DeviceReplay, HoldsAndReadsWhatTheLedgersSay) {
  const std::vector<ReplayResult> results = replayed(policies);
  DeviceReplayRequest request = request_on(made_up_device());
  request.sequences = 3;
  NoProgress progress;
  const std::vector<DeviceReplayResult> on_device = device_replay(request, footprints(results), progress);
  ASSERT_EQ(on_device.size(), results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const DeviceReplayResult& result = on_device[i];
    const ReplayFootprints& recorded = *results[i].footprints;
    EXPECT_EQ(result.policy, results[i].policy);
    EXPECT_EQ(result.end_kv_bytes, 3.0 * static_cast<double>(results[i].at_end.physical())) << result.policy;
    EXPECT_EQ(result.occupancy.back().kv_bytes, result.end_kv_bytes) << result.policy;
    double read = 0.0;
    for (int layer = 0; layer < recorded.layers; ++layer) {
      for (int step = 1; step <= steps; ++step) {
        for (int head = 0; head < recorded.heads; ++head) {
          const HeadFootprint& now = recorded.at(layer, step, head);
          read += static_cast<double>(now.read() + now.scores);
        }
      }
    }
    EXPECT_NEAR(result.read_per_step.total(), 3.0 * read / steps, 1e-9 * read) << result.policy;
    double latest = 0.0;
    double largest = 0.0;
    for (const OccupancyPoint& point : result.occupancy) {
      EXPECT_GE(point.kv_bytes, 0.0) << result.policy;
      EXPECT_GE(point.seconds, latest) << result.policy;
      latest = point.seconds;
      largest = std::max(largest, point.kv_bytes);
    }
    EXPECT_EQ(largest, result.peak_kv_bytes) << result.policy;
    EXPECT_FALSE(result.overflow) << result.policy;
  }
}

/// Streams share the memory, but none of its time is lost: sums over layers are the model's whole step.
TEST(DeviceReplay, StepsTakeWhatTheStepTimeModelSays) {
  const std::vector<ReplayResult> results = replayed(policies);
  DeviceReplayRequest request = request_on(made_up_device());
  request.sequences = 2;
  NoProgress progress;
  const StepTimeModel model(request.deployment.device, made_up_shape(), WeightType::bf16, 1);
  const std::vector<DeviceReplayResult> on_device = device_replay(request, footprints(results), progress);
  double prefill = 0.0;
  for (const int done : {0, 64, 128}) {
    StepWork chunk;
    chunk.prefill_tokens = std::min(64, prefix - done);
    chunk.prefill_pairs = causal_pairs(done, chunk.prefill_tokens);
    chunk.logits_rows = done == 128 ? 1 : 0;
    prefill += 2.0 * model.step(chunk).total();
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const DeployedCache cache(*results[i].footprints, made_up_shape(), 0);
    ASSERT_EQ(on_device[i].decode_seconds.size(), static_cast<size_t>(steps));
    for (int step = 1; step <= steps; ++step) {
      CacheTraffic read;
      for (int layer = 0; layer < cache.layers(); ++layer) read += cache.read(step, layer) * 2.0;
      StepWork work;
      work.decode_sequences = work.logits_rows = 2;
      work.kv_bytes = read.wide + read.residual + read.compensation;
      work.coded_kv_bytes = read.coded;
      work.other_bytes = read.scores;
      const double expected = model.step(work).total();
      EXPECT_NEAR(on_device[i].decode_seconds[static_cast<size_t>(step - 1)], expected, 0.01 * expected)
          << results[i].policy << ", step " << step;
    }
    EXPECT_NEAR(on_device[i].prefill_seconds, prefill, 0.01 * prefill) << results[i].policy;
  }
}

TEST(DeviceReplay, TheFirstTokenWithoutRoomIsFoundInDecode) {
  const std::vector<ReplayResult> results = replayed("full");
  const DeployedCache cache(*results.front().footprints, made_up_shape(), 0);
  // Room for exactly what step 5 holds: the next larger cache is too large.
  int first_larger = 6;
  while (cache.held(first_larger) <= cache.held(5)) ++first_larger;
  NoProgress progress;
  const DeviceReplayResult result =
      device_replay(with_pool(cache.held(5) + 1.0), footprints(results), progress).front();
  ASSERT_TRUE(result.overflow);
  EXPECT_EQ(result.overflow->phase, DevicePhase::decode);
  EXPECT_EQ(result.overflow->token, prefix + first_larger);
}

TEST(DeviceReplay, TheFirstTokenWithoutRoomIsFoundInAPrompt) {
  // Room for 112 of the third prompt's 160 slots: token 113 needs the next block of 16.
  const std::vector<ReplayResult> results = replayed("full");
  const auto prompt = static_cast<double>(results.front().compressed.physical());
  DeviceReplayRequest request = with_pool(prompt * (2.0 + 112.0 / 160.0) + 1.0);
  request.sequences = 3;
  NoProgress progress;
  const DeviceReplayResult result = device_replay(request, footprints(results), progress).front();
  ASSERT_TRUE(result.overflow);
  EXPECT_EQ(result.overflow->phase, DevicePhase::prefill);
  EXPECT_EQ(result.overflow->sequence, 2);
  EXPECT_EQ(result.overflow->token, 113);
}

/// The exact rows of all layers are there, and the first layer's compressed ones beside them.
TEST(DeviceReplay, ThePeakIsInTheCompressionOfTheFirstLayer) {
  const std::vector<ReplayResult> results = replayed("window:recent=40");
  const DeployedCache cache(*results.front().footprints, made_up_shape(), 0);
  const double peak = 160 * 2.0 * 2 * 16 * 2 * 2 + cache.compressed(0);
  NoProgress progress;
  const DeviceReplayResult result =
      device_replay(with_pool(peak - 1.0), footprints(results), progress).front();
  EXPECT_EQ(result.peak_kv_bytes, peak);
  EXPECT_EQ(result.peak.phase, DevicePhase::compression);
  EXPECT_EQ(result.peak.layer, 0);
  ASSERT_TRUE(result.overflow);
  EXPECT_EQ(result.overflow->phase, DevicePhase::compression);
}

TEST(DeviceReplay, RoomForThePeakIsRoomEnough) {
  const std::vector<ReplayResult> results = replayed("window:recent=40");
  const DeployedCache cache(*results.front().footprints, made_up_shape(), 0);
  const double peak = 160 * 2.0 * 2 * 16 * 2 * 2 + cache.compressed(0);
  NoProgress progress;
  EXPECT_FALSE(device_replay(with_pool(peak + 1.0), footprints(results), progress).front().overflow);
}

TEST(DeviceReplay, EventsOfAThreadAreApart) {
  const DeviceReplayResult result = simulated(request_on(made_up_device()), "window:recent=40").front();
  EXPECT_EQ(result.detail, EventDetail::layers);
  std::map<StreamKind, double> end;
  double weights = 0.0;
  for (const DeviceEvent& event : result.events) {
    EXPECT_GE(event.seconds, 0.0);
    EXPECT_GE(event.start, end[event.kind]);
    end[event.kind] = event.start + event.seconds;
    if (event.phase == DevicePhase::decode && event.kind == StreamKind::weights) weights += event.bytes;
  }
  EXPECT_NEAR(weights, steps * result.weights_read_per_step, 1e-6 * weights);
}

/// Two simulations, so two processes: each compares with the same model of half the bandwidth.
TEST(DeviceReplay, MoreBandwidthIsNeverSlower) {
  const std::vector<std::shared_ptr<const ReplayFootprints>> recorded = footprints(replayed(policies));
  const StepTimeModel slow(made_up_device(), made_up_shape(), WeightType::bf16, 1);
  const testing::TemporaryFolder folder;
  std::vector<std::vector<double>> seconds;
  for (const double factor : {1.0, 1.5, 4.0}) {
    const std::filesystem::path path = folder / std::to_string(factor);
    const pid_t child = testing::start_child([&] {
      Device device = made_up_device();
      device.bandwidth *= factor;
      NoProgress progress;
      std::ofstream out(path);
      out.precision(17);
      for (const DeviceReplayResult& result : device_replay(request_on(device), recorded, progress))
        out << result.seconds << ' ' << result.decode_mean() << ' ' << result.compression_seconds << '\n';
    });
    ASSERT_TRUE(testing::succeeded(child));
    std::ifstream in(path);
    std::vector<double>& of_device = seconds.emplace_back();
    for (double value = 0.0; in >> value;) of_device.push_back(value);
    ASSERT_EQ(of_device.size(), 3 * recorded.size());
  }
  for (size_t faster = 1; faster < seconds.size(); ++faster) {
    for (size_t i = 0; i < seconds[faster].size(); ++i)
      EXPECT_LE(seconds[faster][i], seconds[faster - 1][i] + 1e-9) << i;
  }
}

RC_GTEST_PROP(LayerTaskTimes, NeverGrowWithBandwidth, ()) {
  Device device = made_up_device();
  LayerTasks slow(device, made_up_shape(), WeightType::bf16);
  device.bandwidth *= 1.0 + 0.1 * *rc::gen::inRange(1, 100);
  LayerTasks fast(device, made_up_shape(), WeightType::bf16);
  const auto bytes = [] { return static_cast<double>(*rc::gen::inRange(0, 1 << 26)); };
  const CacheTraffic read = {bytes(), bytes(), bytes(), bytes(), bytes()};
  const int sequences = *rc::gen::inRange(1, 400);
  RC_ASSERT(fast.decode(2, sequences, read).seconds() <= slow.decode(2, sequences, read).seconds() + 1e-12);
  const int tokens = *rc::gen::inRange(1, 4000);
  RC_ASSERT(fast.prefill(2, tokens, 100.0 * tokens).seconds() <=
            slow.prefill(2, tokens, 100.0 * tokens).seconds() + 1e-12);
  const LayerCompression pass = {bytes(), bytes(), 1000.0 * bytes()};
  RC_ASSERT(fast.compression(pass).seconds() <= slow.compression(pass).seconds() + 1e-12);
}

TEST(DeployedCacheOf, AnotherShapeTakesHeadsInTurn) {
  Shape shape = made_up_shape();
  shape.layers = 5;
  shape.kv_heads = 3;
  shape.query_heads = 6;
  shape.head_size = 64;
  for (const ReplayResult& result : replayed("full;window:recent=40;full+q8_0", true, 32)) {
    const ReplayFootprints& recorded = *result.footprints;
    const DeployedCache cache(recorded, shape, 0);
    const bool coded = result.policy.find("q8_0") != std::string::npos;
    for (int layer = 0; layer < shape.layers; ++layer) {
      double expected = 0.0;
      for (int head = 0; head < shape.kv_heads; ++head)
        expected += recorded.at(layer % 2, steps, head % 2).tokens;
      // 64 elements of K and of V: 2 bytes each, or two blocks of 34 bytes.
      expected *= coded ? 2.0 * 2 * 34 : 2.0 * 64 * 2;
      EXPECT_NEAR(cache.read(steps, layer).total(), expected, 1e-6 * expected) << result.policy;
    }
  }
}

TEST(DeployedCacheOf, ALongerPromptKeepsItsShare) {
  const std::vector<ReplayResult> results = replayed("full;window:recent=40");
  for (const ReplayResult& result : results) {
    const ReplayFootprints& recorded = *result.footprints;
    const DeployedCache cache(recorded, made_up_shape(), 10 * prefix);
    const double kept = recorded.at(0, 0, 0).tokens;
    const double grown = recorded.at(0, steps, 0).tokens - kept;
    const double expected = (10 * kept + grown) * 2 * 2 * 16 * 2;  // K and V of two heads
    EXPECT_NEAR(cache.read(steps, 0).total(), expected, 1e-6 * expected) << result.policy;
  }
}

TEST(DeviceReplay, SaysWhatIsWrong) {
  const std::vector<ReplayResult> results = replayed("full");
  NoProgress progress;
  DeviceReplayRequest request = request_on(made_up_device());
  request.sequences = 0;
  expect_input_error([&] { check_device_replay(request); }, {"--sequences", "0"});
  request.sequences = 1 << 22;
  expect_input_error([&] { device_replay(request, footprints(results), progress); },
                     {"--sequences", "steps"});
  request.sequences = 1;
  request.token_budget = 0;
  expect_input_error([&] { check_device_replay(request); }, {"--token-budget", "0"});
  request = request_on(made_up_device());
  request.deployment.shape.feed_forward = 0;
  expect_input_error([&] { check_device_replay(request); }, {"--as", "made up", "feed_forward"});
  request = request_on(made_up_device(1000));
  expect_input_error([&] { check_device_replay(request); }, {"does not fit"});
}

}  // namespace
}  // namespace razorscope
