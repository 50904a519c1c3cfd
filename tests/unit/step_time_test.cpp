// The step-time model against sums written out by hand, and what must hold whatever the figures are.
#include "models/devices/step_time.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/expect_input_error.hpp"
#include "tests/support/made_up_device.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::made_up_device;
using testing::made_up_shape;

StepWork any_work() {
  StepWork work;
  work.prefill_tokens = *rc::gen::inRange(0, 5000);
  work.prefill_pairs = work.prefill_tokens * static_cast<double>(*rc::gen::inRange(1, 100000));
  work.decode_sequences = *rc::gen::inRange(0, 300);
  work.kv_bytes = work.decode_sequences * static_cast<double>(*rc::gen::inRange(0, 1 << 28));
  work.coded_kv_bytes = work.decode_sequences * static_cast<double>(*rc::gen::inRange(0, 1 << 28));
  work.logits_rows = *rc::gen::inRange(0, 300);
  work.other_bytes = *rc::gen::inRange(0, 1 << 30);
  return work;
}

TEST(StepTime, DecodeStepByHand) {
  const StepTimeModel model(made_up_device(), made_up_shape(), WeightType::bf16, 1);
  StepWork work;
  work.decode_sequences = work.logits_rows = 2;
  work.kv_bytes = 1e9;
  const StepTime time = model.step(work);
  // Layers: qkv 64 x 128, o 64 x 64, gate+up 64 x 256, down 128 x 64; head 64 x 1000; 2 bytes a weight at
  // half of 1e12 bytes/s. Two rows are nowhere near the peak.
  const double layer = 64.0 * 128 + 64.0 * 64 + 64.0 * 256 + 128.0 * 64;
  const double products = 2 * 4 * 1e-6 + 1e-6 + (2 * layer + 64.0 * 1000) * 2 / (0.5 * 1e12);
  EXPECT_NEAR(time.weights, products, 1e-15);
  EXPECT_NEAR(time.decode_attention, 2 * (10e-6 + 2 * 50e-9) + 1e9 / (0.8 * 1e12), 1e-12);
  EXPECT_EQ(time.prefill_attention, 0.0);
  EXPECT_EQ(time.all_reduce, 0.0);
}

TEST(StepTime, PrefillIsBoundByArithmetic) {
  const StepTimeModel model(made_up_device(), made_up_shape(), WeightType::bf16, 1);
  StepWork work;
  work.prefill_tokens = 4000;
  work.prefill_pairs = 4000.0 * 4001 / 2;
  const double layer = 64.0 * 128 + 64.0 * 64 + 64.0 * 256 + 128.0 * 64;
  const StepTime time = model.step(work);
  EXPECT_NEAR(time.weights, 2 * 4 * 1e-6 + 2 * 2.0 * 4000 * layer / (0.4 * 1e14), 1e-12);
  EXPECT_NEAR(time.prefill_attention, 2 * 4.0 * 64 * work.prefill_pairs / (0.45 * 1e14), 1e-12);
}

TEST(StepTime, RanksShareWeightsAndReduceTwiceALayer) {
  const StepTimeModel model(made_up_device(), made_up_shape(), WeightType::bf16, 2);
  StepWork work;
  work.decode_sequences = 10;
  const double reduce = 8e-6 + 2.0 * 1 / 2 * 10 * 64 * 2 / (0.7 * 1e11);
  EXPECT_NEAR(model.step(work).all_reduce, 2 * 2 * reduce, 1e-12);
  EXPECT_LT(weight_memory_bytes(made_up_shape(), WeightType::bf16, 2),
            weight_memory_bytes(made_up_shape(), WeightType::bf16, 1));
}

TEST(StepTime, WeightsThatTheDeviceCannotMultiplyAreWidened) {
  Device device = made_up_device();
  device.fp8_peak.reset();
  EXPECT_EQ(StepTimeModel(device, made_up_shape(), WeightType::fp8, 1).peak(), device.bf16_peak);
  EXPECT_EQ(StepTimeModel(device, made_up_shape(), WeightType::int4, 1).calibration(false),
            Calibration::borrowed);
  EXPECT_EQ(StepTimeModel(made_up_device(), made_up_shape(), WeightType::fp8, 1).peak(), 2e14);
}

TEST(StepTime, RanksMustShareHeadsEvenly) {
  expect_input_error([] { StepTimeModel(made_up_device(), made_up_shape(), WeightType::bf16, 3); },
                     {"--tp", "3 ranks", "4 query heads"});
}

/// What simulators run is what the sum says.
RC_GTEST_PROP(StepTimeProperty, PartsForSimulatorsAddUp, ()) {
  const StepTimeModel model(made_up_device(), made_up_shape(), WeightType::fp8, *rc::gen::element(1, 2, 4));
  const StepTime time = model.step(any_work());
  RC_ASSERT(time.memory_bound.memory >= time.memory_bound.compute);
  RC_ASSERT(time.compute_bound.compute >= time.compute_bound.memory);
  const double parts = time.fixed + time.memory_bound.memory + time.compute_bound.compute;
  RC_ASSERT(std::abs(parts - time.total()) <= 1e-9 * time.total());
}

RC_GTEST_PROP(StepTimeProperty, NeverFasterThanTheRoofline, ()) {
  const Device device = made_up_device();
  const StepTimeModel model(device, made_up_shape(), WeightType::bf16, 1);
  const StepWork work = any_work();
  const double bytes = work.kv_bytes + work.coded_kv_bytes;
  RC_ASSERT(model.step(work).total() >= bytes / device.bandwidth);
}

RC_GTEST_PROP(StepTimeProperty, MoreBandwidthIsNeverSlower, ()) {
  Device faster = made_up_device();
  faster.bandwidth *= 1.0 + *rc::gen::inRange(1, 1000) / 100.0;
  const StepWork work = any_work();
  RC_ASSERT(StepTimeModel(faster, made_up_shape(), WeightType::bf16, 1).step(work).total() <=
            StepTimeModel(made_up_device(), made_up_shape(), WeightType::bf16, 1).step(work).total());
}

}  // namespace
}  // namespace razorscope
