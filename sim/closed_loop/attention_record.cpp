#include "sim/closed_loop/attention_record.hpp"

#include <algorithm>
#include <cmath>

#include "models/base/half.hpp"
#include "models/base/parallel.hpp"
#include "policies/kernels/column_sums.hpp"
#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

class QuestionObserver final : public ForwardObserver {
 public:
  QuestionObserver(const Shape& shape, const ExactMemory& memory, AttentionRecord& record)
      : shape_(shape), memory_(memory), record_(record) {}
  void attention(int layer, const QueriesKeysValues& block) override {
    record_.add_question(memory_, shape_, layer, block);
  }

 private:
  const Shape& shape_;
  const ExactMemory& memory_;
  AttentionRecord& record_;
};

}  // namespace

int AttentionRecord::steps() const {
  const size_t step = row(layers, 0);
  return step == 0 ? 0 : static_cast<int>(asked.size() / step);
}

int AttentionRecord::room_for(int question_tokens, size_t bytes) const {
  const size_t most = bytes / std::max<size_t>(1, row(layers, 0) * sizeof(uint16_t));
  return static_cast<int>(std::min<size_t>(most, static_cast<size_t>(question_tokens)));
}

size_t AttentionRecord::row(int layer, int kv_head) const {
  return (static_cast<size_t>(layer) * static_cast<size_t>(kv_heads) + static_cast<size_t>(kv_head)) *
         static_cast<size_t>(tokens);
}

std::span<const float> AttentionRecord::accumulated_by(int layer, int kv_head) const {
  return std::span(accumulated).subspan(row(layer, kv_head), static_cast<size_t>(tokens));
}

std::span<const float> AttentionRecord::asked_by(int step, int layer, int kv_head) const {
  return std::span(asked).subspan(static_cast<size_t>(step) * row(layers, 0) + row(layer, kv_head),
                                  static_cast<size_t>(tokens));
}

void AttentionRecord::add_text(const Shape& shape, int layer, const double* columns) {
  accumulated.resize(row(layers, 0));
  for (int h = 0; h < kv_heads; ++h) {
    const std::vector<double> sums =
        group_columns(columns, tokens, h, shape.group_size(), GroupAggregate::sum);
    std::transform(sums.begin(), sums.end(), accumulated.begin() + static_cast<ptrdiff_t>(row(layer, h)),
                   [](double sum) { return static_cast<float>(sum); });
  }
}

void AttentionRecord::add_question(const ExactMemory& memory, const Shape& shape, int layer,
                                   const QueriesKeysValues& block) {
  const int first_step = block.first_position - tokens;
  asked.resize(std::max(asked.size(), static_cast<size_t>(first_step + block.tokens) * row(layers, 0)));
  const ExactLayer rows = memory.layer(layer);
  const auto d = static_cast<size_t>(shape.head_size);
  const int group = shape.group_size();
  parallel_for(kv_heads, [&](int h) {
    std::vector<float> mean(static_cast<size_t>(tokens));
    for (int begin = 0; begin < block.tokens; begin += query_block) {
      const int count = std::min(query_block, block.tokens - begin);
      std::vector<Matrix> weights;  // of each query head of the group
      for (int g = 0; g < group; ++g) {
        const int head = h * group + g;
        weights.push_back(causal_weights(
            shape, {head, block.first_position + begin, count,
                    block.q + static_cast<size_t>(begin) * block.stride + static_cast<size_t>(head) * d,
                    block.stride, rows.keys + static_cast<size_t>(h) * rows.head_stride, d}));
      }
      for (int r = 0; r < count; ++r) {
        std::fill(mean.begin(), mean.end(), 0.0F);
        for (Matrix& of_head : weights) {
          const float* row_of_head = of_head.row(static_cast<size_t>(r));
          for (size_t t = 0; t < mean.size(); ++t) mean[t] += row_of_head[t];
        }
        float* out =
            asked.data() + static_cast<size_t>(first_step + begin + r) * row(layers, 0) + row(layer, h);
        for (size_t t = 0; t < mean.size(); ++t) out[t] = round_to_half(mean[t] / static_cast<float>(group));
      }
    }
  });
}

void record_question(const Transformer& transformer, ExactMemory& memory, std::span<const int32_t> question,
                     AttentionRecord& record) {
  const int steps = record.room_for(static_cast<int>(question.size()));
  if (steps == 0) return;
  QuestionObserver observer(transformer.shape(), memory, record);
  SequenceInput input;
  input.tokens = question.first(static_cast<size_t>(steps));
  input.first_position = record.tokens;
  input.memory = &memory;
  input.observer = &observer;
  NoProgress silent;
  prefill(transformer, input, silent, "");
}

}  // namespace razorscope
