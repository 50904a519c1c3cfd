#include "sim/replay/footprint_recorder.hpp"

#include <algorithm>

namespace razorscope {
namespace {

constexpr double wide_bits = 16.0;

/// One head's bytes: a trace that fits a disk is far from 4 GiB of them.
uint32_t narrow(double bytes) { return static_cast<uint32_t>(bytes + 0.5); }

}  // namespace

FootprintRecorder::FootprintRecorder(const PolicyRun& run, int prefix, int steps)
    : run_(run), footprints_(std::make_shared<ReplayFootprints>()) {
  const Shape& shape = run.shape();
  footprints_->policy = run.policy().name();
  footprints_->layers = shape.layers;
  footprints_->heads = shape.kv_heads;
  footprints_->head_size = shape.head_size;
  footprints_->sharing = run.sharing();
  footprints_->prefix = prefix;
  footprints_->steps = steps;
  footprints_->scoring_queries = std::min(prefix, run.selection().needs().column_queries);
  footprints_->in_chunks = run.selection().when() == When::every_chunk;
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int head = 0; head < shape.kv_heads; ++head)
      footprints_->is_protected.push_back(run.selection().is_protected(layer, head) ? 1 : 0);
  }
  footprints_->footprint.resize(footprints_->index(shape.layers, 0, 0));
}

void FootprintRecorder::attended(int layer, int step, int head, const HeadCache& cache, int tokens_read) {
  const ByteLedger ledger = cache.ledger();
  const HeadCacheSpec spec = run_.head_spec(layer, head);
  const bool coded_keys = spec.key_codec->bits_per_element(spec.head_size) < wide_bits;
  const bool coded_values = spec.value_codec->bits_per_element(spec.head_size) < wide_bits;
  const double share = cache.tokens() > 0 ? static_cast<double>(tokens_read) / cache.tokens() : 0.0;
  // Wide formats have no scales.
  const size_t coded = (coded_keys ? ledger.keys : 0) + (coded_values ? ledger.values : 0) + ledger.scales;
  HeadFootprint& now = footprints_->footprint[footprints_->index(layer, step, head)];
  now.tokens = static_cast<uint32_t>(cache.tokens());
  now.tokens_read = static_cast<uint32_t>(tokens_read);
  now.wide = narrow(share * static_cast<double>(ledger.keys + ledger.values + ledger.scales - coded));
  now.coded = narrow(share * static_cast<double>(coded));
  now.residual = narrow(share * static_cast<double>(ledger.residual));
  now.compensation = narrow(static_cast<double>(ledger.compensation));
  now.scores = narrow(2.0 * static_cast<double>(ledger.scores));
}

void FootprintRecorder::stepped(int layer, int step, const LayerCache& cache) {
  for (int head = 0; head < cache.heads(); ++head) {
    const ByteLedger ledger = cache.head(head).ledger();
    HeadFootprint& now = footprints_->footprint[footprints_->index(layer, step, head)];
    now.held = narrow(static_cast<double>(ledger.physical()));
    now.padding = narrow(static_cast<double>(ledger.padding));
  }
}

void FootprintRecorder::compressed(int layer, const LayerCache& cache) {
  for (int head = 0; head < cache.heads(); ++head)
    attended(layer, 0, head, cache.head(head), cache.head(head).tokens());
  stepped(layer, 0, cache);
}

size_t footprint_memory(int layers, int heads, int steps) {
  return static_cast<size_t>(layers) * static_cast<size_t>(heads) * (static_cast<size_t>(steps) + 1) *
         sizeof(HeadFootprint);
}

}  // namespace razorscope
