#include "sim/closed_loop/answer.hpp"

#include <memory>

#include "policies/kernels/attend.hpp"

namespace razorscope {
namespace {

/// Checks an answer's tokens against a sequence's logits.
class AnswerRows final : public ForwardObserver {
 public:
  AnswerRows(std::span<const int32_t> answer, int first_position, int vocabulary)
      : answer_(answer), first_position_(first_position), vocabulary_(static_cast<size_t>(vocabulary)) {}
  void logits(int first_position, int rows, const float* logits) override {
    for (int r = 0; r < rows; ++r) {
      const float* row = logits + static_cast<size_t>(r) * vocabulary_;
      const auto target =
          static_cast<size_t>(answer_[static_cast<size_t>(first_position - first_position_ + r)]);
      const LogSumExp sum = log_sum_exp(row, vocabulary_);
      score_.greedy = score_.greedy && row[target] == sum.largest;
      score_.nll += sum.log_sum - static_cast<double>(row[target]);
    }
  }
  const AnswerScore& score() const { return score_; }

 private:
  std::span<const int32_t> answer_;
  int first_position_;
  size_t vocabulary_;
  AnswerScore score_;
};

}  // namespace

std::vector<AnswerScore> score_answer(const Transformer& transformer, const CompressedContext& context,
                                      std::span<const int32_t> question, std::span<const int32_t> answer) {
  // The question's last token predicts the answer's first, and so on.
  const std::span<const int32_t> lead = question.first(question.size() - 1);
  std::vector<int32_t> scored = {question.back()};
  scored.insert(scored.end(), answer.begin(), answer.end() - 1);
  const int answer_position = context.tokens() + static_cast<int>(lead.size());
  std::vector<std::unique_ptr<PolicyMemory>> memories;
  std::vector<AnswerRows> rows(context.policies(),
                               AnswerRows(answer, answer_position, transformer.shape().vocabulary));
  std::vector<SequenceInput> leads;
  std::vector<SequenceInput> answers;
  for (size_t i = 0; i < context.policies(); ++i) {
    memories.push_back(context.fork(i));
    leads.push_back({.tokens = lead, .first_position = context.tokens(), .memory = memories[i].get()});
    answers.push_back({.tokens = scored,
                       .first_position = answer_position,
                       .memory = memories[i].get(),
                       .observer = &rows[i],
                       .logits = LogitsWanted::all});
  }
  if (!lead.empty()) transformer.forward(leads);
  transformer.forward(answers);
  std::vector<AnswerScore> scores;
  for (const AnswerRows& row : rows) scores.push_back(row.score());
  return scores;
}

}  // namespace razorscope
