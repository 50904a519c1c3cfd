#pragma once

namespace razorscope {

/// From schema version 5 to 6: what the model attended to in a text that is explained. Internal to this
/// folder.
extern const char* const schema_version_6;

}  // namespace razorscope
