#pragma once

namespace razorscope {

/// From schema version 2 to 3: devices, what is simulated on them (serving runs with timelines, plans), and
/// searches for the highest rate. Internal to this folder.
extern const char* const schema_version_3;

}  // namespace razorscope
