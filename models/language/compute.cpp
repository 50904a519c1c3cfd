#include "models/language/compute.hpp"

#include <dnnl.h>

#include "models/base/error.hpp"
#include "models/language/onednn.hpp"

namespace razorscope {
bool has_instructions_for(Compute compute) {
  if (compute == Compute::f32) return true;
  prepare_onednn();
  // Sets of instructions are bit masks that include what they build on; AMX contains AVX512-BF16.
  constexpr unsigned needed = dnnl_cpu_isa_avx512_core_bf16;
  return (static_cast<unsigned>(dnnl_get_effective_cpu_isa()) & needed) == needed;
}

std::string_view compute_name(Compute compute) { return compute == Compute::bf16 ? "bf16" : "f32"; }

size_t bytes_per_weight(Compute compute) { return compute == Compute::bf16 ? 2 : 4; }

Compute compute_named(std::string_view where, std::string_view name) {
  if (name == "f32") return Compute::f32;
  if (name != "bf16") throw InputError(where, unknown_name("compute type", name, {"f32", "bf16"}));
  if (!has_instructions_for(Compute::bf16)) {
    throw InputError(where,
                     "bf16 needs a processor with AVX512-BF16, which this one is not (elsewhere it would be "
                     "slower than f32); allowed here: f32");
  }
  return Compute::bf16;
}

}  // namespace razorscope
