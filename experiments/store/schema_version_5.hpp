#pragma once

namespace razorscope {

/// From schema version 4 to 5: sweeps, whose cells are the runs to be made. Internal to this folder.
extern const char* const schema_version_5;

}  // namespace razorscope
