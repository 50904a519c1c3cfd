#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sim/serving/workloads/csv_columns.hpp"
#include "sim/serving/workloads/workload_format.hpp"

// Azure's LLM inference traces (AzurePublicDataset, 2023 and 2024): one request a row, stamped with the time
// of day to 100 ns or finer. https://github.com/Azure/AzurePublicDataset

namespace razorscope {
namespace {

/// Reads digits one after the other; any mismatch makes it fail for good.
class StampParser {
 public:
  explicit StampParser(std::string_view text) : rest_(text) {}

  int digits(size_t count) {
    int value = 0;
    for (size_t i = 0; i < count; ++i) {
      if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') {
        failed_ = true;
        return 0;
      }
      value = 10 * value + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }

  bool optional(char expected) {
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char expected) { failed_ |= !optional(expected); }
  bool digit_follows() const { return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; }
  bool finished() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

/// Nanoseconds since 1970 of "2023-11-16 18:17:03.9799600", perhaps with a "T" between, "Z" or "+00:00"
/// behind. Whole nanoseconds, because a double of this size would lose the last digits.
int64_t parse_stamp(const Place& place, std::string_view value) {
  StampParser parser(value);
  const int year = parser.digits(4);
  parser.expect('-');
  const int month = parser.digits(2);
  parser.expect('-');
  const int day = parser.digits(2);
  if (!parser.optional('T')) parser.expect(' ');
  const int hour = parser.digits(2);
  parser.expect(':');
  const int minute = parser.digits(2);
  parser.expect(':');
  const int second = parser.digits(2);
  int64_t nanoseconds = 0;
  if (parser.optional('.')) {
    for (int64_t unit = 100'000'000; unit > 0 && parser.digit_follows(); unit /= 10)
      nanoseconds += unit * parser.digits(1);
  }
  int offset_minutes = 0;
  if (!parser.optional('Z')) {
    const bool east = parser.optional('+');
    if (east || parser.optional('-')) {
      const int hours = parser.digits(2);
      parser.expect(':');
      offset_minutes = (east ? 1 : -1) * (60 * hours + parser.digits(2));
    }
  }
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!parser.finished() || !date.ok() || year < 1970 || year > 2200 || hour > 23 || minute > 59 ||
      second > 60) {
    fail_field(place, "TIMESTAMP", value, "a time such as 2023-11-16 18:17:03.9799600");
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t minutes = (days * 24 + hour) * 60 + minute - offset_minutes;
  return (minutes * 60 + second) * 1'000'000'000 + nanoseconds;
}

FileRequests read_azure(TextReader& text, size_t most) {
  FileRequests out;
  CsvColumns columns(text, {"TIMESTAMP", "ContextTokens", "GeneratedTokens"});
  std::vector<std::string_view> fields;
  int64_t origin = 0;
  while (out.requests.size() < most && columns.next(fields)) {
    const Place place = text.place();
    const int64_t stamp = parse_stamp(place, fields[0]);
    if (out.requests.empty()) origin = stamp;
    reserve_for_rest(out.requests, text, most);
    out.requests.push_back({.arrival = static_cast<double>(stamp - origin) * 1e-9,
                            .input_tokens = parse_tokens(place, "ContextTokens", fields[1]),
                            .output_tokens = parse_tokens(place, "GeneratedTokens", fields[2])});
  }
  return out;
}

}  // namespace

WorkloadFormat azure_format() {
  return {.name = "azure",
          .help = "CSV: TIMESTAMP,ContextTokens,GeneratedTokens",
          .recognises = [](std::string_view text) { return header_has(text, "ContextTokens"); },
          .read = read_azure};
}

}  // namespace razorscope
