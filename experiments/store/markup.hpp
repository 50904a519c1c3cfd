#pragma once

#include <string>

namespace razorscope {

/// Text as HTML and XML want it, in elements and in quoted attributes. Names come from files: control
/// characters, and of invalid UTF-8 all that is not ASCII, become '?'.
std::string escaped(const std::string& text);

}  // namespace razorscope
