#include "sim/serving/workloads/json_records.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "sim/serving/workloads/workload_format.hpp"

namespace razorscope {
namespace {

constexpr int deepest = 32;

bool blank(int byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

/// A value as it stands in a message. Invalid UTF-8 cannot be there: the parser refused it.
std::string shown(const nlohmann::json& value) {
  return value.is_structured() ? std::string(value.type_name()) : value.dump();
}

}  // namespace

JsonRecords::JsonRecords(TextReader& text) : text_(text), place_(text.place()) {
  const std::string_view beginning = text.beginning();
  const size_t first = beginning.find_first_not_of(" \t\r\n");
  array_ = first != std::string_view::npos && beginning[first] == '[';
}

void JsonRecords::fail(std::string_view problem) const {
  throw InputError(fmt::format("{}:{}", place_.path, place_.line), problem);
}

int JsonRecords::take_nonblank() {
  int byte = text_.take();
  while (blank(byte)) byte = text_.take();
  place_ = text_.place();
  return byte;
}

bool JsonRecords::next_line_text(std::string_view& text) {
  do {
    if (!text_.next_line(text)) return false;
    place_ = text_.place();
  } while (text.find_first_not_of(" \t") == std::string_view::npos);
  return true;
}

bool JsonRecords::next_element_text(std::string_view& text) {
  int byte = take_nonblank();
  if (!in_array_) {
    in_array_ = true;  // that byte is the "[" that the constructor saw
    byte = take_nonblank();
  } else if (byte == ',') {
    byte = take_nonblank();
    if (byte == ']') fail("'{' expected after ',' in the array");
  } else if (byte != ']') {
    fail("',' or ']' expected after an object of the array");
  }
  if (byte == ']') {
    if (take_nonblank() != -1) fail("there is more after the array's end");
    return false;
  }
  if (byte != '{') fail("'{' expected: an array's elements are objects");
  // Its end is where its brackets close; whether it is JSON the parser will say.
  element_.assign(1, '{');
  int depth = 1;
  bool in_string = false;
  while (depth > 0) {
    byte = text_.take();
    if (byte == -1) fail("the file ends within this object");
    if (element_.size() == TextReader::longest_record) {
      fail(fmt::format("the object is longer than {} MiB", TextReader::longest_record >> 20));
    }
    element_.push_back(static_cast<char>(byte));
    if (in_string) {
      if (byte == '"') in_string = false;
      if (byte == '\\' && (byte = text_.take()) != -1) element_.push_back(static_cast<char>(byte));
    } else if (byte == '"') {
      in_string = true;
    } else if (byte == '{' || byte == '[') {
      ++depth;
    } else if (byte == '}' || byte == ']') {
      --depth;
    }
  }
  text = element_;
  return true;
}

bool JsonRecords::next(nlohmann::json& record) {
  std::string_view text;
  if (!(array_ ? next_element_text(text) : next_line_text(text))) return false;
  // Brackets without end would cost many times their own length. With few of them nothing can be deep, and
  // parsing without the callback is faster.
  const auto check_depth = [this](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > deepest) fail(fmt::format("the JSON is nested deeper than {}", deepest));
    return true;
  };
  const bool shallow =
      std::count_if(text.begin(), text.end(), [](char c) { return c == '[' || c == '{'; }) <= deepest;
  try {
    record = shallow ? nlohmann::json::parse(text.begin(), text.end())
                     : nlohmann::json::parse(text.begin(), text.end(), check_depth);
  } catch (const nlohmann::json::parse_error& problem) {
    // The library's own text names a line within the object, and may be as long as the object.
    fail(fmt::format("{} is not JSON: fault at byte {}", excerpt(text), problem.byte));
  } catch (const nlohmann::json::out_of_range&) {
    fail(fmt::format("{} has a number too large for JSON", excerpt(text)));
  }
  if (!record.is_object()) fail(fmt::format("{} is not an object", excerpt(text)));
  return true;
}

const nlohmann::json& json_field(const Place& place, const nlohmann::json& record, const char* field) {
  const auto found = record.find(field);
  if (found == record.end()) {
    throw InputError(fmt::format("{}:{}", place.path, place.line), field, "is missing");
  }
  return *found;
}

int json_tokens(const Place& place, const nlohmann::json& record, const char* field) {
  const nlohmann::json& value = json_field(place, record, field);
  // Unsigned values beyond int64_t become negative, which is refused as well.
  const int64_t tokens = value.is_number_integer() ? value.get<int64_t>() : 0;
  if (tokens < 1 || tokens > most_tokens) {
    fail_field(place, field, shown(value), "a whole number of tokens, 1 to 100000000");
  }
  return static_cast<int>(tokens);
}

double json_time(const Place& place, const nlohmann::json& record, const char* field) {
  const nlohmann::json& value = json_field(place, record, field);
  const double time = value.is_number() ? value.get<double>() : -1.0;
  if (!(time >= 0.0 && time <= 1e15)) fail_field(place, field, shown(value), "a number, 0 to 1e15");
  return time;
}

bool has_json_key(std::string_view text, std::string_view key) {
  return text.find(fmt::format("\"{}\"", key)) != std::string_view::npos;
}

}  // namespace razorscope
