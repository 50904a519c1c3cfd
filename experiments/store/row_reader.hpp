#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <cstdint>
#include <optional>
#include <string>

#include "experiments/store/rows.hpp"

namespace razorscope {

/// Reads a row's columns in order.
class RowReader {
 public:
  explicit RowReader(const SQLite::Statement& statement) : statement_(statement) {}

  RowReader& operator>>(int64_t& value) {
    value = next().getInt64();
    return *this;
  }
  RowReader& operator>>(int& value) {
    value = next().getInt();
    return *this;
  }
  RowReader& operator>>(bool& value) {
    value = next().getInt() != 0;
    return *this;
  }
  RowReader& operator>>(double& value) {
    value = next().getDouble();
    return *this;
  }
  /// "" for NULL.
  RowReader& operator>>(std::string& value) {
    value = next().getString();
    return *this;
  }
  RowReader& operator>>(std::optional<int64_t>& value) {
    const SQLite::Column column = next();
    value = column.isNull() ? std::nullopt : std::optional<int64_t>(column.getInt64());
    return *this;
  }
  RowReader& operator>>(std::optional<double>& value) {
    const SQLite::Column column = next();
    value = column.isNull() ? std::nullopt : std::optional<double>(column.getDouble());
    return *this;
  }
  RowReader& operator>>(Interval& value) { return *this >> value.low >> value.high; }
  /// Mean, low end, high end; without an interval where an end is NULL.
  RowReader& operator>>(Estimate& value) {
    std::optional<double> low;
    std::optional<double> high;
    *this >> value.mean >> low >> high;
    value.interval.reset();
    if (low && high) value.interval = {*low, *high};
    return *this;
  }

 private:
  SQLite::Column next() { return statement_.getColumn(index_++); }

  const SQLite::Statement& statement_;
  int index_ = 0;
};

/// run_id, model, model_sha256, text, prefix_tokens, steps, comparison, equal_bytes_target,
/// equal_bytes_share, requested_policy, policy, full_f16_bytes.
inline void read_run(RowReader& reader, RunRow& row) {
  reader >> row.run_id >> row.model >> row.model_sha256 >> row.text >> row.prefix >> row.steps >>
      row.comparison >> row.equal_bytes_target >> row.equal_bytes_share >> row.requested_policy >>
      row.policy >> row.full_f16_bytes;
}

}  // namespace razorscope
