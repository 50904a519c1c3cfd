#pragma once

#include <memory>

#include "policies/cache/layer_cache.hpp"
#include "sim/replay/footprints.hpp"

namespace razorscope {

/// Reads the ledgers of a policy's caches as a replay goes on. Internal to this folder.
///
/// Contract. For each layer `compressed`, then for each step `attended`, once for each cache, and `stepped`.
class FootprintRecorder {
 public:
  FootprintRecorder(const PolicyRun& run, int prefix, int steps);

  void compressed(int layer, const LayerCache& cache);
  /// The step's query has read so many tokens of a cache, which has not dropped anything since.
  void attended(int layer, int step, int head, const HeadCache& cache, int tokens_read);
  /// The step's evictions are done.
  void stepped(int layer, int step, const LayerCache& cache);

  std::shared_ptr<const ReplayFootprints> finish() { return std::move(footprints_); }

 private:
  const PolicyRun& run_;
  std::shared_ptr<ReplayFootprints> footprints_;
};

/// Bytes that the footprints of one policy take.
size_t footprint_memory(int layers, int heads, int steps);

}  // namespace razorscope
