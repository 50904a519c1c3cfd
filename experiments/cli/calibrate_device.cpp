#include "experiments/cli/calibrate_device.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <span>
#include <vector>

#include "experiments/cli/bench/layer_copies.hpp"
#include "experiments/cli/bench/limits.hpp"
#include "experiments/cli/bench/timing.hpp"
#include "experiments/store/provenance.hpp"
#include "models/base/buffer.hpp"
#include "models/base/machine.hpp"

namespace razorscope::cli {
namespace {

// Layers of 8 KV heads, four query heads to each: one short sequence, one long, and sixteen short ones. Three
// equations for what a byte, a layer and a sequence cost.
constexpr int sequences = 16;
constexpr LayerSize short_layer{.tokens = 256};
constexpr LayerSize long_layer{.tokens = 8192};
constexpr LayerSize many_layer{.tokens = 256, .kv_heads = 8 * sequences};

// Products with one row read their weights; those with many are bound by arithmetic.
constexpr size_t inputs = 4096;
constexpr size_t few_outputs = 1024;
constexpr size_t many_outputs = 8192;
constexpr size_t prefill_rows = 512;

// On a machine that does nothing else, the usual run is slower than the fastest by less than this.
constexpr double quiet = 0.1;

double rounded(double value) {  // to four digits, which is more than a second run agrees with
  if (value == 0.0) return 0.0;
  const double unit = std::pow(10.0, std::floor(std::log10(std::fabs(value))) - 3.0);
  return unit >= 1.0 ? std::round(value / unit) * unit : std::round(value / unit) / std::round(1.0 / unit);
}

/// Nothing exceeds a limit that was measured beside it, unless others slowed the limit down.
Calibration trust_in(double highest_share) {
  constexpr double noise = 0.05;
  return highest_share > 0.0 && highest_share <= 1.0 + noise ? Calibration::calibrated
                                                             : Calibration::uncalibrated;
}

/// As a device file may hold it; the limit itself where more bytes seemed to take less time.
double share(double value) {
  return std::isfinite(value) && value > 0.0 ? std::clamp(rounded(value), 1e-4, 1.0) : 1.0;
}

/// The memory that copies of a layer lie in.
class LayerMemory {
 public:
  LayerMemory() : values_(more_than_caches_hold() / sizeof(float)) {
    std::fill_n(values_.data(), values_.size(), 0.0F);
  }
  std::span<std::byte> bytes() {
    return {reinterpret_cast<std::byte*>(values_.data()), values_.size() * sizeof(float)};
  }

 private:
  Floats values_;
};

/// Weights that products with one row read in turn, more than caches hold.
class WeightCopies {
 public:
  WeightCopies(size_t outputs, Compute compute)
      : bytes_(static_cast<double>(outputs * inputs * bytes_per_weight(compute))),
        x_(prefill_rows, inputs),
        y_(prefill_rows, outputs) {
    std::fill_n(x_.data(), prefill_rows * inputs, 0.5F);
    Matrix w(outputs, inputs);
    std::fill_n(w.data(), outputs * inputs, 0.5F);
    const auto enough = static_cast<size_t>(static_cast<double>(more_than_caches_hold()) / bytes_) + 1;
    for (size_t i = 0; i < enough; ++i) weights_.emplace_back(w, compute);
  }
  /// Of a product by the next weights.
  double seconds(size_t rows) {
    const PackedWeights& w = weights_[next_++ % weights_.size()];
    return seconds_of([&] { w.multiply(x_.data(), rows, y_.data()); });
  }
  double bytes() const { return bytes_; }

 private:
  double bytes_;
  Matrix x_;
  Matrix y_;
  std::vector<PackedWeights> weights_;
  size_t next_ = 0;
};

/// The fastest of several passes, since a short one is easily disturbed.
TimedWork fastest_of(int passes, const TimedWork& work) {
  return [passes, work] {
    double fastest = work();
    for (int i = 1; i < passes; ++i) fastest = std::min(fastest, work());
    return fastest;
  };
}

/// Seconds or bytes of a pass over the short, the long and the many sequences.
struct LayerFigures {
  double one_short;
  double one_long;
  double many_short;
};

AttentionConstants fit_attention(const LayerFigures& seconds, const LayerFigures& bytes, double bandwidth) {
  const double rate = (bytes.one_long - bytes.one_short) / (seconds.one_long - seconds.one_short);
  const double per_byte = 1.0 / (share(rate / bandwidth) * bandwidth);
  const double more_sequences =
      seconds.many_short - seconds.one_short - (bytes.many_short - bytes.one_short) * per_byte;
  const double per_sequence = std::max(0.0, more_sequences / (sequences - 1));
  const double fixed = std::max(0.0, seconds.one_short - per_sequence - bytes.one_short * per_byte);
  return {share(rate / bandwidth), rounded(fixed), rounded(per_sequence), trust_in(rate / bandwidth)};
}

/// Seconds of products with one row and few or many outputs, and of one with prefill_rows rows.
struct ProductTimes {
  double few;
  double many;
  double prefill;
};

GemmConstants fit_gemm(const ProductTimes& seconds, double few_bytes, double many_bytes, double bandwidth,
                       double peak) {
  const double rate = (many_bytes - few_bytes) / (seconds.many - seconds.few) / bandwidth;
  const double fixed = std::max(0.0, seconds.few - few_bytes / (share(rate) * bandwidth));
  const double flops = 2.0 * static_cast<double>(prefill_rows * inputs * many_outputs);
  const double compute = flops / std::max(seconds.prefill - fixed, 1e-9) / peak;
  const bool lost = rate <= 0.0;  // more bytes in less time
  return {rounded(fixed), share(rate), share(compute), trust_in(lost ? rate : std::max(rate, compute))};
}

}  // namespace

double calibration_bytes() {
  const auto caches = static_cast<double>(more_than_caches_hold());
  constexpr double others =
      768.0 * 1024.0 * 1024.0;  // the peak's products, and weights before they are packed
  return 5.0 * caches + std::max(caches, 256.0 * 1024.0 * 1024.0) + others;
}

Device calibrate_device(const CalibrationSettings& settings, Progress& progress) {
  refuse_beyond_memory("devices calibrate", "what is read in turn", static_cast<size_t>(calibration_bytes()));
  const Compute compute = has_instructions_for(Compute::bf16) ? Compute::bf16 : Compute::f32;
  const ReadPeak stream;
  const ProductPeak f32_peak(Compute::f32);
  const ProductPeak peak(compute);
  std::vector<LayerMemory> memories(3);
  const auto layer = [&](const LayerSize& size, size_t i) {
    return LayerCopies(size, "bf16", "devices calibrate", settings.seed, memories[i].bytes());
  };
  LayerCopies one_short = layer(short_layer, 0);
  LayerCopies one_long = layer(long_layer, 1);
  LayerCopies many_short = layer(many_layer, 2);
  WeightCopies few(few_outputs, compute);
  WeightCopies many(many_outputs, compute);

  std::vector<TimedWork> works = {fastest_of(4, stream.work()),
                                  fastest_of(16, [&] { return one_short.seconds(); }),
                                  fastest_of(8, [&] { return one_long.seconds(); }),
                                  fastest_of(8, [&] { return many_short.seconds(); }),
                                  fastest_of(16, [&] { return few.seconds(1); }),
                                  fastest_of(4, [&] { return many.seconds(1); }),
                                  [&] { return many.seconds(prefill_rows); }};
  const auto others = static_cast<ptrdiff_t>(works.size());
  for (TimedWork& work : f32_peak.works()) works.push_back(std::move(work));
  const auto f32_end = static_cast<ptrdiff_t>(works.size());
  for (TimedWork& work : peak.works()) works.push_back(std::move(work));
  // What others on the machine do only ever adds time: the fastest run is the machine's own.
  std::vector<double> seconds;
  double disturbed = 0.0;  // by how much the stream's usual run is slower than its fastest
  for (const std::vector<double>& runs :
       interleaved_runs(works, settings.repeats, progress, "devices calibrate")) {
    seconds.push_back(*std::min_element(runs.begin(), runs.end()));
    if (seconds.size() == 1) disturbed = median(runs) / seconds.front() - 1.0;
  }
  const std::vector<double> f32_seconds(seconds.begin() + others, seconds.begin() + f32_end);
  const std::vector<double> peak_seconds(seconds.begin() + f32_end, seconds.end());

  const Provenance provenance = current_provenance(compute);
  Device device;
  device.name = settings.name.empty() ? provenance.cpu : settings.name;
  device.vendor = cpu_vendor();
  device.memory_bytes = static_cast<int64_t>(total_memory());
  device.memory_kind = "RAM";
  device.bandwidth = rounded(stream.gb_per_s(seconds[0]) * 1e9);
  device.bf16_peak = rounded(peak.gflop_per_s(peak_seconds) * 1e9);
  device.status = "measured";
  device.source = fmt::format("razorscope {} devices calibrate, {}", provenance.program_version, utc_now());
  device.note = fmt::format("{}, threads {}, kernels {}; products in {}; f32 peak {:.4g} operations/s",
                            provenance.cpu, provenance.threads, provenance.target, compute_name(compute),
                            f32_peak.gflop_per_s(f32_seconds) * 1e9);
  device.attention["bf16"] =
      fit_attention({seconds[1], seconds[2], seconds[3]},
                    {one_short.bytes(), one_long.bytes(), many_short.bytes()}, device.bandwidth);
  device.gemm["bf16"] = fit_gemm({seconds[4], seconds[5], seconds[6]}, few.bytes(), many.bytes(),
                                 device.bandwidth, device.bf16_peak);
  Calibration& attention = device.attention["bf16"].calibration;
  Calibration& gemm = device.gemm["bf16"].calibration;
  if (disturbed > quiet || attention != Calibration::calibrated || gemm != Calibration::calibrated) {
    device.note += "; the machine was busy with something else: measure again";
    attention = gemm = Calibration::uncalibrated;
  }
  return device;
}

}  // namespace razorscope::cli
