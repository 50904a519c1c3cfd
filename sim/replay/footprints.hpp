#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace razorscope {

/// One cache (of a KV head, or of a query head that has its own) at one step, from its ledger. Bytes, but for
/// the tokens. What a query reads is the rows of the tokens it reads: all that are held, unless its selection
/// says otherwise.
struct HeadFootprint {
  uint32_t tokens = 0;        // held while the step's query attends, its own included
  uint32_t tokens_read = 0;   // of them, by the query
  uint32_t held = 0;          // physical, once the step has dropped what it drops
  uint32_t padding = 0;       // of it, what is allocated and not (yet) used
  uint32_t wide = 0;          // read: rows of elements with 16 bits or more
  uint32_t coded = 0;         // read: rows of narrower ones, scales included
  uint32_t residual = 0;      // read: rows that wait to be coded
  uint32_t compensation = 0;  // read
  uint32_t scores = 0;        // accumulated scores, read and written

  size_t read() const { return size_t{wide} + coded + residual + compensation; }
};

/// What a policy's caches held and what queries read of them, step by step. Step 0 is the moment after the
/// prefix was compressed: its reads are those of a query that would come then. Step s is the s-th decoded
/// token. Bounded by check_replay: 36 bytes a step, layer and cache.
struct ReplayFootprints {
  std::string policy;  // canonical name
  int layers = 0;
  int heads = 0;  // caches of a layer
  int head_size = 0;
  int sharing = 1;  // caches that hold rows of one KV head
  int prefix = 0;
  int steps = 0;
  int scoring_queries = 0;               // of the prefix's last ones, whose weights the selection asked for
  bool in_chunks = false;                // compressed at the end of each chunk of the prefix
  std::vector<uint8_t> is_protected;     // [layers, heads]
  std::vector<HeadFootprint> footprint;  // [layers, steps + 1, heads]

  size_t index(int layer, int step, int head) const {
    return (static_cast<size_t>(layer) * static_cast<size_t>(steps + 1) + static_cast<size_t>(step)) *
               static_cast<size_t>(heads) +
           static_cast<size_t>(head);
  }
  const HeadFootprint& at(int layer, int step, int head) const { return footprint[index(layer, step, head)]; }
  bool protects(int layer, int head) const {
    return is_protected[static_cast<size_t>(layer) * static_cast<size_t>(heads) +
                        static_cast<size_t>(head)] != 0;
  }
};

}  // namespace razorscope
