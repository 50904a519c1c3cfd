// h2o/mask against the authors' generation script, restated in double precision with its dense masks.
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <numeric>

#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::PlainTrace;
using testing::TemporaryFolder;
using Numbers = std::vector<double>;

constexpr int prefix = 30;
constexpr int steps = 20;

/// One head's softmax at a position over the tokens that the mask shows.
Numbers weights_of(const PlainTrace& trace, int head, int position, const std::vector<bool>& visible) {
  Numbers weights(static_cast<size_t>(position) + 1, 0.0);
  double total = 0.0;
  for (int n = 0; n <= position; ++n) {
    if (!visible[static_cast<size_t>(n)]) continue;
    double score = -trace.slope(head) * (position - n);
    for (int i = 0; i < trace.options().head_size; ++i)
      score += trace.scale() * trace.q(0, position, head, i) * trace.k(0, n, head, i);
    total += weights[static_cast<size_t>(n)] = std::exp(score);
  }
  for (double& x : weights) x /= total;
  return weights;
}

/// H2O's masks and scores (utils_lm_eval/modify_llama.py): `scores` of the n tokens so far, and from them the
/// mask of the step to come, which has n + 1 columns.
class Script {
 public:
  Script(int heavy, int recent) : heavy_(heavy), recent_(recent) {}

  /// Adds a step's weights, [n].
  void add(const Numbers& weights) {
    scores_.resize(weights.size(), 0.0);
    for (size_t i = 0; i < weights.size(); ++i) scores_[i] += weights[i];
  }
  std::vector<bool> next_mask() {
    const auto n = static_cast<int>(scores_.size());
    std::vector<bool> mask(scores_.size() + 1, true);
    if (n > heavy_ + recent_) {
      std::fill(mask.begin(), mask.end() - recent_, false);
      std::vector<int> order(static_cast<size_t>(n - recent_));
      std::iota(order.begin(), order.end(), 0);
      const auto better = [&](int a, int b) {
        return scores_[static_cast<size_t>(a)] > scores_[static_cast<size_t>(b)];
      };
      std::stable_sort(order.begin(), order.end(), better);
      for (int i = 0; i < heavy_; ++i) mask[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
    }
    for (int i = 0; i < n - recent_; ++i) {
      if (!mask[static_cast<size_t>(i)]) scores_[static_cast<size_t>(i)] = 0.0;
    }
    return mask;
  }

 private:
  int heavy_;
  int recent_;
  Numbers scores_;
};

class H2oMaskTest : public ::testing::TestWithParam<std::pair<int, int>> {};

TEST_P(H2oMaskTest, LosesWhatTheScriptLoses) {
  const auto [heavy, recent] = GetParam();
  for (const bool alibi : {false, true}) {
    const PlainTrace plain({.kv_heads = 3,
                            .group = 1,
                            .head_size = 8,
                            .tokens = prefix + steps,
                            .alibi = alibi,
                            .spread = 2.0F,
                            .seed = 11});
    const TemporaryFolder folder;
    const Trace trace = plain.write(folder / "t.safetensors");
    NoProgress progress;
    const ReplayRequest request = {
        .prefix = prefix,
        .steps = steps,
        .policies = {Policy::parse(fmt::format("h2o/mask:heavy={},recent={}+f32", heavy, recent)),
                     Policy::parse(fmt::format("h2o/paper:heavy={},recent={}+f32", heavy, recent))}};
    const std::vector<ReplayResult> results = replay(trace, request, progress);
    for (int head = 0; head < 3; ++head) {
      Script script(heavy, recent);
      const std::vector<bool> all(prefix + steps, true);
      for (int position = 0; position < prefix; ++position) {
        script.add(weights_of(plain, head, position, all));
      }
      double lost = 0.0;
      for (int position = prefix; position < prefix + steps; ++position) {
        const std::vector<bool> mask = script.next_mask();
        const Numbers exact = weights_of(plain, head, position, all);
        for (int n = 0; n <= position; ++n) {
          if (!mask[static_cast<size_t>(n)]) lost += exact[static_cast<size_t>(n)] / steps;
        }
        script.add(weights_of(plain, head, position, mask));
      }
      EXPECT_NEAR(results[0].heads[static_cast<size_t>(head)].lost_mass, lost, 1e-5) << head;
    }
    // It holds what h2o/paper holds, but each query reads one token less.
    EXPECT_EQ(results[0].kept_tokens_mean, results[1].kept_tokens_mean);
    EXPECT_EQ(results[0].compressed.physical(), results[1].compressed.physical());
    EXPECT_EQ(results[1].read_tokens_mean - results[0].read_tokens_mean, heavy + recent < prefix ? 1.0 : 0.0);
  }
}

INSTANTIATE_TEST_SUITE_P(Budgets, H2oMaskTest,
                         ::testing::Values(std::pair(3, 4), std::pair(1, 1), std::pair(8, 2),
                                           std::pair(20, 60)));

}  // namespace
}  // namespace razorscope
