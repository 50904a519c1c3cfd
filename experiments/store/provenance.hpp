#pragma once

#include <string>

#include "models/language/compute.hpp"

namespace razorscope {

/// What computed a result: stored with every run, so that two numbers that differ can be told apart.
struct Provenance {
  std::string program_version;
  std::string
      commit;  // of git, "-dirty" behind it where tracked files had changed; "unknown" outside a repository
  std::string cpu;      // the processor's name
  std::string target;   // kernels in use: scalar, avx2, avx512
  std::string compute;  // arithmetic of the products with weights: f32, bf16
  int threads = 0;
  std::string os;  // distribution, kernel and architecture; never the host's name

  bool operator==(const Provenance&) const = default;
};

/// This program, on this machine, as it would compute now with such products. InputError where
/// RAZORSCOPE_TARGET names no kernel target.
Provenance current_provenance(Compute compute);

/// Now in UTC, to the second: "2025-01-31T12:00:00Z".
std::string utc_now();

}  // namespace razorscope
