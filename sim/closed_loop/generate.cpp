#include "sim/closed_loop/generate.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace razorscope {
namespace {

/// Picks the next token from a row of logits.
class Sampler final : public ForwardObserver {
 public:
  Sampler(const GenerationSettings& settings, int vocabulary)
      : settings_(settings), vocabulary_(vocabulary), random_(settings.seed) {}

  void logits(int /*first_position*/, int /*rows*/, const float* logits) override {
    token_ = settings_.temperature == 0.0
                 ? static_cast<int32_t>(std::max_element(logits, logits + vocabulary_) - logits)
                 : draw(logits);
  }
  int32_t token() const { return token_; }

 private:
  int32_t draw(const float* logits) {
    std::vector<int32_t> best(static_cast<size_t>(vocabulary_));
    std::iota(best.begin(), best.end(), 0);
    const auto count = std::min<size_t>(static_cast<size_t>(settings_.top_k), best.size());
    std::partial_sort(best.begin(), best.begin() + static_cast<ptrdiff_t>(count), best.end(),
                      [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    std::vector<double> cumulative;
    double sum = 0.0;
    for (size_t i = 0; i < count; ++i) {
      sum += std::exp((logits[best[i]] - logits[best[0]]) / settings_.temperature);
      cumulative.push_back(sum);
    }
    // By hand: what the library's distributions do with their generator differs between libraries.
    const double drawn = static_cast<double>(random_() >> 11U) * 0x1p-53 * sum;
    const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), drawn);
    return best[std::min<size_t>(count - 1, static_cast<size_t>(found - cumulative.begin()))];
  }

  const GenerationSettings& settings_;
  int vocabulary_;
  std::mt19937_64 random_;
  int32_t token_ = 0;
};

}  // namespace

std::vector<int32_t> generate(const Transformer& transformer, CompressedContext& context, int32_t last_token,
                              int32_t eos, const GenerationSettings& settings,
                              const std::function<bool(int32_t token)>& on_token) {
  Sampler sampler(settings, transformer.shape().vocabulary);
  std::vector<int32_t> generated;
  int32_t token = last_token;
  for (int i = 0; i < settings.tokens; ++i) {
    SequenceInput input;
    input.tokens = {&token, 1};
    input.first_position = context.tokens() + i;
    input.memory = &context.memory(0);
    input.observer = &sampler;
    input.logits = LogitsWanted::last;
    transformer.forward({&input, 1});
    token = sampler.token();
    if (token == eos) break;
    generated.push_back(token);
    if (!on_token(token)) break;
  }
  return generated;
}

}  // namespace razorscope
