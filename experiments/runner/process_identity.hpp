#pragma once

#include <cstdint>
#include <string>

namespace razorscope {

/// Which process of which machine, so that another one can tell whether it still runs.
struct ProcessIdentity {
  std::string host;
  int64_t pid = 0;
  std::string start;  // tells processes of one number apart, across restarts of the machine too
};

ProcessIdentity this_process();

/// Whether a process of this machine is known to be gone; false for one of another machine.
bool is_gone(const ProcessIdentity& process);

}  // namespace razorscope
