#include "experiments/store/markup.hpp"

#include "models/base/mapped_file.hpp"

namespace razorscope {
namespace {

std::string escaped(char c, bool utf8) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  const bool allowed = byte < 0x80 ? byte >= 0x20 && byte != 0x7f : utf8;
  return {allowed ? c : '?'};
}

}  // namespace

std::string escaped(const std::string& text) {
  const bool utf8 = first_invalid_utf8(text) == std::string::npos;
  std::string out;
  for (const char c : text) out += escaped(c, utf8);
  return out;
}

}  // namespace razorscope
