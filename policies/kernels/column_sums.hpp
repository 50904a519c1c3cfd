#pragma once

#include <cstddef>
#include <vector>

#include "models/base/buffer.hpp"
#include "models/language/shape.hpp"

namespace razorscope {

/// Queries that attention computes at a time: 64 rows of 8192 scores are 2 MiB, the size of a core's L2.
inline constexpr int query_block = 64;
/// Blocks between two merges of column sums, which bounds what they take on the way.
inline constexpr int blocks_at_a_time = 8;

/// `rows` consecutive queries of one head, the first at position first_position, and the keys that they see.
/// Row i of each is i·stride floats from the first.
struct QueryBlock {
  int head = 0;  // query head
  int first_position = 0;
  int rows = 0;
  const float* q = nullptr;
  size_t q_stride = 0;
  const float* keys = nullptr;  // of position 0 on
  size_t key_stride = 0;
};

/// Their causal softmax weights: [rows, first_position + rows], 0 where a token comes after the query.
Matrix causal_weights(const Shape& shape, const QueryBlock& block);

/// How much softmax weight each token gets, summed over the queries at positions [begin, end): [query_heads,
/// columns], in double. What falls on tokens from `columns` on is left out.
struct ColumnSums {
  ColumnSums(const Shape& shape, int first_query, int last_query, int column_count)
      : begin(first_query),
        end(last_query),
        columns(column_count),
        sums(static_cast<size_t>(shape.query_heads) * static_cast<size_t>(column_count), 0.0) {}

  int begin = 0;
  int end = 0;
  int columns = 0;
  std::vector<double> sums;
};

/// The sums of some blocks of queries, each apart until all are there: added up in the order of the blocks,
/// whoever computed them, they do not depend on the number of threads.
class ColumnParts {
 public:
  ColumnParts(ColumnSums& into, int blocks, int query_heads);

  /// Sums the weights of a block (whose place among the blocks is `index`) over its queries that count. One
  /// thread a block and head; several threads at a time.
  void add(int index, const QueryBlock& block, const Matrix& weights);
  /// Adds all parts to the sums, with all threads.
  void merge();

 private:
  ColumnSums& into_;
  int query_heads_;
  std::vector<std::vector<double>> parts_;  // [blocks, query_heads]; empty where no query counts
};

}  // namespace razorscope
