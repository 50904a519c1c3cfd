#pragma once

#include <cstddef>
#include <string_view>

namespace razorscope {

/// Arithmetic of the products with weights. bf16 rounds weights and their inputs to 8 significant bits and
/// sums in f32. All else is f32 under both: norms, attention, softmax, the KV cache.
enum class Compute { f32, bf16 };

std::string_view compute_name(Compute compute);
size_t bytes_per_weight(Compute compute);

/// Whether this processor has instructions for its products: always so for f32.
bool has_instructions_for(Compute compute);

/// InputError in the name of `where` for an unknown name, and for bf16 on a processor without instructions
/// for it: there oneDNN emulates it at a third of f32's speed, or lacks it.
Compute compute_named(std::string_view where, std::string_view name);

}  // namespace razorscope
