#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "models/language/tokenizer.hpp"
#include "models/language/transformer.hpp"
#include "models/trace/head_scores.hpp"
#include "policies/cache/byte_ledger.hpp"
#include "policies/policy.hpp"
#include "sim/closed_loop/bootstrap.hpp"

namespace razorscope {

/// What a retrieval task asks: facts are hidden in a text, the context is compressed, then questions come.
struct TaskSettings {
  std::string task;  // needle: one fact a context; multi-query: many facts, many questions of one context
  std::vector<int> lengths;  // tokens of a context, facts included
  int depths = 10;           // needle: places per length, evenly from the front to the end
  int facts = 10;            // needle: facts tried at each place; multi-query: facts in a context
  int contexts = 1;          // multi-query: contexts per length, each with facts of its own
  bool query_aware = false;  // the question is part of what is compressed: not what a deployed cache sees
  uint64_t seed = 1;         // of facts and of where the text is cut
};

/// One question.
struct TaskAnswer {
  int length = 0;      // tokens of the context
  double depth = 0.0;  // of the fact: 0 at the front, 1 at the end
  bool correct = false;
  double nll = 0.0;  // mean over the answer's tokens, nats
};

/// One policy on a task.
struct TaskResult {
  Policy policy;  // as asked for; where sizes are solved, each length has its own
  int n = 0;      // questions
  int correct = 0;
  Interval interval;           // 95 % Wilson, of the accuracy
  double logical_bytes = 0.0;  // means over contexts, right after compression
  double physical_bytes = 0.0;
  double nominal_bytes = 0.0;
  std::vector<TaskAnswer> answers;

  double accuracy() const { return n == 0 ? 0.0 : static_cast<double>(correct) / n; }
};

struct TaskOutcome {
  TaskResult full;                   // full+f32, always
  bool model_can = false;            // whether the full cache answers at least half of the questions
  double full_f16_bytes = 0.0;       // mean over contexts, what shares refer to
  std::vector<TaskResult> policies;  // in the order asked for
};

}  // namespace razorscope
