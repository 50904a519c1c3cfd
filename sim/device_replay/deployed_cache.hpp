#pragma once

#include <vector>

#include "models/language/shape.hpp"
#include "sim/replay/footprints.hpp"

namespace razorscope {

/// Bytes of a cache that one decode step reads.
struct CacheTraffic {
  double wide = 0.0;          // K and V, elements of 16 bits or more
  double coded = 0.0;         // K and V, narrower elements with their scales
  double residual = 0.0;      // K and V that wait to be coded
  double compensation = 0.0;  // slots that stand for folded tokens
  double scores = 0.0;        // accumulated scores, read and written

  double total() const { return wide + coded + residual + compensation + scores; }
  CacheTraffic& operator+=(const CacheTraffic& other);
  CacheTraffic operator*(double factor) const;
};

/// What compressing a layer's prompt costs, once.
struct LayerCompression {
  double read = 0.0;        // bytes of exact 16-bit rows
  double written = 0.0;     // bytes of the cache that is left
  double operations = 0.0;  // of scoring the prompt's tokens
};

/// A recorded cache on the shape that is deployed: bytes of one sequence, layer by layer. On the recorded
/// shape with the recorded prompt these are the ledgers' own; else
///   layers and KV heads of the shape take those of the recording in turn (layer l that of l mod L);
///   rows go with the head size, coded ones as their codec says, and so do positions, scores and spare room;
///   a longer prompt scales what a head keeps of it, and leaves alone how it grows from step to step, its
///   residual window, its compensation slots and its spare room.
/// Caches grow as this program allocates them: by an eighth once a block is full.
class DeployedCache {
 public:
  /// context: prompt tokens; 0: as recorded. InputError in the name of --context or --as where it makes no
  /// sense.
  DeployedCache(const ReplayFootprints& recorded, const Shape& shape, int context);

  int layers() const { return layers_; }
  int steps() const { return steps_; }
  int prompt() const { return prompt_; }
  /// Whether anything is left to do to the prompt once it is in. Else rows are coded as they are written.
  bool compresses() const { return compresses_; }
  bool coded() const { return coded_; }

  /// Physical bytes after a step; after step 0, the compression.
  double held(int step) const { return held_[static_cast<size_t>(step)]; }
  /// The same of one layer, after compression.
  double compressed(int layer) const { return compressed_[static_cast<size_t>(layer)]; }
  /// Bytes of a layer's prompt before it is compressed; 0 where nothing is.
  double exact(int layer) const { return exact_[static_cast<size_t>(layer)]; }
  /// Bytes while so many tokens of the prompt are in, in blocks of 16; the whole prompt's are the sum of
  /// exact(), or held(0) where nothing is compressed. Never falls.
  double prefilling(int tokens) const;

  const LayerCompression& compression(int layer) const { return compression_[static_cast<size_t>(layer)]; }
  /// What the query of step 1 .. steps() reads of a layer.
  const CacheTraffic& read(int step, int layer) const {
    return read_[static_cast<size_t>(step) * static_cast<size_t>(layers_) + static_cast<size_t>(layer)];
  }

 private:
  double exact_layer(int layer, int tokens) const;

  int layers_;
  int heads_;         // caches of a layer
  int kv_heads_;      // of the shape
  double row_bytes_;  // of one token's K and V in 16 bits, one KV head
  int steps_;
  int prompt_;
  bool in_chunks_;
  bool compresses_ = false;
  bool coded_ = false;
  std::vector<double> held_;                   // [steps + 1]
  std::vector<double> compressed_;             // [layers]
  std::vector<double> exact_;                  // [layers]
  std::vector<double> kept_;                   // [layers, heads] tokens after compression
  std::vector<CacheTraffic> read_;             // [steps + 1, layers]
  std::vector<LayerCompression> compression_;  // [layers]
};

}  // namespace razorscope
