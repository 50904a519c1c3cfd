#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// Where in a file something stands, for messages: "requests.csv:17".
struct Place {
  std::string_view path;
  int64_t line = 0;  // from 1
};

/// The beginning of a file's text for a message, in quotes: whatever is not printable ASCII becomes "?".
std::string excerpt(std::string_view text, size_t most = 60);

/// Throws InputError "path:line: field: 'value'; allowed: ...".
[[noreturn]] void fail_field(const Place& place, std::string_view field, std::string_view value,
                             std::string_view allowed);

/// A file, or a pipe, read once from its beginning through a buffer: memory is that of the longest line. A
/// byte order mark at the beginning is skipped.
class TextReader {
 public:
  /// No line and no JSON value of a workload is longer: a file without line ends is not read into memory.
  static constexpr size_t longest_record = size_t{16} << 20;

  /// Throws InputError where the file cannot be opened.
  explicit TextReader(const std::string& path);

  /// The next line without its "\n" or "\r\n", valid until the next call; false at the end. Throws
  /// InputError for a line longer than longest_record.
  bool next_line(std::string_view& line);

  /// The next byte, consumed; -1 at the end.
  int take() {
    if (begin_ == end_ && !fill()) return -1;
    const char byte = buffer_[begin_++];
    if (byte == '\n') ++line_ends_;
    return static_cast<unsigned char>(byte);
  }

  /// What the buffer holds of the rest, without consuming it; at least 64 KiB unless the file ends sooner.
  std::string_view beginning();

  /// The line that next_line gave last; with take(), the line of the next byte.
  Place place() const { return {path_, gave_line_ ? line_ends_ : line_ends_ + 1}; }

  const std::string& path() const { return path_; }

  /// Bytes still to be given over those given so far; 0 for what has no size, such as a pipe.
  double rest_over_given() const;

 private:
  bool fill();  // reads more behind what is left; false where there is no more

  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::vector<char> buffer_;
  size_t begin_ = 0;  // the unread part of buffer_
  size_t end_ = 0;
  int64_t line_ends_ = 0;
  bool gave_line_ = false;
  uint64_t file_bytes_ = 0;
  uint64_t bytes_read_ = 0;  // into the buffer
};

}  // namespace razorscope
