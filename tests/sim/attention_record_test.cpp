// What the exact model attends to in a text and while it reads a question, beside sums in double over queries
// and keys that are taken down apart.
#include "sim/closed_loop/attention_record.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <numeric>

#include "sim/closed_loop/explain.hpp"
#include "tests/support/small_model.hpp"

namespace razorscope {
namespace {

using testing::SmallModel;

const std::string text = "The first line says little.\nThe verdict stands here, and the rest follows.\n";
const std::string short_question = "\nSo it is";

/// Keeps all queries and keys of a sequence, layer by layer.
class RowKeeper final : public ForwardObserver {
 public:
  explicit RowKeeper(const Shape& shape)
      : shape_(shape),
        queries_(static_cast<size_t>(shape.layers)),
        keys_(static_cast<size_t>(shape.layers)) {}
  void attention(int layer, const QueriesKeysValues& block) override {
    const auto l = static_cast<size_t>(layer);
    for (int t = 0; t < block.tokens; ++t) {
      const size_t from = static_cast<size_t>(t) * block.stride;
      queries_[l].insert(queries_[l].end(), block.q + from, block.q + from + shape_.query_width());
      keys_[l].insert(keys_[l].end(), block.k + from, block.k + from + shape_.kv_width());
    }
  }

  /// Softmax weights of the query at a position over the tokens up to it.
  std::vector<double> weights(int layer, int query_head, int position) const {
    const auto d = static_cast<size_t>(shape_.head_size);
    const auto l = static_cast<size_t>(layer);
    const float* q = queries_[l].data() +
                     static_cast<size_t>(position) * static_cast<size_t>(shape_.query_width()) +
                     static_cast<size_t>(query_head) * d;
    const int kv_head = query_head / (shape_.query_heads / shape_.kv_heads);
    const double slope =
        shape_.alibi_slopes.empty() ? 0.0 : shape_.alibi_slopes[static_cast<size_t>(query_head)];
    std::vector<double> weights;
    for (int t = 0; t <= position; ++t) {
      const float* k = keys_[l].data() + static_cast<size_t>(t) * static_cast<size_t>(shape_.kv_width()) +
                       static_cast<size_t>(kv_head) * d;
      double score = 0.0;
      for (size_t i = 0; i < d; ++i) score += static_cast<double>(q[i]) * static_cast<double>(k[i]);
      weights.push_back(score * static_cast<double>(shape_.score_scale) - slope * (position - t));
    }
    const double largest = *std::max_element(weights.begin(), weights.end());
    double sum = 0.0;
    for (double& weight : weights) sum += weight = std::exp(weight - largest);
    for (double& weight : weights) weight /= sum;
    return weights;
  }

 private:
  const Shape& shape_;
  std::vector<std::vector<float>> queries_;
  std::vector<std::vector<float>> keys_;
};

class AttentionRecordTest : public ::testing::TestWithParam<bool> {
 protected:
  Explanation explained(const std::string& question, const std::string& policies = "window:recent=10") const {
    NoProgress progress;
    return explain(
        model_.transformer(), model_.tokenizer(),
        {.text = text, .question = question, .positive = " good", .negative = " bad", .verdict = ""},
        [&](int) { return Policy::parse_list(policies); }, model_.knowledge(), progress);
  }
  RowKeeper rows_of(const std::string& question) const {
    std::vector<int32_t> ids = model_.tokenizer().encode(text);
    ids.insert(ids.begin(), model_.tokenizer().bos());
    const std::vector<int32_t> asked = model_.tokenizer().encode(question);
    ids.insert(ids.end(), asked.begin(), asked.end());
    RowKeeper keeper(model_.shape());
    ExactMemory memory(model_.shape(), static_cast<int>(ids.size()));
    NoProgress progress;
    prefill(model_.transformer(), {.tokens = ids, .memory = &memory, .observer = &keeper}, progress, "");
    return keeper;
  }

  SmallModel model_{GetParam()};
  const Shape& shape_ = model_.shape();
};

TEST_P(AttentionRecordTest, SumsWhatTheTextGivesItsTokens) {
  const AttentionRecord record = *explained(short_question).attention;
  const RowKeeper rows = rows_of(short_question);
  ASSERT_EQ(record.layers, shape_.layers);
  ASSERT_EQ(record.kv_heads, shape_.kv_heads);
  const auto n = static_cast<size_t>(record.tokens);
  ASSERT_EQ(record.accumulated.size(), static_cast<size_t>(record.layers * record.kv_heads) * n);
  for (int layer = 0; layer < record.layers; ++layer) {
    for (int h = 0; h < record.kv_heads; ++h) {
      std::vector<double> sums(n, 0.0);
      for (int q = h * shape_.group_size(); q < (h + 1) * shape_.group_size(); ++q) {
        for (int position = 0; position < record.tokens; ++position) {
          const std::vector<double> weights = rows.weights(layer, q, position);
          for (size_t t = 0; t < weights.size(); ++t) sums[t] += weights[t];
        }
      }
      const std::span<const float> recorded = record.accumulated_by(layer, h);
      for (size_t t = 0; t < n; ++t)
        EXPECT_NEAR(recorded[t], sums[t], 1e-4 + 1e-4 * sums[t]) << layer << ' ' << h << ' ' << t;
      EXPECT_NEAR(std::accumulate(recorded.begin(), recorded.end(), 0.0),
                  static_cast<double>(n) * shape_.group_size(), 1e-3 * static_cast<double>(n))
          << "each query gives 1 in all";
    }
  }
}

TEST_P(AttentionRecordTest, TakesDownWhatTheQuestionLooksAt) {
  std::string long_question;  // of several blocks of queries, and of more than one chunk of a prefill
  for (int i = 0; i < 60; ++i) long_question += " and then " + std::to_string(i * 7919);
  for (const std::string& question : {short_question, std::string("\n"), long_question}) {
    const AttentionRecord record = *explained(question).attention;
    const RowKeeper rows = rows_of(question);
    const std::vector<int32_t> ids = model_.tokenizer().encode(question);
    ASSERT_EQ(record.question.size(), ids.size());
    for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(record.question[i], model_.tokenizer().piece(ids[i]));
    ASSERT_EQ(record.steps(), static_cast<int>(ids.size()));
    if (question == long_question) {
      ASSERT_GT(record.steps(), prefill_chunk);
    }
    for (int step = 0; step < record.steps(); step += 1 + record.steps() / 40) {
      for (int layer = 0; layer < record.layers; ++layer) {
        for (int h = 0; h < record.kv_heads; ++h) {
          std::vector<double> shares(static_cast<size_t>(record.tokens), 0.0);
          for (int q = h * shape_.group_size(); q < (h + 1) * shape_.group_size(); ++q) {
            const std::vector<double> weights = rows.weights(layer, q, record.tokens + step);
            for (size_t t = 0; t < shares.size(); ++t) shares[t] += weights[t] / shape_.group_size();
          }
          const std::span<const float> recorded = record.asked_by(step, layer, h);
          for (size_t t = 0; t < shares.size(); ++t) {
            ASSERT_NEAR(recorded[t], shares[t], 1e-5 + 2e-3 * shares[t])
                << step << ' ' << layer << ' ' << h << ' ' << t;
          }
          const double sum = std::accumulate(recorded.begin(), recorded.end(), 0.0);
          EXPECT_LT(sum, 1.0 + 1e-3);
          if (step == 0) {
            EXPECT_GT(sum, 0.05) << "the first token has the text before it and itself";
          }
        }
      }
    }
  }
}

TEST_P(AttentionRecordTest, IsWhatH2oRanksBy) {
  const Explanation explanation = explained(short_question, "h2o:heavy=5,recent=6");
  const AttentionRecord& record = *explanation.attention;
  const PolicyExplanation& policy = explanation.policies.front();
  for (int layer = 0; layer < record.layers; ++layer) {
    for (int h = 0; h < record.kv_heads; ++h) {
      const std::span<const float> scores = record.accumulated_by(layer, h);
      std::vector<int> order(static_cast<size_t>(record.tokens - 6));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
      });
      for (size_t rank = 0; rank < order.size(); ++rank) {
        EXPECT_EQ(policy.fate(layer, h, order[rank], record.tokens),
                  rank < 5 ? TokenFate::heavy : TokenFate::dropped)
            << layer << ' ' << h << ' ' << rank;
      }
    }
  }
}

TEST_P(AttentionRecordTest, DoesNotChangeWhatIsExplained) {
  // The record reads the question on the exact cache; policies are forked from what was there before.
  const std::string policies = "window:sinks=2,recent=10;h2o:heavy=5,recent=6;full+f32";
  const Explanation first = explained(short_question, policies);
  const Explanation second = explained(short_question, policies);
  EXPECT_EQ(first.attention->asked, second.attention->asked);
  EXPECT_EQ(first.attention->accumulated, second.attention->accumulated);
  EXPECT_NEAR(first.policies[2].log_odds, first.full.log_odds, 1e-4);
}

TEST(AttentionRecordRoomTest, HoldsAsManyStepsAsTheBytesAllow) {
  AttentionRecord record;
  record.layers = 2;
  record.kv_heads = 3;
  record.tokens = 10;  // 120 bytes a step in half precision
  EXPECT_EQ(record.room_for(100, 1200), 10);
  EXPECT_EQ(record.room_for(100, 1199), 9);
  EXPECT_EQ(record.room_for(100, 119), 0);
  EXPECT_EQ(record.room_for(7, 1200), 7);
  EXPECT_EQ(record.room_for(7), 7);
  EXPECT_EQ(record.steps(), 0);
  record.tokens = 1 << 20;
  EXPECT_EQ(record.room_for(1000), 5) << "64 MiB";
}

TEST_P(AttentionRecordTest, AQuestionThatDoesNotFitIsRecordedToThere) {
  const std::vector<int32_t> question = model_.tokenizer().encode(short_question);
  std::vector<int32_t> ids = model_.tokenizer().encode(text);
  CompressedContext context = model_.compress(ids, {"full"}, 4);
  AttentionRecord record;
  record.layers = shape_.layers;
  record.kv_heads = shape_.kv_heads;
  record.tokens = static_cast<int>(ids.size());
  record_question(model_.transformer(), context.exact(), std::span(question).first(4), record);
  ASSERT_EQ(record.steps(), 4);
  AttentionRecord whole = record;
  whole.asked.clear();
  CompressedContext roomy = model_.compress(ids, {"full"}, static_cast<int>(question.size()));
  record_question(model_.transformer(), roomy.exact(), question, whole);
  ASSERT_EQ(whole.steps(), static_cast<int>(question.size()));
  ASSERT_GT(whole.asked.size(), record.asked.size());
  for (size_t i = 0; i < record.asked.size(); ++i)
    EXPECT_NEAR(record.asked[i], whole.asked[i], 1e-5 + 1e-3 * whole.asked[i]);
}

INSTANTIATE_TEST_SUITE_P(Schemes, AttentionRecordTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

}  // namespace
}  // namespace razorscope
