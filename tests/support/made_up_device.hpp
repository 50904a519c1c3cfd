#pragma once

#include "models/devices/device.hpp"
#include "models/language/shape.hpp"

namespace razorscope::testing {

/// Round figures, for sums by hand: 1 TB/s, 100 TFLOP/s in 16 bits, twice that in fp8.
inline Device made_up_device(double memory_bytes = 1e8) {
  Device device;
  device.name = "made up";
  device.memory_bytes = static_cast<int64_t>(memory_bytes);
  device.bandwidth = 1e12;
  device.bf16_peak = 1e14;
  device.fp8_peak = 2e14;
  device.link_bandwidth = 1e11;
  device.status = "vendor";
  device.attention = {{"bf16", {0.8, 10e-6, 50e-9, Calibration::calibrated}},
                      {"fp8", {0.6, 12e-6, 50e-9, Calibration::calibrated}}};
  device.gemm = {{"bf16", {1e-6, 0.5, 0.4, Calibration::calibrated}},
                 {"fp8", {2e-6, 0.5, 0.3, Calibration::calibrated}}};
  return device;
}

/// Two layers, four query heads on two KV heads of 16 channels.
inline Shape made_up_shape() {
  Shape shape;
  shape.architecture = "llama";
  shape.name = "made up";
  shape.layers = 2;
  shape.query_heads = 4;
  shape.kv_heads = 2;
  shape.head_size = 16;
  shape.hidden = 64;
  shape.feed_forward = 128;
  shape.vocabulary = 1000;
  shape.context = 8192;
  shape.rope.dimensions = 16;
  return shape;
}

}  // namespace razorscope::testing
