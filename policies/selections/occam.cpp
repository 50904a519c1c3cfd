#include <algorithm>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "policies/selections/heavy_hitters.hpp"
#include "policies/selections/protected_heads.hpp"

namespace razorscope {
namespace {

/// Protected heads whole; the others sinks, heavy hitters and the latest tokens, and on request a slot for
/// the rest.
class Occam final : public Selection {
 public:
  Occam(std::set<HeadId> heads, const HeavyHitters& hitters, int observe, CompensationSpec compensation,
        When when, int kv_heads)
      : heads_(std::move(heads)),
        hitters_(hitters),
        observe_(observe),
        compensation_(compensation),
        when_(when),
        kv_heads_(kv_heads) {}

  When when() const override { return when_; }
  Needs needs() const override {
    return {.column_queries = observe_ == 0 ? Needs::all_queries : observe_,
            .accumulate = when_ == When::every_step};
  }
  CompensationSpec compensation() const override { return compensation_; }
  KeptRegions regions() const override { return {hitters_.sinks, hitters_.recent, true}; }
  bool is_protected(int layer, int kv_head) const override { return heads_.contains({layer, kv_head}); }

  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    for (size_t h = 0; h < plan.size(); ++h) {
      if (is_protected(view.layer, static_cast<int>(h)) || fits(view, h)) continue;
      plan[h] = hitters_.plan(view, h);
      plan[h].fold = compensation_.kind != Compensation::none;
    }
    return plan;
  }
  std::vector<float> initial_scores(const LayerView& view, int kv_head) const override {
    return hitters_.initial_scores(view, kv_head);
  }
  float score_of_weights(std::span<const float> group_weights) const override {
    return hitters_.score_of_weights(group_weights);
  }
  std::optional<std::vector<int>> kept_counts(int layer, int prefix) const override {
    std::vector<int> counts;
    for (int h = 0; h < kv_heads_; ++h)
      counts.push_back(is_protected(layer, h) || prefix <= budget() ? prefix : hitters_.size());
    return counts;
  }

 private:
  /// Tokens of a head that is not protected, those that slots take the place of included.
  int budget() const {
    return hitters_.size() + (compensation_.kind == Compensation::none ? 0 : compensation_.slots);
  }
  /// Whether the head lost nothing so far and need not: no slot is in use.
  bool fits(const LayerView& view, size_t kv_head) const {
    const std::span<const int32_t> held = view.held[kv_head];
    return view.tokens <= budget() && (held.empty() || std::ssize(held) == view.tokens);
  }

  std::set<HeadId> heads_;
  HeavyHitters hitters_;
  int observe_;  // queries; 0: all
  CompensationSpec compensation_;
  When when_;
  int kv_heads_;
};

/// What is left for each other head once the protected ones have kept everything.
int tokens_of_others(int budget, size_t protected_count, const SelectionContext& context) {
  const int64_t heads = static_cast<int64_t>(context.shape.layers) * context.shape.kv_heads;
  const int64_t others = heads - static_cast<int64_t>(protected_count);
  const int64_t left = budget * heads - static_cast<int64_t>(protected_count) * context.prefix;
  return others == 0 ? 0 : static_cast<int>(std::clamp<int64_t>(left / others, 0, 1'000'000'000));
}

std::unique_ptr<const Selection> make_occam(const std::string& /*variant*/, const ParameterValues& values,
                                            const SelectionContext& context) {
  std::set<HeadId> heads = protected_heads("occam", values, context);
  CompensationSpec compensation;
  if (values.text("compensation") == "weighted") compensation.kind = Compensation::weighted;
  if (values.text("compensation") == "clusters") {
    compensation.kind = Compensation::clusters;
    compensation.slots = values.integer("slots");
  }
  const int slots = compensation.kind == Compensation::none ? 0 : compensation.slots;
  if (slots > 0 && context.shape.position == PositionScheme::alibi) {
    throw InputError("occam", "compensation",
                     "heavy hitters leave gaps that a slot's ALiBi bias does not describe: use none");
  }
  const int budget = budget_tokens(values, "budget", context);
  const int others = tokens_of_others(budget, heads.size(), context) - slots;
  HeavyHitters hitters;
  hitters.sinks = values.integer("sinks");
  if (others <= hitters.sinks && budget < context.prefix) {
    throw InputError(
        "occam", "budget",
        fmt::format(
            "{} protected heads kept whole leave {} of {} tokens to each other head, which its {} sinks "
            "need: give a larger budget, or protect fewer heads",
            heads.size(), others, budget, hitters.sinks));
  }
  const int spare = std::max(0, others - hitters.sinks);
  hitters.heavy = static_cast<int>(spare * values.real("heavy"));
  hitters.recent = spare - hitters.heavy;
  hitters.group = context.shape.group_size();
  hitters.aggregate = group_aggregate_of(values);
  return std::make_unique<Occam>(std::move(heads), hitters, values.integer("observe"), compensation,
                                 when_of(values), context.shape.kv_heads);
}

}  // namespace

SelectionEntry occam_selection() {
  SelectionEntry entry;
  entry.name = "occam";
  entry.help =
      "ours: retrieval heads whole, heavy hitters and the latest tokens in all others, a codec for both";
  entry.source =
      "this project: protection keeps what must be found again, heavy hitters keep the language, the codec "
      "pays for both. The budget is "
      "an average over all KV heads: what protected heads leave is shared evenly by the others.";
  entry.parameters = {
      budget_parameter(),
      {.name = "sinks", .fallback = "4", .help = "first tokens that every head keeps"},
      {.name = "heavy",
       .kind = ParameterKind::real,
       .fallback = "0.5",
       .help = "share of heavy hitters in what the other heads keep beside sinks",
       .lowest = 0.0,
       .highest = 1.0},
  };
  for (Parameter& parameter : protected_head_parameters("gap"))
    entry.parameters.push_back(std::move(parameter));
  entry.parameters.push_back({.name = "compensation",
                              .kind = ParameterKind::choice,
                              .fallback = "none",
                              .help = "what stands for the other heads' dropped tokens",
                              .choices = {"none", "weighted", "clusters"}});
  entry.parameters.push_back({.name = "slots",
                              .fallback = "4",
                              .help = "clusters that stand for them",
                              .lowest = 1,
                              .highest = 1024,
                              .needs_parameter = "compensation",
                              .needs_values = {"clusters"}});
  entry.parameters.push_back(
      {.name = "observe",
       .fallback = "0",
       .help = "last queries of the prefix whose attention makes heavy hitters; 0: all"});
  entry.parameters.push_back(group_aggregate_parameter("sum"));
  entry.parameters.push_back(when_parameter("after-prefill"));
  entry.size_parameter = "budget";
  entry.protects_heads = true;
  entry.make = make_occam;
  return entry;
}

}  // namespace razorscope
