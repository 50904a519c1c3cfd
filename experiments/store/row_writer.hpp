#pragma once

#include <algorithm>
#include <fmt/format.h>
#include <string>

#include "experiments/store/connection.hpp"
#include "sim/serving/metrics.hpp"

namespace razorscope {

/// Binds a row's columns in order: RowReader's twin for tables with many of them. Times of results are
/// stored in milliseconds.
class RowWriter {
 public:
  /// Replaces a row of the table; `columns` as SQL lists them.
  RowWriter(SQLite::Database& database, const char* table, const std::string& columns)
      : statement_(database, sql(table, columns)) {}

  template <typename T>
  RowWriter& operator<<(const T& value) {
    bind_value(statement_, ++index_, value);
    return *this;
  }
  RowWriter& operator<<(const Percentiles& seconds) {
    for (const double value : {seconds.mean, seconds.p50, seconds.p90, seconds.p99, seconds.max})
      *this << value * 1e3;
    return *this;
  }

  /// Writes the row; the next one begins.
  void write() {
    statement_.exec();
    statement_.reset();
    index_ = 0;
  }

 private:
  static std::string sql(const char* table, const std::string& columns) {
    std::string places = "?";
    for (auto commas = std::count(columns.begin(), columns.end(), ','); commas > 0; --commas) places += ", ?";
    return fmt::format("INSERT OR REPLACE INTO {} ({}) VALUES ({})", table, columns, places);
  }

  SQLite::Statement statement_;
  int index_ = 0;
};

}  // namespace razorscope
