#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/serving/workloads/text_reader.hpp"

namespace razorscope {

/// The fields of a CSV file's rows that a reader wants, whatever their order and whatever stands between
/// them. Fields are plain: no commas or quotes within.
class CsvColumns {
 public:
  /// Reads the header. Throws InputError where one of `required` is missing; of `optional` any may be.
  CsvColumns(TextReader& text, std::vector<std::string> required, std::vector<std::string> optional = {});

  /// Whether the header has the column `index` of required, then optional ones.
  bool has(size_t index) const { return position_[index] != absent; }

  /// The next row's fields, in the order of required and optional ones, without blanks around them; valid
  /// until the next call. Blank lines are passed over. False at the end; throws InputError for a row with
  /// another number of fields than the header.
  bool next(std::vector<std::string_view>& fields);

 private:
  static constexpr size_t absent = static_cast<size_t>(-1);

  TextReader& text_;
  size_t header_fields_ = 0;
  std::vector<size_t> position_;       // of each wanted column in the header
  std::vector<std::string_view> row_;  // all fields of the latest row
};

/// The fields between commas, without blanks around them; `fields` is emptied first.
void split_commas(std::string_view line, std::vector<std::string_view>& fields);

/// Whether the text's first line is a CSV header with that column.
bool header_has(std::string_view text, std::string_view column);

}  // namespace razorscope
