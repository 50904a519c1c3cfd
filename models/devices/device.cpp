#include "models/devices/device.hpp"

namespace razorscope {

std::string_view to_string(Calibration calibration) {
  switch (calibration) {
    case Calibration::calibrated:
      return "calibrated";
    case Calibration::borrowed:
      return "borrowed";
    default:
      return "uncalibrated";
  }
}

}  // namespace razorscope
