#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// Which implementation of the kernels runs. `scalar` is the readable twin in double precision; the others
/// come from one Highway source, and avx512-bf16 adds that instruction set's dot products for bf16 rows.
enum class Target { scalar, avx2, avx512, avx512_bf16 };

std::string_view target_name(Target target);

/// Targets that this build contains and this processor can run, slowest first.
std::vector<Target> available_targets();

/// The target in use: the one forced, else RAZORSCOPE_TARGET, else the best available. Decided once per
/// process. Throws InputError where RAZORSCOPE_TARGET names none of the available ones.
Target active_target();

/// Forces a target by name for the rest of the process; InputError where it is unknown or cannot run here.
void force_target(std::string_view name);

}  // namespace razorscope
