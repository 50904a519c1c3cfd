#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sim/serving/workloads/text_reader.hpp"

namespace razorscope {

/// The objects of a file that has one a line (JSONL), or that is one JSON array of them: which of the two
/// its first byte says. One object at a time is in memory.
class JsonRecords {
 public:
  explicit JsonRecords(TextReader& text);

  /// The next object; false at the end. Throws InputError for what is not JSON, is no object, is longer than
  /// TextReader::longest_record, is nested deeper than 32, or follows the array.
  bool next(nlohmann::json& record);

  /// Where the latest object begins.
  Place place() const { return place_; }

 private:
  bool next_line_text(std::string_view& text);
  bool next_element_text(std::string_view& text);
  int take_nonblank();
  [[noreturn]] void fail(std::string_view problem) const;

  TextReader& text_;
  bool array_ = false;
  bool in_array_ = false;  // its "[" was read
  std::string element_;
  Place place_;
};

/// The value of a field that must be there. Throws InputError.
const nlohmann::json& json_field(const Place& place, const nlohmann::json& record, const char* field);

/// A field that holds 1 to most_tokens.
int json_tokens(const Place& place, const nlohmann::json& record, const char* field);

/// A field that holds a time, 0 to 1e15.
double json_time(const Place& place, const nlohmann::json& record, const char* field);

/// Whether the text has the key, quoted as JSON quotes it (within a string's value its quotes would be
/// escaped).
bool has_json_key(std::string_view text, std::string_view key);

}  // namespace razorscope
