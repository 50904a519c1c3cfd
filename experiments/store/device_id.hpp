#pragma once

#include <cstdint>

#include "experiments/store/connection.hpp"
#include "models/devices/device.hpp"

namespace razorscope {

/// The device's row, made where its figures and constants are new. Internal to this folder; within a
/// transaction of the caller.
int64_t device_id(SQLite::Database& database, const Device& device);

}  // namespace razorscope
