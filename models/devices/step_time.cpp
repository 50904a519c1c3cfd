#include "models/devices/step_time.hpp"

#include <algorithm>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

constexpr double prefill_attention_efficiency = 0.45;
constexpr double all_reduce_t0 = 8e-6;
constexpr double link_efficiency = 0.7;
constexpr double sixteen_bits = 2.0;
/// Bandwidth that reading a coded cache reaches, against one of 16 bits: the mean of the devices that were
/// measured with both (fp8 on H100 .79/.91, H200 .61/.88, B200 .88/.91, L40S .71/.84).
constexpr double coded_share = 0.84;

Calibration worse(Calibration a, Calibration b) { return std::max(a, b); }
Calibration at_least_borrowed(Calibration a) { return worse(a, Calibration::borrowed); }

const AttentionConstants& sixteen_bit_attention(const Device& device) {
  const auto found = device.attention.find("bf16");
  if (found == device.attention.end())
    throw InputError(device.name, "attention.bf16", "the device has no constants for a cache of 16 bits");
  return found->second;
}

AttentionConstants coded_attention(const Device& device) {
  const auto found = device.attention.find("fp8");
  if (found != device.attention.end()) return found->second;
  AttentionConstants constants = sixteen_bit_attention(device);
  constants.efficiency *= coded_share;
  constants.calibration = at_least_borrowed(constants.calibration);
  return constants;
}

GemmConstants gemm_constants(const Device& device, WeightType weights) {
  const auto wide = device.gemm.find("bf16");
  if (wide == device.gemm.end())
    throw InputError(device.name, "gemm.bf16", "the device has no constants for weights of 16 bits");
  if (weights == WeightType::bf16) return wide->second;
  const auto narrow = device.gemm.find("fp8");
  GemmConstants constants = narrow != device.gemm.end() ? narrow->second : wide->second;
  const bool as_measured = weights == WeightType::fp8 && narrow != device.gemm.end() && device.fp8_peak;
  if (!as_measured) {
    constants.compute_efficiency = wide->second.compute_efficiency;
    constants.calibration = at_least_borrowed(constants.calibration);
  }
  return constants;
}

/// Puts work that overlaps where its slower part says.
void overlap(double memory, double compute, StepTime& time) {
  StepTime::Overlap& part = memory >= compute ? time.memory_bound : time.compute_bound;
  part.memory += memory;
  part.compute += compute;
}

}  // namespace

StepTimeModel::StepTimeModel(const Device& device, const Shape& shape, WeightType weights, int tp)
    : device_(device), shape_(shape), weights_(weights), tp_(tp), gemm_(gemm_constants(device, weights)) {
  check_tensor_parallel(shape, tp);
  if (tp > 1 && device.link_bandwidth <= 0.0)
    throw InputError("--tp", device.name + " has no link to others of its kind: only 1 is possible");
  peak_ = weights == WeightType::fp8 && device.fp8_peak ? *device.fp8_peak : device.bf16_peak;
  attention_ = sixteen_bit_attention(device);
  coded_attention_ = coded_attention(device);
}

Calibration StepTimeModel::calibration(bool coded) const {
  return worse(gemm_.calibration, coded ? coded_attention_.calibration : attention_.calibration);
}

double StepTimeModel::cache_bandwidth(bool coded) const {
  return (coded ? coded_attention_ : attention_).efficiency * device_.bandwidth;
}

void StepTimeModel::add_product(const GemmShape& gemm, double rows, double count, StepTime& time) const {
  const double bytes = gemm.weights() * bytes_per_weight(weights_);
  const double memory = bytes / (gemm_.bandwidth_efficiency * device_.bandwidth);
  const double compute = 2.0 * rows * gemm.weights() / (gemm_.compute_efficiency * peak_);
  time.weights += count * (gemm_.t0_seconds + std::max(memory, compute));
  time.fixed += count * gemm_.t0_seconds;
  overlap(count * memory, count * compute, time);
}

/// Bytes of the rows that kernels between products read and write, in a layer. Ranks share the activation,
/// but each computes whole norms.
double StepTimeModel::between_products(double tokens) const {
  const double norms = 2.0 * 4.0 * shape_.hidden;  // read the row and the residual sum, write both
  const double activation = (shape_.mlp == MlpKind::swiglu ? 3.0 : 2.0) * shape_.feed_forward / tp_;
  return (norms + activation) * sixteen_bits * tokens;
}

StepTime StepTimeModel::step(const StepWork& work) const {
  StepTime time;
  const double layers = shape_.layers;
  const int tokens = work.prefill_tokens + work.decode_sequences;
  if (tokens > 0) {
    for (const GemmShape& gemm : layer_gemms(shape_, tp_)) add_product(gemm, tokens, layers, time);
    constexpr double kernels = 3.0;
    const double fixed = layers * kernels * gemm_.t0_seconds;
    const double stream =
        layers * between_products(tokens) / (gemm_.bandwidth_efficiency * device_.bandwidth);
    time.between_products = fixed + stream;
    time.fixed += fixed;
    overlap(stream, 0.0, time);
  }
  if (work.logits_rows > 0) add_product(head_gemm(shape_, tp_), work.logits_rows, 1.0, time);

  if (work.decode_sequences > 0) {
    const bool coded = work.coded_kv_bytes > 0.0;
    const double t0 =
        coded ? std::max(attention_.t0_seconds, coded_attention_.t0_seconds) : attention_.t0_seconds;
    const double fixed = layers * (t0 + attention_.per_sequence_seconds * work.decode_sequences);
    const double stream = work.kv_bytes / (attention_.efficiency * device_.bandwidth) +
                          work.coded_kv_bytes / (coded_attention_.efficiency * device_.bandwidth);
    time.decode_attention = fixed + stream;
    time.fixed += fixed;
    overlap(stream, 0.0, time);
  }
  if (work.prefill_pairs > 0.0) {
    const double width = static_cast<double>(shape_.query_width()) / tp_;
    const double operations = layers * 4.0 * width * work.prefill_pairs;
    time.prefill_attention = operations / (prefill_attention_efficiency * device_.bf16_peak);
    overlap(0.0, time.prefill_attention, time);
  }
  if (tp_ > 1 && tokens > 0) {
    const double bytes = 2.0 * (tp_ - 1) / tp_ * tokens * shape_.hidden * sixteen_bits;
    time.all_reduce = 2.0 * layers * (all_reduce_t0 + bytes / (link_efficiency * device_.link_bandwidth));
    time.fixed += time.all_reduce;
  }
  if (work.other_bytes > 0.0 || work.other_operations > 0.0) {
    const double memory = work.other_bytes / (attention_.efficiency * device_.bandwidth);
    const double compute = work.other_operations / (prefill_attention_efficiency * device_.bf16_peak);
    time.policy = std::max(memory, compute);
    overlap(memory, compute, time);
  }
  return time;
}

}  // namespace razorscope
