#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "models/language/tokenizer.hpp"
#include "models/language/transformer.hpp"
#include "policies/policy.hpp"
#include "sim/closed_loop/bootstrap.hpp"
#include "sim/closed_loop/compressed_context.hpp"

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
  std::vector<TaskAnswer> answers = {};

  double accuracy() const { return n == 0 ? 0.0 : static_cast<double>(correct) / n; }
};

struct TaskOutcome {
  TaskResult full;                   // full+f32, always
  bool model_can = false;            // whether the full cache answers at least half of the questions
  double full_f16_bytes = 0.0;       // mean over contexts, what shares refer to
  std::vector<TaskResult> policies;  // in the order asked for
};

/// The policies as they run on a context of so many tokens, in the order asked for.
using PoliciesForContext = std::function<std::vector<Policy>(int tokens)>;

/// What a task needs beside its settings.
struct TaskInputs {
  const Tokenizer& tokenizer;
  const std::string& haystack;  // the text that facts are hidden in
  std::vector<Policy> requested;
  PoliciesForContext sized;  // for equal bytes; else gives `requested` back
  ModelKnowledge knowledge;
};

/// Runs a task: for each context one exact prefill, compressed under every policy, then each question on a
/// fork of what was compressed, so that no question sees another. An answer is right when each of its tokens
/// is the model's most likely one. InputError where settings make no sense or the text is too short.
TaskOutcome run_task(const Transformer& transformer, const TaskInputs& inputs, const TaskSettings& settings,
                     Progress& progress);

/// The 95 % Wilson score interval of a share.
Interval wilson_interval(int successes, int n);

}  // namespace razorscope
