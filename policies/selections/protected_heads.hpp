#pragma once

#include <set>
#include <vector>

#include "policies/selections/selection.hpp"

namespace razorscope {

/// The parameters `heads`, `choose`, `induction`, `echo`: which KV heads a selection keeps whole. `choose` is
/// the default of that parameter; `variants` as in Parameter.
std::vector<Parameter> protected_head_parameters(const std::string& choose,
                                                 const std::vector<std::string>& variants = {});

/// The heads that the values name: a file's table, or a choice from the probe's scores (all but choose=bytes,
/// which needs to know what other heads cost). InputError, in the name of `owner`, where there is no probe at
/// hand.
std::set<HeadId> protected_heads(const std::string& owner, const ParameterValues& values,
                                 const SelectionContext& context);

}  // namespace razorscope
