#include <algorithm>
#include <cmath>

#include "policies/retrieval_heads.hpp"
#include "policies/selections/protected_heads.hpp"

namespace razorscope {
namespace {

class Duo final : public Selection {
 public:
  Duo(std::set<HeadId> full_heads, int sinks, int recent, When when, int kv_heads)
      : full_heads_(std::move(full_heads)),
        sinks_(sinks),
        recent_(recent),
        when_(when),
        kv_heads_(kv_heads) {}

  When when() const override { return when_; }
  KeptRegions regions() const override { return {.sinks = sinks_, .recent = recent_}; }
  bool is_protected(int layer, int kv_head) const override { return full_heads_.contains({layer, kv_head}); }
  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    for (size_t h = 0; h < plan.size(); ++h) {
      if (!is_protected(view.layer, static_cast<int>(h)))
        plan[h].dropped = held_between(view, h, sinks_, view.tokens - recent_);
    }
    return plan;
  }
  std::optional<std::vector<int>> kept_counts(int layer, int tokens) const override {
    return window_counts(*this, layer, kv_heads_, tokens);
  }

 private:
  std::set<HeadId> full_heads_;
  int sinks_;
  int recent_;
  When when_;
  int kv_heads_;
};

std::unique_ptr<const Selection> make_duo(const std::string& /*variant*/, const ParameterValues& values,
                                          const SelectionContext& context) {
  std::set<HeadId> full_heads;
  if (values.text("heads") == "probe" && context.probe != nullptr) {
    const std::vector<HeadId> ranked = rank_heads(*context.probe);
    const double share = 1.0 - values.real("quantile");
    const auto count = static_cast<ptrdiff_t>(std::floor(share * static_cast<double>(ranked.size()) + 0.5));
    full_heads.insert(ranked.begin(),
                      ranked.begin() + std::min<ptrdiff_t>(count, static_cast<ptrdiff_t>(ranked.size())));
  } else {
    full_heads = protected_heads("duo", values, context);
  }
  return std::make_unique<Duo>(std::move(full_heads), values.integer("sinks"), values.integer("recent"),
                               when_of(values), context.shape.kv_heads);
}

}  // namespace

SelectionEntry duo_selection() {
  SelectionEntry entry;
  entry.name = "duo";
  entry.help = "DuoAttention: heads above a quantile whole, the others sinks and a window";
  entry.source =
      "Xiao et al., DuoAttention: Efficient Long-Context LLM Inference with Retrieval and Streaming Heads, "
      "ICLR 2025 (arXiv "
      "2410.10819). Its gates are trained; here heads are ranked by the probe's larger score, or a file "
      "names the full ones.";
  entry.parameters = {
      {.name = "sinks", .fallback = "64", .help = "first tokens that every head keeps"},
      {.name = "recent", .fallback = "256", .help = "latest tokens that the other heads keep"},
      {.name = "heads",
       .kind = ParameterKind::file,
       .fallback = "probe",
       .help = "full heads: from the probe's scores, or a JSON file used as it is"},
      {.name = "quantile",
       .kind = ParameterKind::real,
       .fallback = "0.5",
       .help = "heads ranked above it are kept whole",
       .lowest = 0.0,
       .highest = 1.0,
       .needs_parameter = "heads",
       .needs_values = {"probe"}},
      when_parameter("after-prefill"),
  };
  entry.size_parameter = "recent";
  entry.protects_heads = true;
  entry.make = make_duo;
  return entry;
}

}  // namespace razorscope
