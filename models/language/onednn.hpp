#pragma once

namespace razorscope {

/// To be called before anything else of oneDNN: keeps it from AMX, on which Debian's oneDNN 2.6 was seen to end
/// with an illegal instruction in a virtual machine, and to make a row's sums depend on how many rows are
/// multiplied with it. A lower limit that the user sets (ONEDNN_MAX_CPU_ISA) stands. Cheap from the second call on.
void prepare_onednn();

}  // namespace razorscope
