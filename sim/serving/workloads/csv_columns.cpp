#include "sim/serving/workloads/csv_columns.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

void split_commas(std::string_view line, std::vector<std::string_view>& fields) {
  fields.clear();
  while (true) {
    const size_t comma = line.find(',');
    fields.push_back(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    line.remove_prefix(comma + 1);
  }
}

bool header_has(std::string_view text, std::string_view column) {
  std::vector<std::string_view> fields;
  split_commas(text.substr(0, text.find('\n')), fields);
  return std::find(fields.begin(), fields.end(), column) != fields.end();
}

CsvColumns::CsvColumns(TextReader& text, std::vector<std::string> required, std::vector<std::string> optional)
    : text_(text) {
  std::string_view header;
  if (!text_.next_line(header)) throw InputError(text_.path(), "is empty");
  split_commas(header, row_);
  header_fields_ = row_.size();
  const auto find = [&](const std::string& name) {
    const auto found = std::find(row_.begin(), row_.end(), name);
    return found == row_.end() ? absent : static_cast<size_t>(found - row_.begin());
  };
  for (const std::string& name : required) {
    position_.push_back(find(name));
    if (position_.back() != absent) continue;
    throw InputError(fmt::format("{}:1", text_.path()), name,
                     fmt::format("no such column in the header {}; needed: {}", excerpt(header, 200),
                                 fmt::join(required, ", ")));
  }
  for (const std::string& name : optional) position_.push_back(find(name));
}

bool CsvColumns::next(std::vector<std::string_view>& fields) {
  std::string_view line;
  do {
    if (!text_.next_line(line)) return false;
  } while (trimmed(line).empty());
  split_commas(line, row_);
  if (row_.size() != header_fields_) {
    throw InputError(fmt::format("{}:{}", text_.path(), text_.place().line),
                     fmt::format("{} has {} fields; allowed: the header's {}", excerpt(line), row_.size(),
                                 header_fields_));
  }
  fields.clear();
  for (const size_t position : position_)
    fields.push_back(position == absent ? std::string_view() : row_[position]);
  return true;
}

}  // namespace razorscope
