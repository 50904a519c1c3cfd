#pragma once

#include <fmt/format.h>
#include <span>
#include <string>
#include <vector>

#include "experiments/store/sql_reader.hpp"

namespace razorscope::testing {

using SqlRows = std::vector<std::vector<std::string>>;

/// Keeps an answer as text: NULL as "-", a blob by its size.
class KeptRows final : public SqlSink {
 public:
  void columns(const std::vector<std::string>& names) override { names_ = names; }
  void row(std::span<const SqlValue> values) override {
    std::vector<std::string>& cells = rows_.emplace_back();
    for (const SqlValue& value : values) {
      if (const auto* integer = std::get_if<int64_t>(&value)) {
        cells.push_back(fmt::to_string(*integer));
      } else if (const auto* number = std::get_if<double>(&value)) {
        cells.push_back(fmt::to_string(*number));
      } else if (const auto* text = std::get_if<std::string_view>(&value)) {
        cells.emplace_back(*text);
      } else if (const auto* blob = std::get_if<std::span<const std::byte>>(&value)) {
        cells.push_back(fmt::format("{} bytes", blob->size()));
      } else {
        cells.emplace_back("-");
      }
    }
  }
  void end() override { ended_ = true; }

  const std::vector<std::string>& names() const { return names_; }
  const SqlRows& rows() const { return rows_; }
  bool ended() const { return ended_; }

 private:
  std::vector<std::string> names_;
  SqlRows rows_;
  bool ended_ = false;
};

}  // namespace razorscope::testing
