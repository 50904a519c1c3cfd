#pragma once

#include <map>
#include <utility>
#include <vector>

#include "models/language/shape.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// What selections are shown of one layer's exact prefix, computed once for all policies that need it. Views
/// the caller's rows, which must outlive it.
class PrefixObservations {
 public:
  /// `known` >= prefix: tokens that the rows reach to; those after the prefix are shown to oracles only.
  PrefixObservations(const Shape& shape, HeadRows queries, HeadRows keys, HeadRows values, int prefix,
                     int known);

  /// The first query that counts in the columns of these needs.
  static int first_query(const Needs& needs, int prefix);
  /// Columns over the prefix's queries from `begin` on that were summed before: prepare() takes them as they
  /// are.
  void provide_columns(int begin, std::vector<double> columns) { columns_[begin] = std::move(columns); }
  /// Computes what `needs` asks for, unless it is there. Uses all threads.
  void prepare(const Needs& needs);
  /// The view of a selection whose needs were prepared.
  PrefixView view(const Needs& needs) const;

 private:
  const Shape& shape_;
  HeadRows queries_;
  HeadRows keys_;
  HeadRows values_;
  int prefix_;
  int known_;
  std::map<int, std::vector<double>> columns_;  // by first query
  std::vector<double> future_columns_;
};

}  // namespace razorscope
