#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <set>

#include "models/base/error.hpp"
#include "policies/cache_buffer.hpp"
#include "policies/retrieval_heads.hpp"
#include "policies/selections/protected_heads.hpp"
#include "policies/selections/ranking.hpp"
#include "policies/selections/razor_scope.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {
namespace {

/// Retrieval heads keep everything; the others keep sinks and a window, and fold what leaves it into slots.
class Razor final : public Selection {
 public:
  Razor(std::set<HeadId> retrieval_heads, int sinks, int recent, CompensationSpec compensation, When when,
        int kv_heads)
      : retrieval_heads_(std::move(retrieval_heads)),
        sinks_(sinks),
        recent_(recent),
        compensation_(compensation),
        when_(when),
        kv_heads_(kv_heads) {}

  When when() const override { return when_; }
  CompensationSpec compensation() const override { return compensation_; }
  KeptRegions regions() const override { return {.sinks = sinks_, .recent = recent_}; }
  bool is_protected(int layer, int kv_head) const override {
    return retrieval_heads_.contains({layer, kv_head});
  }

  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    for (size_t h = 0; h < plan.size(); ++h) {
      if (is_protected(view.layer, static_cast<int>(h))) continue;
      plan[h].dropped = held_between(view, h, sinks_, view.tokens - recent_);
      plan[h].fold = compensation_.kind != Compensation::none;
    }
    return plan;
  }
  std::optional<std::vector<int>> kept_counts(int layer, int tokens) const override {
    return window_counts(*this, layer, kv_heads_, tokens);
  }

 private:
  std::set<HeadId> retrieval_heads_;
  int sinks_;
  int recent_;
  CompensationSpec compensation_;
  When when_;
  int kv_heads_;
};

/// The window of the heads that are not protected: `recent`, or the paper's max(S0, N/C).
int window_length(const ParameterValues& values, int prefix) {
  if (values.has("recent")) return values.integer("recent");
  const auto share = static_cast<int>(std::floor(prefix / values.real("ratio")));
  return std::max(values.integer("min"), share);
}

/// Tokens of all KV heads together that a budget stands for: average tokens a head, or a share of the prefix.
/// In bytes, what a head costs beside its rows (positions, alignment, the last block's spare slots) is
/// counted too, see below.
struct HeadCosts {
  double budget = 0.0;
  double whole = 0.0;  // of a head that keeps the prefix
  double other = 0.0;
};

HeadCosts head_costs(const Budget& budget, int other_tokens, const SelectionContext& context) {
  const double heads = static_cast<double>(context.shape.layers) * context.shape.kv_heads;
  if (budget.unit != Budget::Unit::bytes)
    return {budget_tokens(budget, context) * heads, static_cast<double>(context.prefix),
            static_cast<double>(other_tokens)};
  constexpr double alignment = 4.0 * 64.0;  // of rows, positions and slots
  const double whole = rounded_capacity(context.prefix) * context.protected_bytes_per_token + alignment;
  const double other = rounded_capacity(other_tokens) * (context.bytes_per_token + sizeof(int32_t)) +
                       2.0 * context.shape.head_size * sizeof(float) + alignment;
  return {budget.amount, whole, other};
}

/// As many heads, by score, as leave every other head its sinks, window and slots within the budget.
std::vector<HeadId> heads_within(const Budget& budget, int other_tokens, const SelectionContext& context) {
  std::vector<HeadId> ranked = rank_heads(*context.probe);
  const auto heads = static_cast<double>(ranked.size());
  const HeadCosts costs = head_costs(budget, other_tokens, context);
  const double each = costs.whole - costs.other;
  const double affordable = each <= 0.0 ? heads : std::floor((costs.budget - costs.other * heads) / each);
  ranked.resize(static_cast<size_t>(std::clamp(affordable, 0.0, heads)));
  return ranked;
}

std::set<HeadId> retrieval_heads(const ParameterValues& values, const SelectionContext& context,
                                 int other_tokens) {
  const bool by_bytes = values.has("choose") && values.text("choose") == "bytes";
  if (!by_bytes || context.probe == nullptr) return protected_heads("razor", values, context);
  const std::vector<HeadId> heads = heads_within(parse_budget(values.text("budget")), other_tokens, context);
  return {heads.begin(), heads.end()};
}

CompensationSpec compensation_of(const std::string& variant, const ParameterValues& values) {
  CompensationSpec spec;
  if (variant == "weighted") spec.kind = Compensation::weighted;
  if (variant == "unweighted") spec.kind = Compensation::unweighted;
  if (variant == "variance") spec.kind = Compensation::variance;
  if (variant == "clusters") spec.kind = Compensation::clusters;
  if (variant == "chunks") spec.kind = Compensation::chunks;
  if (variant == "covariance") spec.kind = Compensation::covariance;
  if (values.has("slots")) spec.slots = values.integer("slots");
  if (values.has("rank")) spec.rank = values.integer("rank");
  return spec;
}

/// The slots' size in tokens, a key and a value each: what choose=bytes sets aside for them.
int rows_of(const CompensationSpec& spec) {
  switch (spec.kind) {
    case Compensation::none:
      return 0;
    case Compensation::variance:
      return 2;  // a token and a half
    case Compensation::clusters:
    case Compensation::chunks:
      return spec.slots;
    case Compensation::covariance:
      return 1 + spec.rank;
    default:
      return 1;
  }
}

/// InputError where a variant's slots cannot stand for tokens that ALiBi biases by their positions.
void check_alibi(const std::string& variant, const Shape& shape) {
  if (variant == "none") return;
  if (variant != "weighted") {
    throw InputError("razor/" + variant,
                     "under ALiBi a compensation slot needs the bias of the tokens it stands for, which "
                     "differs from token to token: use razor/weighted, razor/none or razor/scope");
  }
  if (shape.group_size() > 1) {
    throw InputError(
        "razor/weighted",
        "under ALiBi the weights of a compensation slot depend on the slope of the query "
        "head, and the query heads of a group have different ones: use razor/none or razor/scope");
  }
}

std::unique_ptr<const Selection> make_razor(const std::string& variant, const ParameterValues& values,
                                            const SelectionContext& context) {
  if (variant == "scope") return make_razor_scope(values, context);
  if (context.shape.position == PositionScheme::alibi) check_alibi(variant, context.shape);
  const CompensationSpec compensation = compensation_of(variant, values);
  const int sinks = values.integer("sinks");
  const int recent = window_length(values, context.prefix);
  const int other_tokens = std::min(context.prefix, sinks + recent + rows_of(compensation));
  std::set<HeadId> heads = retrieval_heads(values, context, other_tokens);
  return std::make_unique<Razor>(std::move(heads), sinks, recent, compensation, when_of(values),
                                 context.shape.kv_heads);
}

}  // namespace

SelectionEntry razor_selection() {
  const std::vector<std::string> windowed = {"weighted", "unweighted", "none",      "variance",
                                             "clusters", "chunks",     "covariance"};
  SelectionEntry entry;
  entry.name = "razor";
  entry.variants = windowed;
  entry.variants.emplace_back("scope");
  entry.help =
      "RazorAttention: retrieval heads whole; the others sinks, a window and slots for the rest; scope: "
      "ALiBi";
  entry.source =
      "Tang et al., RazorAttention: Efficient KV Cache Compression Through Retrieval Heads, ICLR 2025 (arXiv "
      "2407.15891). "
      "weighted is the paper's Algorithm 1; unweighted (slot bias 0) with sinks=4,recent=252 is what "
      "Huawei's golden-stick "
      "does; none folds nothing (ablation). Under ALiBi a weighted slot's tokens are weighted by their bias. "
      "scope keeps "
      "the last L_h tokens of each head under ALiBi, with no dropped weight above epsilon. Beyond the paper, "
      "RoPE only: "
      "variance adds the second cumulant of the folded keys to the slot's bias; clusters has several slots "
      "by streaming "
      "k-means on the keys; chunks has one for each contiguous chunk of the folded prefix; covariance "
      "corrects the slot's "
      "value by the query, through a low-rank cross-covariance of values and keys.";
  entry.parameters = {
      {.name = "sinks", .fallback = "4", .help = "first tokens that every head keeps", .variants = windowed},
      {.name = "sinks", .fallback = "0", .help = "first tokens that every head keeps", .variants = {"scope"}},
      {.name = "recent",
       .help = "window of the other heads, in tokens, instead of ratio and min",
       .variants = windowed},
      {.name = "ratio",
       .kind = ParameterKind::real,
       .fallback = "5",
       .help = "their window is max(min, prefix / ratio)",
       .lowest = 1.0,
       .highest = 1e6,
       .variants = windowed,
       .excluded_by = "recent"},
      {.name = "min",
       .fallback = "4000",
       .help = "their window is max(min, prefix / ratio)",
       .variants = windowed,
       .excluded_by = "recent"},
  };
  for (Parameter& parameter : protected_head_parameters("paper", windowed)) {
    if (parameter.name == "choose") {
      parameter.choices.emplace_back("bytes");
      parameter.help += "; bytes: as many as a budget allows";
    }
    entry.parameters.push_back(std::move(parameter));
  }
  entry.parameters.push_back(
      {.name = "budget",
       .kind = ParameterKind::budget,
       .fallback = "0.25",
       .help = "average tokens per KV head, all heads counted; as many heads are protected as it allows",
       .needs_parameter = "choose",
       .needs_values = {"bytes"}});
  entry.parameters.push_back({.name = "slots",
                              .fallback = "4",
                              .help = "compensation slots of each head that folds",
                              .lowest = 1.0,
                              .highest = 256.0,
                              .variants = {"clusters", "chunks"}});
  entry.parameters.push_back({.name = "rank",
                              .fallback = "2",
                              .help = "rank of the correction of the slot's value",
                              .lowest = 1.0,
                              .highest = 64.0,
                              .variants = {"covariance"}});
  for (Parameter& parameter : razor_scope_parameters()) entry.parameters.push_back(std::move(parameter));
  entry.parameters.push_back(when_parameter("every-step", true));
  entry.size_parameter = "recent";
  entry.unsized_variants = {{"scope", "its windows follow from the heads' ALiBi slopes"}};
  entry.protects_heads = true;
  entry.make = make_razor;
  return entry;
}

}  // namespace razorscope
