#include "sim/closed_loop/task.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

#include "models/base/error.hpp"
#include "sim/closed_loop/answer.hpp"
#include "sim/closed_loop/facts.hpp"
#include "sim/closed_loop/haystack.hpp"
#include "sim/equal_bytes.hpp"

namespace razorscope {
namespace {

constexpr double enough_for_a_task = 0.5;  // of the questions, that the full cache must answer

/// A question about a context.
struct Question {
  double depth = 0.0;
  std::vector<int32_t> ids;
  std::vector<int32_t> answer;
};

struct TaskContext {
  int length = 0;  // as asked for
  std::vector<int32_t> ids;
  std::vector<Question> questions;
};

class TaskRun {
 public:
  TaskRun(const Transformer& transformer, const TaskInputs& inputs, const TaskSettings& settings)
      : transformer_(transformer), inputs_(inputs), settings_(settings) {
    for (const Policy& policy : inputs.requested) outcome_.policies.emplace_back().policy = policy;
    outcome_.full.policy = Policy::parse("full+f32");
  }

  void run(const TaskContext& context) {
    if (!settings_.query_aware) {
      CompressedContext compressed = compress(context.ids);
      for (const Question& question : context.questions) ask(compressed, context, question, question.ids);
      return;
    }
    for (const Question& question : context.questions) {
      std::vector<int32_t> ids = context.ids;
      ids.insert(ids.end(), question.ids.begin(), question.ids.end() - 1);
      CompressedContext compressed = compress(ids);
      ask(compressed, context, question, std::span(question.ids).last(1));
    }
  }

  TaskOutcome finish() {
    for (TaskResult* result : results()) {
      result->n = static_cast<int>(result->answers.size());
      result->correct =
          static_cast<int>(std::count_if(result->answers.begin(), result->answers.end(),
                                         [](const TaskAnswer& answer) { return answer.correct; }));
      result->interval = wilson_interval(result->correct, result->n);
      result->logical_bytes /= contexts_;
      result->physical_bytes /= contexts_;
      result->nominal_bytes /= contexts_;
    }
    outcome_.full_f16_bytes /= contexts_;
    outcome_.model_can = outcome_.full.accuracy() >= enough_for_a_task;
    return std::move(outcome_);
  }

 private:
  /// The policies asked for, then full+f32.
  std::vector<TaskResult*> results() {
    std::vector<TaskResult*> all;
    for (TaskResult& result : outcome_.policies) all.push_back(&result);
    all.push_back(&outcome_.full);
    return all;
  }

  CompressedContext compress(const std::vector<int32_t>& ids) {
    const auto tokens = static_cast<int>(ids.size());
    std::vector<Policy> policies = inputs_.sized(tokens);
    policies.push_back(outcome_.full.policy);
    NoProgress silent;  // progress is told by context
    CompressedContext compressed(transformer_, ids, policies, inputs_.knowledge, 0, silent, "");
    const std::vector<TaskResult*> all = results();
    for (size_t i = 0; i < all.size(); ++i) {
      const ByteLedger ledger = compressed.memory(i).ledger();
      all[i]->logical_bytes += static_cast<double>(ledger.logical());
      all[i]->physical_bytes += static_cast<double>(ledger.physical());
      all[i]->nominal_bytes += ledger.nominal;
    }
    outcome_.full_f16_bytes +=
        static_cast<double>(full_f16_bytes({.shape = transformer_.shape(), .prefix = tokens}));
    ++contexts_;
    return compressed;
  }

  /// `asked`: what of the question is not in the context yet.
  void ask(const CompressedContext& compressed, const TaskContext& context, const Question& question,
           std::span<const int32_t> asked) {
    const std::vector<AnswerScore> scores = score_answer(transformer_, compressed, asked, question.answer);
    const std::vector<TaskResult*> all = results();
    for (size_t i = 0; i < all.size(); ++i)
      all[i]->answers.push_back({context.length, question.depth, scores[i].greedy,
                                 scores[i].nll / static_cast<double>(question.answer.size())});
  }

  const Transformer& transformer_;
  const TaskInputs& inputs_;
  const TaskSettings& settings_;
  TaskOutcome outcome_;
  int contexts_ = 0;
};

Question question_of(const Tokenizer& tokenizer, const Fact& fact, double depth) {
  return {depth, tokenizer.encode(fact.question), tokenizer.encode(fact.answer)};
}

/// needle: each context hides one fact at one depth.
void add_needles(const Tokenizer& tokenizer, const Haystack& haystack, const TaskSettings& settings,
                 int length, std::vector<TaskContext>& contexts) {
  const std::vector<Fact> facts = make_facts(settings.facts, settings.seed);
  for (int place = 0; place < settings.depths; ++place) {
    const double depth = settings.depths == 1 ? 0.5 : place / (settings.depths - 1.0);
    for (const Fact& fact : facts) {
      TaskContext& context = contexts.emplace_back();
      context.length = length;
      context.ids = haystack.context(length, settings.seed - 1, {{depth, tokenizer.encode(fact.statement)}});
      context.questions.push_back(question_of(tokenizer, fact, depth));
    }
  }
}

/// multi-query: each context hides many facts, evenly, and is asked for all of them.
void add_multi_queries(const Tokenizer& tokenizer, const Haystack& haystack, const TaskSettings& settings,
                       int length, std::vector<TaskContext>& contexts) {
  for (int i = 0; i < settings.contexts; ++i) {
    const uint64_t seed = settings.seed + static_cast<uint64_t>(i);
    TaskContext& context = contexts.emplace_back();
    context.length = length;
    std::vector<Haystack::Piece> pieces;
    for (const Fact& fact : make_facts(settings.facts, seed)) {
      const double depth = (static_cast<double>(pieces.size()) + 0.5) / settings.facts;
      pieces.push_back({depth, tokenizer.encode(fact.statement)});
      context.questions.push_back(question_of(tokenizer, fact, depth));
    }
    context.ids = haystack.context(length, seed - 1, pieces);
  }
}

void check(const TaskSettings& settings) {
  const auto at_least_one = [](const char* key, int value) {
    if (value < 1) throw InputError(key, fmt::format("{} is out of range; allowed: from 1", value));
  };
  at_least_one("--depths", settings.depths);
  at_least_one("--facts", settings.facts);
  at_least_one("--contexts", settings.contexts);
  if (settings.lengths.empty()) throw InputError("--lengths", "at least one length is needed");
  for (const int length : settings.lengths) at_least_one("--lengths", length);
}

/// InputError where a question and its answer would not fit behind their context: before the first is read,
/// not after hours.
void check_fits(const TaskContext& context, const Shape& shape) {
  for (const Question& question : context.questions) {
    // The answer's last token is never read.
    const size_t tokens = context.ids.size() + question.ids.size() + question.answer.size() - 1;
    if (tokens > static_cast<size_t>(shape.context)) {
      throw InputError("--lengths",
                       fmt::format("{} tokens make {} with a question and its answer, but the context is {}",
                                   context.length, tokens, shape.context));
    }
  }
}

}  // namespace

Interval wilson_interval(int successes, int n) {
  if (n == 0) return {0.0, 1.0};
  constexpr double z = 1.959963984540054;  // the normal distribution's 97.5 % quantile
  const double share = static_cast<double>(successes) / n;
  const double centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
  const double half = z / (1.0 + z * z / n) * std::sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

TaskOutcome run_task(const Transformer& transformer, const TaskInputs& inputs, const TaskSettings& settings,
                     Progress& progress) {
  check(settings);
  const Haystack haystack(inputs.tokenizer, inputs.haystack);
  std::vector<TaskContext> contexts;
  for (const int length : settings.lengths) {
    if (settings.task == "needle") {
      add_needles(inputs.tokenizer, haystack, settings, length, contexts);
    } else {
      add_multi_queries(inputs.tokenizer, haystack, settings, length, contexts);
    }
  }
  for (const TaskContext& context : contexts) check_fits(context, transformer.shape());
  progress.begin(fmt::format("{} under {} policies", settings.task, inputs.requested.size()),
                 static_cast<double>(contexts.size()), "contexts");
  TaskRun run(transformer, inputs, settings);
  for (size_t i = 0; i < contexts.size(); ++i) {
    run.run(contexts[i]);
    progress.advance(static_cast<double>(i + 1));
  }
  return run.finish();
}

}  // namespace razorscope
