#include "policies/selections/selection.hpp"

namespace razorscope {
namespace {

class Full final : public Selection {
 public:
  When when() const override { return When::after_prefill; }
  LayerPlan plan(const LayerView& view) const override { return LayerPlan(view.held.size()); }
};

}  // namespace

SelectionEntry full_selection() {
  SelectionEntry entry;
  entry.name = "full";
  entry.help = "keeps every token";
  entry.source = "the baseline: bytes = 2 x layers x KV heads x tokens x head size x bytes per element";
  entry.make = [](const std::string&, const ParameterValues&, const SelectionContext&) {
    return std::make_unique<Full>();
  };
  return entry;
}

}  // namespace razorscope
