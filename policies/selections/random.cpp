#include "policies/selections/ranking.hpp"

namespace razorscope {
namespace {

/// A well-mixed 64-bit hash (the finaliser of SplitMix64, Steele et al. 2014), so that a token's luck depends
/// on seed, layer, head and position only, and not on who asks first.
uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

class Random final : public ScoredSelection {
 public:
  Random(int budget, uint64_t seed, const Shape& shape) : ScoredSelection(budget, shape), seed_(seed) {}

 protected:
  std::vector<double> scores(const LayerView& view, int kv_head) const override {
    const uint64_t stream =
        mixed(mixed(mixed(seed_) + static_cast<uint64_t>(view.layer)) + static_cast<uint64_t>(kv_head));
    std::vector<double> scores;
    for (int n = 0; n < view.tokens; ++n)
      scores.push_back(static_cast<double>(mixed(stream + static_cast<uint64_t>(n)) >> 11U));
    return scores;
  }

 private:
  uint64_t seed_;
};

}  // namespace

SelectionEntry random_selection() {
  SelectionEntry entry;
  entry.name = "random";
  entry.help = "tokens by lot: the floor that any policy must beat";
  entry.source = "a baseline";
  entry.parameters = {budget_parameter(), {.name = "seed", .fallback = "1", .help = "of the lot"}};
  entry.size_parameter = "budget";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext& context) {
    return std::make_unique<Random>(budget_tokens(values, "budget", context),
                                    static_cast<uint64_t>(values.integer("seed")), context.shape);
  };
  return entry;
}

}  // namespace razorscope
