#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "sim/closed_loop/compressed_context.hpp"

namespace razorscope {

struct GenerationSettings {
  int tokens = 64;           // at most
  double temperature = 0.0;  // 0: the most likely token each time
  int top_k = 40;            // above temperature 0: drawn from so many of the most likely tokens
  uint64_t seed = 1;
};

/// Continues a prompt whose cache was compressed under the context's first policy. The context holds the
/// prompt but its last token, which is read first here. Ends early after `eos` (-1: none) or where
/// `on_token`, told each new token, returns false. Returns the new tokens, without eos.
std::vector<int32_t> generate(const Transformer& transformer, CompressedContext& context, int32_t last_token,
                              int32_t eos, const GenerationSettings& settings,
                              const std::function<bool(int32_t token)>& on_token);

}  // namespace razorscope
