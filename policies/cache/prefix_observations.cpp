#include "policies/cache/prefix_observations.hpp"

#include <algorithm>

#include "policies/kernels/attention_columns.hpp"

namespace razorscope {

int PrefixObservations::first_query(const Needs& needs, int prefix) {
  return std::max(0, prefix - needs.column_queries);
}

PrefixObservations::PrefixObservations(const Shape& shape, HeadRows queries, HeadRows keys, HeadRows values,
                                       int prefix, int known)
    : shape_(shape), queries_(queries), keys_(keys), values_(values), prefix_(prefix), known_(known) {}

void PrefixObservations::prepare(const Needs& needs) {
  if (needs.column_queries > 0) {
    const int begin = first_query(needs, prefix_);
    if (!columns_.contains(begin))
      columns_[begin] = attention_columns(shape_, queries_, keys_, begin, prefix_, prefix_);
  }
  if (needs.future && future_columns_.empty()) {
    future_columns_ = attention_columns(shape_, queries_, keys_, prefix_, known_, prefix_);
  }
}

PrefixView PrefixObservations::view(const Needs& needs) const {
  PrefixView view;
  view.queries = queries_;
  view.keys = keys_;
  view.values = values_;
  if (needs.column_queries > 0) view.columns = columns_.at(first_query(needs, prefix_)).data();
  if (needs.future) view.future_columns = future_columns_.data();
  return view;
}

}  // namespace razorscope
