#include "sim/serving/workloads/text_reader.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <stdexcept>
#include <system_error>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

std::string reason() { return std::error_code(errno, std::generic_category()).message(); }

}  // namespace

std::string excerpt(std::string_view text, size_t most) {
  std::string out = "'";
  for (const char c : text.substr(0, most)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out + (text.size() > most ? "...'" : "'");
}

void fail_field(const Place& place, std::string_view field, std::string_view value,
                std::string_view allowed) {
  throw InputError(fmt::format("{}:{}", place.path, place.line), field,
                   fmt::format("{}; allowed: {}", excerpt(value), allowed));
}

TextReader::TextReader(const std::string& path) : path_(path), file_(nullptr, &std::fclose) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw InputError(path, "is a folder, not a file");
  file_.reset(std::fopen(path.c_str(), "rb"));
  if (!file_) throw InputError(path, "cannot be opened: " + reason());
  std::setvbuf(file_.get(), nullptr, _IONBF, 0);  // the buffer is ours
  if (std::filesystem::is_regular_file(path, ignored)) {
    const auto size = std::filesystem::file_size(path, ignored);
    if (!ignored) file_bytes_ = size;
  }
  buffer_.resize(size_t{1} << 20);
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (beginning().starts_with(byte_order_mark)) begin_ += byte_order_mark.size();
}

bool TextReader::fill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  const size_t count = std::fread(buffer_.data() + end_, 1, buffer_.size() - end_, file_.get());
  if (count == 0 && std::ferror(file_.get()) != 0) {
    throw std::runtime_error(fmt::format("{}: cannot be read: {}", path_, reason()));
  }
  end_ += count;
  bytes_read_ += count;
  return count > 0;
}

std::string_view TextReader::beginning() {
  constexpr size_t enough = size_t{64} << 10;
  while (end_ - begin_ < enough && fill()) {
  }
  return {buffer_.data() + begin_, end_ - begin_};
}

bool TextReader::next_line(std::string_view& line) {
  gave_line_ = true;
  size_t searched = 0;  // of the unread part
  while (true) {
    const char* begin = buffer_.data() + begin_;
    const void* found = std::memchr(begin + searched, '\n', end_ - begin_ - searched);
    size_t length = end_ - begin_;
    if (found != nullptr) {
      length = static_cast<size_t>(static_cast<const char*>(found) - begin);
    } else if (length <= longest_record) {
      searched = length;
      if (fill()) continue;
      if (length == 0) return false;
    }
    ++line_ends_;
    if (length > longest_record) {
      throw InputError(fmt::format("{}:{}", path_, line_ends_),
                       fmt::format("the line is longer than {} MiB", longest_record >> 20));
    }
    line = {buffer_.data() + begin_, length};
    begin_ += length + (found != nullptr ? 1 : 0);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return true;
  }
}

double TextReader::rest_over_given() const {
  const uint64_t given = bytes_read_ - (end_ - begin_);
  if (given == 0 || file_bytes_ <= given) return 0.0;
  return static_cast<double>(file_bytes_ - given) / static_cast<double>(given);
}

}  // namespace razorscope
