#pragma once

#include <string>
#include <vector>

namespace razorscope {

/// The words of a command, quoted for a shell where they need it.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace razorscope
