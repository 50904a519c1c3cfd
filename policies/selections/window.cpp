#include "policies/selections/selection.hpp"

namespace razorscope {
namespace {

class Window final : public Selection {
 public:
  Window(int sinks, int recent, When when) : sinks_(sinks), recent_(recent), when_(when) {}
  When when() const override { return when_; }
  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    for (size_t h = 0; h < plan.size(); ++h)
      plan[h].dropped = held_between(view, h, sinks_, view.tokens - recent_);
    return plan;
  }

 private:
  int sinks_;
  int recent_;
  When when_;
};

}  // namespace

SelectionEntry window_selection() {
  SelectionEntry entry;
  entry.name = "window";
  entry.variants = {"original-positions"};
  entry.help = "StreamingLLM: the first tokens (sinks) and the latest ones";
  entry.source =
      "Xiao et al., Efficient Streaming Language Models with Attention Sinks, ICLR 2024 (arXiv 2309.17453). "
      "Keys keep the position they were computed at.";
  entry.parameters = {
      {.name = "sinks", .fallback = "4", .help = "first tokens that are always kept"},
      {.name = "recent", .fallback = "1020", .help = "latest tokens that are kept"},
      when_parameter("every-step"),
  };
  entry.size_parameter = "recent";
  entry.make = [](const std::string&, const ParameterValues& values, const SelectionContext&) {
    return std::make_unique<Window>(values.integer("sinks"), values.integer("recent"), when_of(values));
  };
  return entry;
}

}  // namespace razorscope
