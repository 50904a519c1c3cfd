#pragma once

#include <cstdint>
#include <string>

#include "models/base/progress.hpp"
#include "models/devices/device.hpp"

namespace razorscope::cli {

struct CalibrationSettings {
  std::string name;  // of the device; "": the processor's
  int repeats = 9;
  uint64_t seed = 1;
};

/// Bytes that calibrate_device takes at the same time.
double calibration_bytes();

/// Measures this machine with the threads in use, as the step-time model sees a device: the memory's
/// bandwidth by reading more than caches hold, oneDNN's peak, decode attention by our kernels, products of
/// one row and of many. Everything is run in turn, so that a machine that drifts touches all alike,
/// and the fastest run counts. Where the machine was busy with something else, the note says so and the
/// constants are marked uncalibrated. InputError where the memory that is free does not do.
Device calibrate_device(const CalibrationSettings& settings, Progress& progress);

}  // namespace razorscope::cli
