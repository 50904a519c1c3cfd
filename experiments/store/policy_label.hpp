#pragma once

#include <string>

namespace razorscope {

/// A policy's name for tables: the canonical one without the parameters that have their default, and without
/// the variant of a selection that has only one. Parsing it gives the same policy. A name that this program
/// cannot parse (it may come from a newer one) is returned as it is.
std::string policy_label(const std::string& canonical_name);

}  // namespace razorscope
