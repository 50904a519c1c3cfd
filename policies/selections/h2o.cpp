#include <algorithm>
#include <limits>

#include "policies/selections/heavy_hitters.hpp"

namespace razorscope {
namespace {

class H2o : public Selection {
 public:
  H2o(const HeavyHitters& hitters, When when, int kv_heads)
      : hitters_(hitters), when_(when), kv_heads_(static_cast<size_t>(kv_heads)) {}

  When when() const override { return when_; }
  KeptRegions regions() const override { return {hitters_.sinks, hitters_.recent, true}; }
  Needs needs() const override {
    if (when_ == When::every_chunk) return {.rows = true, .accumulate = true};
    return {.column_queries = Needs::all_queries, .accumulate = when_ == When::every_step};
  }
  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    for (size_t h = 0; h < plan.size(); ++h) plan[h] = hitters_.plan(view, h);
    return plan;
  }
  std::vector<float> initial_scores(const LayerView& view, int kv_head) const override {
    return hitters_.initial_scores(view, kv_head);
  }
  float score_of_weights(std::span<const float> group_weights) const override {
    return hitters_.score_of_weights(group_weights);
  }
  std::optional<std::vector<int>> kept_counts(int /*layer*/, int prefix) const override {
    return std::vector<int>(kv_heads_, std::min(prefix, hitters_.size()));
  }

 protected:
  const HeavyHitters& hitters() const { return hitters_; }

 private:
  HeavyHitters hitters_;
  When when_;
  size_t kv_heads_;
};

/// As the authors' generation script. After a step over n tokens it makes the next step's mask, of n + 1
/// columns: the last `recent` of them are visible (the token to come among them), and the `heavy` best of
/// columns 0 .. n - 1 - recent. Column n - recent is neither, so that the token that leaves the window is
/// invisible to one query (and gains nothing from it), though its accumulated score is kept: in the step
/// after it is a candidate as any other. So this holds what h2o/paper would hold, and each query reads all
/// but that one token. Nothing is masked while n <= heavy + recent.
class H2oMask final : public H2o {
 public:
  H2oMask(const HeavyHitters& hitters, int kv_heads) : H2o(hitters, When::every_step, kv_heads) {}
  bool reads_all() const override { return false; }
  std::vector<int32_t> slots_read(const QueryView& view) const override {
    const bool masked = view.position > hitters().size();
    const int invisible = masked ? view.position - hitters().recent : -1;
    std::vector<int32_t> slots;
    for (int slot = 0; slot < view.slots; ++slot) {
      if (view.position_of(slot) != invisible) slots.push_back(slot);
    }
    return slots;
  }
};

/// Heavy hitters of the whole matrix, queries after the prefix included: what the authors' accuracy script
/// measures.
class H2oOracle final : public ScoredSelection {
 public:
  H2oOracle(int heavy, int recent, GroupAggregate aggregate, const Shape& shape)
      : ScoredSelection(heavy + recent, shape),
        recent_(recent),
        aggregate_(aggregate),
        group_(shape.group_size()) {}
  Needs needs() const override { return {.column_queries = Needs::all_queries, .future = true}; }

 protected:
  std::vector<double> scores(const LayerView& view, int kv_head) const override {
    // Whole columns first: the largest of a group is by all of its queries.
    const ptrdiff_t size = static_cast<ptrdiff_t>(group_) * view.tokens;
    const double* now = view.prefix->columns + kv_head * size;
    const double* later = view.prefix->future_columns + kv_head * size;
    std::vector<double> columns(now, now + size);
    for (size_t i = 0; i < columns.size(); ++i) columns[i] += later[i];
    std::vector<double> scores = group_columns(columns.data(), view.tokens, 0, group_, aggregate_);
    std::fill(scores.end() - std::min<ptrdiff_t>(recent_, view.tokens), scores.end(),
              std::numeric_limits<double>::infinity());
    return scores;
  }

 private:
  int recent_;
  GroupAggregate aggregate_;
  int group_;
};

std::unique_ptr<const Selection> make_h2o(const std::string& variant, const ParameterValues& values,
                                          const SelectionContext& context) {
  HeavyHitters hitters;
  hitters.group = context.shape.group_size();
  hitters.aggregate = group_aggregate_of(values);
  if (values.has("budget")) {
    const int budget = budget_tokens(values, "budget", context);
    hitters.heavy = budget / 2;
    hitters.recent = variant == "flexgen" ? std::max(0, hitters.heavy - 1) : budget - hitters.heavy;
  } else {
    hitters.heavy = budget_tokens(values, "heavy", context);
    hitters.recent = budget_tokens(values, "recent", context);
  }
  if (variant == "oracle")
    return std::make_unique<H2oOracle>(hitters.heavy, hitters.recent, hitters.aggregate, context.shape);
  if (variant == "mask") return std::make_unique<H2oMask>(hitters, context.shape.kv_heads);
  return std::make_unique<H2o>(hitters, when_of(values), context.shape.kv_heads);
}

}  // namespace

SelectionEntry h2o_selection() {
  Parameter when = when_parameter("every-step", true);
  when.variants = {"paper", "flexgen"};
  SelectionEntry entry;
  entry.name = "h2o";
  entry.variants = {"paper", "flexgen", "mask", "oracle"};
  entry.help = "heavy hitters by accumulated attention, and the latest tokens";
  entry.source =
      "Zhang et al., H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models, "
      "NeurIPS 2023 (arXiv "
      "2306.14048). paper: heavy and recent as given; flexgen: recent = heavy - 1, as in the authors' "
      "FlexGen code; mask: as the authors' generation script, after each step: the token that leaves the "
      "window "
      "is invisible to one query and then competes as a heavy hitter with the score it had (an off-by-one "
      "that the published results carry); the script masks what it evicts, here it is freed; oracle: the "
      "columns of queries to come count too, which no deployed cache can know: an upper bound, in replay "
      "only. Heavy hitters "
      "come from the tokens that are not recent. Published per query head (group_agg=query-head); by default "
      "per KV head.";
  entry.parameters = {
      {.name = "budget",
       .kind = ParameterKind::budget,
       .fallback = "0.25",
       .help = "tokens in all: half heavy, the rest recent",
       .variants = {"flexgen"}},
      {.name = "budget",
       .kind = ParameterKind::budget,
       .help = "tokens in all, instead of heavy and recent: half of each",
       .variants = {"paper", "mask", "oracle"}},
      {.name = "heavy",
       .kind = ParameterKind::budget,
       .fallback = "0.1",
       .help = "tokens with the highest accumulated attention",
       .variants = {"paper", "mask", "oracle"},
       .excluded_by = "budget"},
      {.name = "recent",
       .kind = ParameterKind::budget,
       .fallback = "0.1",
       .help = "latest tokens",
       .variants = {"paper", "mask", "oracle"},
       .excluded_by = "budget"},
      group_aggregate_parameter("sum", true),
      when,
  };
  entry.size_parameter = "budget";
  entry.make = make_h2o;
  return entry;
}

}  // namespace razorscope
