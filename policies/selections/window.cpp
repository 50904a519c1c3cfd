#include "models/base/error.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {
namespace {

class Window final : public Selection {
 public:
  Window(int sinks, int recent, When when, bool slot_positions, int kv_heads)
      : sinks_(sinks), recent_(recent), when_(when), slot_positions_(slot_positions), kv_heads_(kv_heads) {}
  When when() const override { return when_; }
  bool slot_positions() const override { return slot_positions_; }
  KeptRegions regions() const override { return {.sinks = sinks_, .recent = recent_}; }
  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    for (size_t h = 0; h < plan.size(); ++h)
      plan[h].dropped = held_between(view, h, sinks_, view.tokens - recent_);
    return plan;
  }
  std::optional<std::vector<int>> kept_counts(int layer, int tokens) const override {
    return window_counts(*this, layer, kv_heads_, tokens);
  }

 private:
  int sinks_;
  int recent_;
  When when_;
  bool slot_positions_;
  int kv_heads_;
};

std::unique_ptr<const Selection> make_window(const std::string& variant, const ParameterValues& values,
                                             const SelectionContext& context) {
  const bool slot_positions = variant == "slot-positions";
  if (slot_positions && context.shape.position == PositionScheme::alibi) {
    throw InputError("window/slot-positions",
                     "slot positions turn keys that RoPE had not yet rotated, and this model uses ALiBi, "
                     "whose keys carry no position: use window/original-positions");
  }
  return std::make_unique<Window>(values.integer("sinks"), values.integer("recent"), when_of(values),
                                  slot_positions, context.shape.kv_heads);
}

}  // namespace

SelectionEntry window_selection() {
  SelectionEntry entry;
  entry.name = "window";
  entry.variants = {"original-positions", "slot-positions"};
  entry.help = "StreamingLLM: the first tokens (sinks) and the latest ones";
  entry.source =
      "Xiao et al., Efficient Streaming Language Models with Attention Sinks, ICLR 2024 (arXiv 2309.17453). "
      "original-positions: keys keep the position they were computed at. slot-positions, as published: keys "
      "are held before RoPE and in each step rotated by their slot's index, which is the token's rank among "
      "what its head holds; the query stands at the last slot's. Here the prefix is computed whole, with "
      "its own positions, so that slots first count when it is compressed.";
  entry.parameters = {
      {.name = "sinks", .fallback = "4", .help = "first tokens that are always kept"},
      {.name = "recent", .fallback = "1020", .help = "latest tokens that are kept"},
      when_parameter("every-step", true),
  };
  entry.size_parameter = "recent";
  entry.unnamed_default = true;
  entry.make = make_window;
  return entry;
}

}  // namespace razorscope
