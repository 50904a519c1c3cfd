#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/language/transformer.hpp"
#include "sim/closed_loop/compressed_context.hpp"

namespace razorscope {

/// How likely an answer is.
struct AnswerScore {
  bool greedy = true;  // each token is the model's most likely one
  double nll = 0.0;    // of the whole answer, nats
};

/// Asks every policy of a compressed context a question (at least one token) and scores an answer (likewise),
/// teacher-forced, on a fork: the context stays as it is. In the order of the policies.
std::vector<AnswerScore> score_answer(const Transformer& transformer, const CompressedContext& context,
                                      std::span<const int32_t> question, std::span<const int32_t> answer);

}  // namespace razorscope
