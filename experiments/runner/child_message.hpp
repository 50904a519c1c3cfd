#pragma once

#include <string>

namespace razorscope {

struct ChildExit;

/// What a child of this program said last on stderr, without the program's name before it; how it ended where
/// it said nothing.
std::string child_message(const ChildExit& exit);

}  // namespace razorscope
