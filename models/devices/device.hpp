#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// How far constants of the step-time model can be trusted.
///   calibrated:   fitted to measurements of this device
///   borrowed:     those of a similar device, or of another element type
///   uncalibrated: assumed; nobody measured anything comparable
enum class Calibration { calibrated, borrowed, uncalibrated };
std::string_view to_string(Calibration calibration);

/// Decode attention of one layer: seconds = t0 + per_sequence · batch + bytes of K and V / (efficiency ·
/// bandwidth).
struct AttentionConstants {
  double efficiency = 0.0;            // share of the device's bandwidth
  double t0_seconds = 0.0;            // per layer
  double per_sequence_seconds = 0.0;  // per layer and sequence
  Calibration calibration = Calibration::uncalibrated;
};

/// One matrix product: seconds = t0 + max(bytes / (bandwidth_efficiency · bandwidth),
/// operations / (compute_efficiency · peak)).
struct GemmConstants {
  double t0_seconds = 0.0;  // per product
  double bandwidth_efficiency = 0.0;
  double compute_efficiency = 0.0;
  Calibration calibration = Calibration::uncalibrated;
};

/// A GPU, an NPU, or this machine. Figures are dense and decimal: bytes, bytes/s, operations/s. Both maps
/// hold bf16 always, and fp8 where the device has an fp8 peak: constants that nobody measured are assumed
/// ones.
struct Device {
  std::string name;
  std::string vendor;
  int64_t memory_bytes = 0;        // as the device reports it
  bool memory_is_nominal = false;  // GiB of the data sheet's figure, nobody asked a device
  std::string memory_kind;         // HBM3, GDDR6X, ...
  double bandwidth = 0.0;          // of its memory
  double bf16_peak = 0.0;
  /// What the arithmetic could do where the maker halves it for sums in f32 (GeForce): a borrowed compute
  /// efficiency, which power and clock allow, is a share of this, up to the whole bf16_peak.
  std::optional<double> bf16_uncapped_peak;
  std::optional<double> fp8_peak;
  std::optional<double> int8_peak;
  double link_bandwidth = 0.0;  // to its neighbours, one direction; 0 where it stands alone
  std::string status;           // of the figures: vendor, vendor copy, third-party, disputed, measured
  std::string source;
  std::string note;                                     // "" or one line
  std::map<std::string, AttentionConstants> attention;  // by the cache's element type: bf16, fp8
  std::map<std::string, GemmConstants> gemm;            // by the weights' element type: bf16, fp8
  std::string constants_of;                             // the device that both are borrowed from, or ""
  std::vector<std::string> aliases;                     // further names that find it
};

/// What two spellings of one device's name have in common: case, blanks, dashes and brackets do not count, so
/// that "h100-sxm" is "H100 SXM".
std::string folded_device_name(std::string_view name);

/// Whether it can stand in a list ("L40S;H100 SXM") and behind a file ("mine.toml#L40S"), in one line: up to
/// 80 bytes with a letter or digit, without ; # / and control characters, and without blanks around it.
bool is_device_name(std::string_view name);

}  // namespace razorscope
