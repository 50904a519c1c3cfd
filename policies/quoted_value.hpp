#pragma once

#include <string>

namespace razorscope {

/// A parameter's value as the grammar of policies wants it: in quotation marks where it would not read back
/// as itself without.
std::string quoted_value(const std::string& value);

}  // namespace razorscope
