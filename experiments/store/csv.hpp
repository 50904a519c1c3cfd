#pragma once

#include <fmt/format.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace razorscope {

// RFC 4180, but lines end in a newline. Internal to this folder.

/// Column names and values side by side, so that they cannot drift apart.
using CsvColumns = std::vector<std::pair<const char*, std::string>>;

inline std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

template <typename T>
std::string csv_number(const T& value) {
  return fmt::to_string(value);
}
template <typename T>
std::string csv_number(const std::optional<T>& value) {
  return value ? fmt::to_string(*value) : "";
}

/// The header line and a line for each row of each group; `columns_of` must give a default row's too.
template <typename Row, typename ColumnsOf>
std::string csv_table(const std::vector<std::vector<Row>>& groups, const ColumnsOf& columns_of) {
  const auto line = [&](const Row& row, bool names) {
    std::string text;
    const char* separator = "";
    for (const auto& [name, value] : columns_of(row)) {
      text += separator + (names ? std::string(name) : value);
      separator = ",";
    }
    return text + '\n';
  };
  std::string out = line(Row(), true);
  for (const std::vector<Row>& group : groups) {
    for (const Row& row : group) out += line(row, false);
  }
  return out;
}

}  // namespace razorscope
