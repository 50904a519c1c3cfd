#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "experiments/store/store.hpp"
#include "policies/policy.hpp"

namespace razorscope {

/// The KV heads that a policy keeps whole, and what its other heads keep.
struct ProtectedHeads {
  std::set<HeadId> heads;
  int sinks = 0;
  int recent = 0;
  std::string source;  // where the heads come from, for people
};

/// What a store's latest probe of a model found, with one query head a KV head, as only those are kept apart.
/// Nothing where there is none that fits the shape.
struct StoredProbe {
  int64_t probe_id = 0;
  HeadScores scores;
};
std::optional<StoredProbe> latest_probe(const std::vector<RankedHead>& ranking, const Shape& shape);

/// The heads of a policy that protects some; of others those of `duo`. Its own heads=FILE, else the probe;
/// nothing where it takes one and there is none. `context`: tokens of a prompt, which a window may depend on.
std::optional<ProtectedHeads> protected_heads_of(const Policy& policy, const Shape& shape, int context,
                                                 const std::optional<StoredProbe>& probe);

/// The same with heads that are given, `source` says from where: only what other heads keep is the policy's.
ProtectedHeads with_heads(const Policy& policy, const Shape& shape, int context,
                          const std::vector<HeadId>& heads, const std::string& source);

/// The layout of DuoAttention's full_attention_heads.tsv: a row a layer, a column a KV head, 1.0 for a head
/// that keeps everything and 0.0 for one that streams, tabs between.
std::string duo_attention_table(const Shape& shape, const std::set<HeadId>& heads);
/// The keys of its config.json that its reader wants.
std::string duo_attention_config(const ProtectedHeads& heads);
/// {"model", "layers", "kv_heads", "retrieval_heads": {"0": [3, 5], ...}, "sinks", "recent"}
std::string head_list_json(const Shape& shape, const ProtectedHeads& heads);

}  // namespace razorscope
