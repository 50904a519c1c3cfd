#pragma once

namespace razorscope {

/// From schema version 3 to 4: views that answer the usual questions under plain names, and tables that make
/// room for them. Internal to this folder.
extern const char* const schema_version_4;

}  // namespace razorscope
