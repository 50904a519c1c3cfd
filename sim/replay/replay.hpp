#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "models/trace/trace.hpp"
#include "policies/cache/byte_ledger.hpp"
#include "policies/policy.hpp"
#include "sim/replay/footprints.hpp"

namespace razorscope {

/// One query head's errors under a policy, over the replayed queries.
struct HeadErrors {
  int layer = 0;
  int kv_head = 0;
  int query_head = 0;
  double relative_error = 0.0;  // mean of ||o' - o|| / ||o||, o: the head's output under full+f32, before W_O
  double relative_error_max = 0.0;  // of a single query
  double lost_mass = 0.0;  // mean share of the full softmax on tokens that are not held (folded ones count)
                           // or not read
  double lost_mass_max = 0.0;           // of a single query
  double largest_dropped_weight = 0.0;  // of a single token under the full softmax
  double kl = 0.0;                      // mean KL(policy || full) of the attention distribution, in nats
};

/// What a policy cost and saved on a trace. Means are over queries first, then over heads.
struct ReplayResult {
  std::string policy;  // canonical name
  double relative_error_mean = 0.0;
  double relative_error_p99 = 0.0;  // over head rows, linear between ranks
  double relative_error_max = 0.0;  // over head rows
  double lost_mass_mean = 0.0;
  double lost_mass_max = 0.0;           // of a single query in any head
  double largest_dropped_weight = 0.0;  // of a single token in any head
  double kl_mean = 0.0;
  /// lost_mass_mean above the least that any eviction could lose which holds as many tokens as this policy
  /// lets each query read, in the mean over queries and KV heads (the best tokens for a query and its group,
  /// chosen anew for each query: what oracle/topk reads).
  double regret_mean = 0.0;
  double read_tokens_mean = 0.0;  // that a query reads of a KV head, its own included
  std::optional<double>
      output_error_mean;  // after W_O, mean over queries and layers; where the trace has W_O
  ByteLedger compressed;  // right after the prefix was compressed
  ByteLedger at_end;      // after the last step
  /// Largest sum while layers are compressed one after another: exact f32 K and V of the layers to come, and
  /// of the one at hand, plus the caches that are done. Under every-chunk at most: one
  /// layer's chunk, and all caches as large as they end.
  size_t peak_bytes = 0;
  double kept_tokens_mean = 0.0;  // per cache (of a KV head, or of a query head), right after compression
  int protected_heads = 0;
  bool dropped_nothing = false;  // neither the prefix nor any step lost a token, and queries read them all
  std::vector<HeadErrors> heads;
  std::vector<std::vector<std::vector<int32_t>>>
      kept;  // [layer][KV head, or query head under group_agg=query-head] kept prefix positions, where asked
             // for
  std::shared_ptr<const ReplayFootprints> footprints;  // where asked for
  double seconds = 0.0;                                // thread time spent on this policy
  double step_seconds = 0.0;  // the steps' share of it, after the prefix was compressed
};

struct ReplayRequest {
  int prefix = 0;  // P tokens, computed exactly, then compressed
  int steps = 0;   // queries P .. P + S - 1, each after its own token was appended
  std::vector<Policy> policies;
  bool want_kept = false;
  bool want_footprints = false;
};

/// Throws InputError where prefix and steps do not fit the trace, there is nothing to replay, or the
/// footprints asked for would not fit in memory.
void check_replay(const Trace& trace, const ReplayRequest& request);

/// Replays a trace open loop under every policy, in one pass over the trace. Throws InputError as
/// check_replay does, and where a policy makes no sense on the trace's model. Parallel over policies and
/// heads; results do not depend on the number of threads.
std::vector<ReplayResult> replay(const Trace& trace, const ReplayRequest& request, Progress& progress);

}  // namespace razorscope
