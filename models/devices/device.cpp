#include "models/devices/device.hpp"

#include <algorithm>
#include <cctype>

namespace razorscope {

std::string_view to_string(Calibration calibration) {
  switch (calibration) {
    case Calibration::calibrated:
      return "calibrated";
    case Calibration::borrowed:
      return "borrowed";
    case Calibration::uncalibrated:
      break;
  }
  return "uncalibrated";
}

std::string folded_device_name(std::string_view name) {
  std::string folded;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    // Bytes from 0x80 on belong to letters of other alphabets.
    if (std::isalnum(byte) != 0 || c == '.' || c == '+' || byte >= 0x80)
      folded += static_cast<char>(byte < 0x80 ? std::tolower(byte) : byte);
  }
  return folded;
}

bool is_device_name(std::string_view name) {
  constexpr size_t longest = 80;
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == 127; };
  return !folded_device_name(name).empty() && name.size() <= longest &&
         name.find_first_of(";#/") == std::string_view::npos && name.front() != ' ' && name.back() != ' ' &&
         !name.ends_with(".toml") && std::none_of(name.begin(), name.end(), is_control);
}

}  // namespace razorscope
