#pragma once

#include "models/devices/device.hpp"
#include "models/devices/weight_bytes.hpp"

namespace razorscope {

/// What one engine step does, on the rank that has the most to do. A step may prefill chunks of prompts,
/// decode one token of several sequences, or both.
struct StepWork {
  int prefill_tokens = 0;
  double prefill_pairs = 0.0;  // causal query-key pairs of the tokens that are prefilled, over all sequences
  int decode_sequences = 0;
  double kv_bytes = 0.0;          // that decode attention reads of elements with 16 bits or more
  double coded_kv_bytes = 0.0;    // the same of narrower ones, scales included
  int logits_rows = 0;            // rows that the LM head computes
  double other_bytes = 0.0;       // a policy's own traffic: accumulated scores, a compression pass
  double other_operations = 0.0;  // a policy's own products: scores of a prefix
};

/// How long a step takes and on what. Memory and compute work at the same time; each product waits for the
/// slower of both.
struct StepTime {
  double weights = 0.0;           // seconds of all products with weights
  double decode_attention = 0.0;  // K and V
  double prefill_attention = 0.0;
  double all_reduce = 0.0;
  double between_products = 0.0;  // norms and activations
  double policy = 0.0;            // other_bytes, other_operations

  // The same sum as work for a simulator: what waits for neither, what waits for memory while compute works
  // beside it, and the other way round. Seconds of a device that does nothing else.
  struct Overlap {
    double memory = 0.0;
    double compute = 0.0;
  };
  double fixed = 0.0;
  Overlap memory_bound;   // memory >= compute
  Overlap compute_bound;  // compute > memory

  double total() const {
    return weights + decode_attention + prefill_attention + all_reduce + between_products + policy;
  }
};

/// Step times of a model on tp devices (hardware.md):
///   a product:         t0 + max(weight bytes / (eb · bandwidth), operations / (ef · peak))
///   between products:  3 kernels a layer (two norms with the residual sum, the activation), each t0 + the
///   bytes
///                      of the activations that it reads and writes / (eb · bandwidth)
///   decode attention:  t0 + a · sequences + bytes / (eff · bandwidth)      each layer
///   prefill attention: 4 · query heads · head size · pairs / (.45 · peak)  each layer
///   all-reduce:        2 a layer where tp > 1, each 8 us + 2 (tp - 1) / tp · tokens · hidden · 2 bytes /
///                      (.7 · link)
/// Weights of 8 and 4 bits that the device has no arithmetic for are widened on their way: their bytes, the
/// 16-bit peak. Owns copies of what it is made from; any thread may call.
class StepTimeModel {
 public:
  /// InputError where the shape cannot be split over tp ranks.
  StepTimeModel(const Device& device, const Shape& shape, WeightType weights, int tp);

  StepTime step(const StepWork& work) const;

  /// Bytes/s at which decode attention reads a cache, `coded`: one of fewer than 16 bits. A policy's own
  /// traffic has that of 16 bits.
  double cache_bandwidth(bool coded) const;

  /// Of what these seconds are made from; `coded`: with a cache of fewer than 16 bits.
  Calibration calibration(bool coded) const;

  const Device& device() const { return device_; }
  const Shape& shape() const { return shape_; }
  WeightType weight_type() const { return weights_; }
  int tp() const { return tp_; }
  /// Operations/s that the products' peak allows, before any efficiency.
  double peak() const { return peak_; }

 private:
  double between_products(double tokens) const;
  void add_product(const GemmShape& gemm, double rows, double count, StepTime& time) const;

  Device device_;
  Shape shape_;
  WeightType weights_;
  int tp_;
  GemmConstants gemm_;
  double peak_ = 0.0;
  AttentionConstants attention_;
  AttentionConstants coded_attention_;
};

}  // namespace razorscope
