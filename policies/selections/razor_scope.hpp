#pragma once

#include <memory>
#include <vector>

#include "policies/selections/selection.hpp"

namespace razorscope {

/// RazorAttention for ALiBi models: each head keeps its last L_h tokens (razor-attention, section 2).
std::unique_ptr<const Selection> make_razor_scope(const ParameterValues& values,
                                                  const SelectionContext& context);
std::vector<Parameter> razor_scope_parameters();

/// What the scope promises about the tokens outside it.
enum class ScopeForm {
  token,  // the weight of each is at most epsilon:      L = (2B - ln ε) / slope
  tail,   // the weights of all sum to at most epsilon:  L = (2B - ln ε - ln(1 - e^-slope)) / slope
};

/// L_h of a head with the given slope when |q·k|/sqrt(d) <= score_bound for all pairs: a token at distance >=
/// L_h has a weight of at most epsilon, since its weight is at most exp(s(m,n) - s(m,m)) <= exp(2B -
/// slope·(m-n)). Rounded up, at least 1, at most 2^30.
int scope_length(double score_bound, double epsilon, double slope, ScopeForm form);

}  // namespace razorscope
