#include "models/language/onednn.hpp"

#include <cstdlib>
#include <dnnl.h>
#include <mutex>

namespace razorscope {

void prepare_onednn() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Setting it would override the user's; and asking oneDNN for what is in effect would fix that for good.
    if (std::getenv("ONEDNN_MAX_CPU_ISA") != nullptr || std::getenv("DNNL_MAX_CPU_ISA") != nullptr) return;
    dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16);  // where it was built without the choice: as it is
  });
}

}  // namespace razorscope
