// Plans against sums that anybody can do by hand.
#include "sim/serving/plan.hpp"

#include <gtest/gtest.h>

#include "models/devices/catalogue.hpp"
#include "models/language/shape_catalogue.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/made_up_device.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;

PlanRow plan_on(const char* device, const char* model, int tp, const char* policy,
                const PlanRequest& request) {
  const Deployment deployment = {
      .device = DeviceCatalogue::built_in().find("", device), .shape = find_shape("", model), .tp = tp};
  PolicyFootprint footprint(Policy::parse(policy), deployment.shape, nullptr, tp);
  return plan(deployment, footprint, request);
}

/// 64 GiB x .9 = 61.85 GB a device; 141.1 GB of weights over 8: 17.64; 1.24 beside them: 42.97 for KV. A
/// token takes 2 x 80 layers x 1 KV head x 128 x 2 bytes = 40,960 of a device: 131,328 tokens 5.379 GB: 7
/// sequences. razor keeps 96 of 640 heads whole and a fifth in the others: .15 + .85 x .2 = .32 of that, 24
/// without the imbalance of the most loaded rank.
TEST(Plan, SeventyBillionOnEightNpus) {
  const PlanRequest request = {.context = 131072, .output = 256};
  const PlanRow full = plan_on("Ascend 910B2", "llama-3.1-70b", 8, "full", request);
  EXPECT_EQ(full.max_batch, 7);
  EXPECT_NEAR(full.weights_bytes, 141.1e9, 0.1e9);
  EXPECT_NEAR(full.kv_bytes_per_sequence, 131328.0 * 327680, 1.0);
  EXPECT_NEAR(full.pool_bytes, 42.97e9, 0.02e9);
  EXPECT_EQ(full.calibration, Calibration::uncalibrated);
  const PlanRow razor = plan_on("Ascend 910B2", "llama-3.1-70b", 8, "razor", request);
  EXPECT_GE(razor.max_batch, 22);
  EXPECT_LE(razor.max_batch, 24);
  EXPECT_NEAR(razor.kv_bytes_per_sequence / full.kv_bytes_per_sequence, 0.32, 0.005);
  EXPECT_TRUE(razor.assumes_heads);
}

/// What vLLM reported: 2588 blocks of 16 tokens.
TEST(Plan, BlocksOfAMeasuredEngine) {
  EXPECT_NEAR(static_cast<double>(
                  plan_on("RTX 4090", "llama-3.1-8b", 1, "full", {.context = 1000, .output = 100}).kv_blocks),
              2588, 26);
}

TEST(Plan, LargestContextIsTheLastThatFits) {
  const Deployment deployment = {
      .device = testing::made_up_device(3e6), .shape = testing::made_up_shape(), .non_kv_bytes = 0.0};
  for (const char* policy : {"full", "full+q8_0", "razor:recent=64", "window:recent=100", "h2o:budget=0.5"}) {
    SCOPED_TRACE(policy);
    PolicyFootprint footprint(Policy::parse(policy), deployment.shape, nullptr, 1);
    PlanRequest request = {.context = 100, .output = 16, .batch = 3};
    const PlanRow row = plan(deployment, footprint, request);
    const auto bytes = [&](int64_t context) {
      const auto prompt = static_cast<int>(context);
      return 3.0 * static_cast<double>(footprint.of_prompt(prompt)->held_bytes(prompt + 16));
    };
    EXPECT_LE(bytes(row.max_context), row.pool_bytes);
    if (row.max_context < (1 << 28) - 1) {
      EXPECT_GT(bytes(row.max_context + 1), row.pool_bytes);
    }
    EXPECT_TRUE(row.fits);
  }
}

TEST(Plan, TheLastPromptIsStillWhole) {
  const PlanRow row = plan_on("H100 SXM", "llama-3.1-8b", 1, "razor", {.context = 100000, .output = 100});
  EXPECT_LT(row.max_batch_admitting, row.max_batch);
  const PlanRow full = plan_on("H100 SXM", "llama-3.1-8b", 1, "full", {.context = 100000, .output = 100});
  EXPECT_EQ(full.max_batch_admitting, full.max_batch);
}

TEST(Plan, AbsurdRequestsAreRefused) {
  expect_input_error([] { plan_on("H100 SXM", "llama-3.1-8b", 1, "full", {.context = 0, .output = 1}); },
                     {"--context", "from 1"});
  expect_input_error([] { plan_on("H100 SXM", "llama-3.1-8b", 1, "full", {.context = 10, .output = -1}); },
                     {"--output"});
  expect_input_error([] { plan_on("L4", "llama-3.1-70b", 1, "full", {.context = 10, .output = 1}); },
                     {"L4", "does not fit", "141"});
  expect_input_error([] { plan_on("H100 SXM", "llama-3.1-8b", 5, "full", {.context = 10, .output = 1}); },
                     {"--tp", "5 ranks"});
}

}  // namespace
}  // namespace razorscope
