#pragma once

#include <vector>

#include "models/language/shape.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// How much softmax weight each token gets, summed over queries: [query_heads, columns], in double. Query m
/// (begin <= m < end) looks at the tokens 0 .. m; what falls on tokens from `columns` on is left out of the
/// sums. Exact attention over `queries` and `keys`; parallel over heads, the same for any number of threads.
std::vector<double> attention_columns(const Shape& shape, const HeadRows& queries, const HeadRows& keys,
                                      int begin, int end, int columns);

}  // namespace razorscope
