#pragma once

namespace razorscope {

/// From schema version 1 to 2: closed-loop evaluations and retrieval tasks beside replays. Internal to this
/// folder.
extern const char* const schema_version_2;

}  // namespace razorscope
