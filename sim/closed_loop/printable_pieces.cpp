#include "sim/closed_loop/printable_pieces.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace razorscope {

std::vector<std::string> printable_pieces(const std::vector<std::string>& pieces) {
  std::vector<std::string> printable;
  std::string pending;  // the beginning of a character
  for (const std::string& piece : pieces) {
    std::string bytes = pending + piece;
    pending.clear();
    size_t whole = bytes.size();
    for (size_t back = 1; back <= std::min<size_t>(3, bytes.size()); ++back) {
      const auto lead = static_cast<unsigned char>(bytes[bytes.size() - back]);
      const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
      if (length > 1) {
        if (length > back) whole = bytes.size() - back;
        break;
      }
      if (lead < 0x80) break;
    }
    pending = bytes.substr(whole);
    bytes.resize(whole);
    for (char& c : bytes) {
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f) c = ' ';
    }
    printable.push_back(std::move(bytes));
  }
  return printable;
}

}  // namespace razorscope
