#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "models/base/error.hpp"
#include "policies/retrieval_heads.hpp"
#include "policies/selections/razor_scope.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {
namespace {

/// Retrieval heads keep everything; the others keep sinks and a window, and fold what leaves it into one slot.
class Razor final : public Selection {
 public:
  Razor(std::set<HeadId> retrieval_heads, int sinks, int recent, Compensation compensation, When when)
      : retrieval_heads_(std::move(retrieval_heads)),
        sinks_(sinks),
        recent_(recent),
        compensation_(compensation),
        when_(when) {}

  When when() const override { return when_; }
  CompensationSpec compensation() const override { return compensation_; }
  bool is_protected(int layer, int kv_head) const override { return retrieval_heads_.contains({layer, kv_head}); }

  LayerPlan plan(const LayerView& view) const override {
    LayerPlan plan(view.held.size());
    for (size_t h = 0; h < plan.size(); ++h) {
      if (is_protected(view.layer, static_cast<int>(h))) continue;
      plan[h].dropped = held_between(view, h, sinks_, view.tokens - recent_);
      plan[h].fold = compensation_ != Compensation::none;
    }
    return plan;
  }

 private:
  std::set<HeadId> retrieval_heads_;
  int sinks_;
  int recent_;
  Compensation compensation_;
  When when_;
};

/// The window of the heads that are not protected: `recent`, or the paper's max(S0, N/C).
int window_length(const ParameterValues& values, int prefix) {
  if (values.has("recent")) return values.integer("recent");
  const auto share = static_cast<int>(std::floor(prefix / values.real("ratio")));
  return std::max(values.integer("min"), share);
}

/// Average tokens per KV head that a budget stands for.
double budget_tokens(const Budget& budget, const SelectionContext& context) {
  switch (budget.unit) {
    case Budget::Unit::tokens: return budget.amount;
    case Budget::Unit::fraction: return std::floor(budget.amount * context.prefix);
    case Budget::Unit::bytes: break;
  }
  const double heads = static_cast<double>(context.shape.layers) * context.shape.kv_heads;
  return budget.amount / context.f16_bytes_per_token / heads;
}

/// As many heads, by score, as leave every other head its sinks, window and slot within the budget.
std::vector<HeadId> heads_within(const Budget& budget, int other_tokens, const SelectionContext& context) {
  std::vector<HeadId> ranked = rank_heads(*context.probe);
  const double heads = static_cast<double>(ranked.size());
  const double spare = (budget_tokens(budget, context) - other_tokens) * heads;
  const double each = context.prefix - other_tokens;
  const double affordable = each <= 0.0 ? heads : std::floor(spare / each);
  ranked.resize(static_cast<size_t>(std::clamp(affordable, 0.0, heads)));
  return ranked;
}

std::vector<HeadId> retrieval_heads(const ParameterValues& values, const SelectionContext& context, int other_tokens) {
  if (values.text("heads") != "probe") return read_head_table(values.text("heads"), context.shape);
  if (context.probe == nullptr) {
    throw InputError("razor", "heads",
                     "no probe is at hand: record the trace with one (without --no-probe), or give heads=FILE with "
                     R"({"retrieval_kv_heads": [[layer, head], ...]})");
  }
  const std::string& choose = values.text("choose");
  if (choose == "bytes") return heads_within(parse_budget(values.text("budget")), other_tokens, context);
  HeadChoiceParameters parameters;
  parameters.choice = choose == "paper" ? HeadChoice::paper : choose == "gap" ? HeadChoice::gap : HeadChoice::threshold;
  if (values.has("induction")) {
    parameters.induction = values.real("induction");
    parameters.echo = values.real("echo");
  }
  return choose_retrieval_heads(*context.probe, parameters);
}

std::unique_ptr<const Selection> make_razor(const std::string& variant, const ParameterValues& values,
                                            const SelectionContext& context) {
  if (variant == "scope") return make_razor_scope(values, context);
  if (context.shape.position == PositionScheme::alibi && variant == "unweighted") {
    throw InputError("razor/unweighted", "under ALiBi a compensation slot needs the bias of the tokens it stands for: "
                                         "use razor/weighted, razor/none or razor/scope");
  }
  if (context.shape.position == PositionScheme::alibi && variant == "weighted" && context.shape.group_size() > 1) {
    throw InputError("razor/weighted", "under ALiBi the weights of a compensation slot depend on the slope of the query "
                                       "head, and the query heads of a group have different ones: use razor/none or razor/scope");
  }
  const Compensation compensation = variant == "weighted"     ? Compensation::weighted
                                    : variant == "unweighted" ? Compensation::unweighted
                                                              : Compensation::none;
  const int sinks = values.integer("sinks");
  const int recent = window_length(values, context.prefix);
  const int other_tokens = std::min(context.prefix, sinks + recent + (compensation == Compensation::none ? 0 : 1));
  const std::vector<HeadId> heads = retrieval_heads(values, context, other_tokens);
  return std::make_unique<Razor>(std::set<HeadId>(heads.begin(), heads.end()), sinks, recent, compensation, when_of(values));
}

}  // namespace

SelectionEntry razor_selection() {
  const std::vector<std::string> windowed = {"weighted", "unweighted", "none"};
  SelectionEntry entry;
  entry.name = "razor";
  entry.variants = {"weighted", "unweighted", "none", "scope"};
  entry.help = "RazorAttention: retrieval heads whole; the others sinks, a window and one slot for the rest; scope: ALiBi";
  entry.source =
      "Tang et al., RazorAttention: Efficient KV Cache Compression Through Retrieval Heads, ICLR 2025 (arXiv 2407.15891). "
      "weighted is the paper's Algorithm 1; unweighted (slot bias 0) with sinks=4,recent=252 is what Huawei's golden-stick "
      "does; none folds nothing (ablation). Under ALiBi a weighted slot's tokens are weighted by their bias. scope keeps "
      "the last L_h tokens of each head under ALiBi, with no dropped weight above epsilon.";
  entry.parameters = {
      {.name = "sinks", .fallback = "4", .help = "first tokens that every head keeps", .variants = windowed},
      {.name = "sinks", .fallback = "0", .help = "first tokens that every head keeps", .variants = {"scope"}},
      {.name = "recent", .help = "window of the other heads, in tokens, instead of ratio and min", .variants = windowed},
      {.name = "ratio", .kind = ParameterKind::real, .fallback = "5", .help = "their window is max(min, prefix / ratio)",
       .lowest = 1.0, .highest = 1e6, .variants = windowed, .excluded_by = "recent"},
      {.name = "min", .fallback = "4000", .help = "their window is max(min, prefix / ratio)", .variants = windowed,
       .excluded_by = "recent"},
      {.name = "heads", .kind = ParameterKind::file, .fallback = "probe",
       .help = "retrieval heads: from the trace's probe, or a JSON file used as it is", .variants = windowed},
      {.name = "choose", .kind = ParameterKind::choice, .fallback = "paper",
       .help = "how they are chosen: shares of all heads, scores above a threshold, above the largest gap, or what a budget allows",
       .choices = {"paper", "threshold", "gap", "bytes"}, .needs_parameter = "heads", .needs_values = {"probe"}},
      {.name = "induction", .kind = ParameterKind::real, .fallback = "0.14", .help = "share of KV heads, by induction score",
       .lowest = 0.0, .highest = 1.0, .needs_parameter = "choose", .needs_values = {"paper"}},
      {.name = "echo", .kind = ParameterKind::real, .fallback = "0.01", .help = "share of KV heads, by echo score",
       .lowest = 0.0, .highest = 1.0, .needs_parameter = "choose", .needs_values = {"paper"}},
      {.name = "induction", .kind = ParameterKind::real, .fallback = "0.1", .help = "smallest induction score",
       .lowest = 0.0, .highest = 1.0, .needs_parameter = "choose", .needs_values = {"threshold"}},
      {.name = "echo", .kind = ParameterKind::real, .fallback = "0.1", .help = "smallest echo score", .lowest = 0.0,
       .highest = 1.0, .needs_parameter = "choose", .needs_values = {"threshold"}},
      {.name = "budget", .kind = ParameterKind::budget, .fallback = "0.25",
       .help = "average tokens per KV head, all heads counted; as many heads are protected as it allows",
       .needs_parameter = "choose", .needs_values = {"bytes"}},
  };
  for (Parameter& parameter : razor_scope_parameters()) entry.parameters.push_back(std::move(parameter));
  entry.parameters.push_back(when_parameter("every-step"));
  entry.size_parameter = "recent";
  entry.protects_heads = true;
  entry.make = make_razor;
  return entry;
}

}  // namespace razorscope
