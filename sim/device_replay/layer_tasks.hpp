#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "models/devices/step_time.hpp"
#include "sim/device_replay/deployed_cache.hpp"

namespace razorscope {

/// What a device's memory streams, or what else takes time.
enum class StreamKind {
  weights,            // and, in seconds only, the activations between products
  wide,               // K and V, elements of 16 bits or more
  coded,              // K and V, narrower elements
  residual,           // K and V that wait to be coded
  compensation,       // slots of folded tokens
  scores,             // accumulated scores
  exact_prompt,       // K and V that a compression reads
  compressed_prompt,  // and those that it writes
  arithmetic,         // operations
  fixed,              // starting kernels
  step,               // all of a step together
};
std::string_view to_string(StreamKind kind);

/// Bytes and the seconds that they take alone, at the efficiency of what reads them.
struct Stream {
  StreamKind kind = StreamKind::weights;
  double seconds = 0.0;
  double bytes = 0.0;
};

/// Streams that compete for the memory, and arithmetic beside them: ends when all have.
struct Stage {
  std::vector<Stream> streams;
  double arithmetic = 0.0;  // seconds of the arithmetic alone
  bool empty() const { return streams.empty() && arithmetic <= 0.0; }
};

/// A run of layers, or the LM head: the stages follow one another.
struct LayerTask {
  double fixed = 0.0;  // seconds before them
  std::vector<Stage> stages;

  /// On a device that does nothing else.
  double seconds() const;
};

/// Makes tasks whose seconds are those of the step-time model. Not for several threads.
class LayerTasks {
 public:
  LayerTasks(const Device& device, const Shape& shape, WeightType weights);

  /// `layers` layers over a chunk of a prompt.
  LayerTask prefill(int layers, int tokens, double pairs);
  /// The pass over a compressed prompt: the sum of these layers.
  LayerTask compression(const LayerCompression& pass);
  /// One token of each sequence; `read`: of these layers and all sequences together.
  LayerTask decode(int layers, int sequences, const CacheTraffic& read);
  /// The LM head.
  LayerTask logits(int rows);

  Calibration calibration(bool coded) const { return whole_.calibration(coded); }
  const StepTimeModel& model() const { return whole_; }
  /// Bytes of the weights of so many layers, and of the LM head.
  double layer_weights(int layers) const;
  double head_weights() const;

 private:
  const StepTimeModel& of_layers(int layers);

  StepTimeModel whole_;
  std::map<int, StepTimeModel> models_;  // by the number of layers
};

}  // namespace razorscope
