#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/language/shape.hpp"
#include "models/trace/head_scores.hpp"
#include "policies/parameter.hpp"

namespace razorscope {

/// When a selection is asked to plan (the parameter `when`).
///   after_prefill: once, at the end of the prefix; later tokens are all kept
///   every_step:    then also after each decoded token
///   every_chunk:   at the end of each chunk of the prefix (prefill_chunk tokens) and of the prefix; later
///                  tokens are all kept. `plan` is then shown what it is shown after a step: no PrefixView.
enum class When { after_prefill, every_step, every_chunk };

/// How dropped tokens live on in a compensation slot (razor-attention, section 1.2).
enum class Compensation {
  none,        // they are forgotten
  weighted,    // one slot of means, which counts as many tokens as it stands for
  unweighted,  // the same, which counts as one token
  variance,    // weighted, with the second cumulant of the keys
  clusters,    // several weighted slots: streaming k-means on the keys
  chunks,      // several weighted slots: means of contiguous chunks
  covariance,  // weighted, with a low-rank correction of the value by the query
};

struct CompensationSpec {
  CompensationSpec() = default;
  CompensationSpec(Compensation kind_of_slot) : kind(kind_of_slot) {}  // NOLINT(google-explicit-constructor)
  Compensation kind = Compensation::none;
  int slots = 1;  // clusters, chunks
  int rank = 0;   // covariance
  bool operator==(const CompensationSpec&) const = default;
};

/// What one KV head loses at one moment. Positions are token positions, ascending, each currently held by the
/// head.
struct HeadPlan {
  std::vector<int32_t> dropped;
  bool fold = false;  // all dropped tokens join the head's compensation slot
};

/// One entry per KV head of the layer.
using LayerPlan = std::vector<HeadPlan>;

/// Rows of one layer in f32: row t of head h at data + t·token_stride + h·head_stride.
struct HeadRows {
  const float* data = nullptr;
  size_t token_stride = 0;
  size_t head_stride = 0;
  int sharing = 1;  // consecutive heads that have one row in common: the group, where each query head has its
                    // own cache of its KV head's rows
  const float* row(int token, int head) const {
    return data + static_cast<size_t>(token) * token_stride +
           static_cast<size_t>(head / sharing) * head_stride;
  }
};

/// What a selection wants to be shown; what nobody needs is not computed.
struct Needs {
  static constexpr int all_queries = 1 << 30;
  int column_queries = 0;     // PrefixView::columns over the last so many queries of the prefix
  bool rows = false;          // PrefixView::keys, values and queries
  bool step_weights = false;  // LayerView::weights after each step
  bool accumulate =
      false;  // LayerView::scores: the cache keeps one f32 a slot and adds each query's weight to it
  bool future = false;         // PrefixView::future_columns: oracles, in replay only
  bool exact_weights = false;  // QueryView::exact_weights: oracles, in replay only

  /// Whether only a replay can show all of it.
  bool replay_only() const { return future || exact_weights; }
};

/// The exact prefix of one layer, at the moment when it is compressed.
struct PrefixView {
  HeadRows queries;                 // after the position scheme; [tokens, query_heads]
  HeadRows keys;                    // [tokens, kv_heads]
  HeadRows values;                  // [tokens, kv_heads]
  const double* columns = nullptr;  // [query_heads, tokens] softmax weights summed over the queries asked for
  const double* future_columns = nullptr;  // [query_heads, tokens] the same, over queries after the prefix
};

/// What a selection may look at when it plans: one layer, now. At a chunk's end, the same as after a step.
struct LayerView {
  int layer = 0;
  int tokens = 0;  // seen so far; the newest has position tokens - 1
  /// Positions that each KV head holds, in slot order (not sorted). An empty span stands for 0 .. tokens - 1.
  std::vector<std::span<const int32_t>> held = {};
  const PrefixView* prefix = nullptr;  // at the end of the prefix, else null
  /// After a step, where asked for: per KV head the softmax weights of the latest query, [group, slots +
  /// compensation slots] in slot order.
  std::vector<std::span<const float>> weights = {};
  /// Where asked for: per KV head the accumulated score of each slot.
  std::vector<std::span<const float>> scores = {};
};

/// What a selection may look at before a query attends to one KV head, where queries do not read all that is
/// held.
struct QueryView {
  int layer = 0;
  int kv_head = 0;
  int position = 0;                    // of the query, whose own token is held by now
  int slots = 0;                       // tokens held
  std::span<const int32_t> held = {};  // their positions, as in LayerView
  /// Where asked for: [position + 1] softmax weights of uncompressed attention, summed over the group.
  std::span<const double> exact_weights = {};

  int32_t position_of(int slot) const { return held.empty() ? slot : held[static_cast<size_t>(slot)]; }
};

/// Which tokens a selection holds by rule in heads that it does not protect, so that a reader can be told why
/// a token is there.
struct KeptRegions {
  int sinks = 0;               // the first tokens
  int recent = 0;              // the latest ones
  bool heavy_hitters = false;  // whatever else is held was chosen by accumulated attention
};

/// Decides which tokens a KV head keeps; the cache carries the plan out and accounts for it.
///
/// Contract. Made once per sequence, after its prefix length is known. `plan` is called per layer at the
/// moments that `when` names, with layers in any order and from several threads; it must be a pure function
/// of what it is shown and of what the selection was made with, and never looks at anything later than now.
/// It owns nothing outside itself.
class Selection {
 public:
  virtual ~Selection() = default;
  virtual When when() const = 0;
  virtual Needs needs() const { return {}; }
  virtual LayerPlan plan(const LayerView& view) const = 0;
  virtual CompensationSpec compensation() const { return {}; }
  virtual KeptRegions regions() const { return {}; }
  /// Whether every query reads all that its head holds; where not, which slots it reads (ascending, at least
  /// one).
  virtual bool reads_all() const { return true; }
  virtual std::vector<int32_t> slots_read(const QueryView& /*view*/) const { return {}; }
  /// Initial accumulated scores of a KV head's tokens, [tokens]; asked for where needs().accumulate.
  virtual std::vector<float> initial_scores(const LayerView& /*view*/, int /*kv_head*/) const { return {}; }
  /// What one query adds to the accumulated score of a slot: weights of the group's query heads on it.
  virtual float score_of_weights(std::span<const float> group_weights) const {
    float sum = 0.0F;
    for (const float weight : group_weights) sum += weight;
    return sum;
  }
  /// Tokens that each KV head of a layer keeps of a prefix, or under every_step of so many tokens seen, where
  /// that follows without observing anything; else from the plan.
  virtual std::optional<std::vector<int>> kept_counts(int /*layer*/, int /*tokens*/) const {
    return std::nullopt;
  }
  /// Whether keys are held before RoPE and stand at their slots' indices in each step, instead of at the
  /// positions they were computed at.
  virtual bool slot_positions() const { return false; }
  /// Whether the head is one that the selection found worth keeping whole (codec scopes `protected` and
  /// `others`).
  virtual bool is_protected(int /*layer*/, int /*kv_head*/) const { return false; }
};

/// Bounds on |q·k|/sqrt(d) of a model's heads, for selections that derive a scope from them.
class ScoreBoundSource {
 public:
  virtual ~ScoreBoundSource() = default;
  /// The largest over the KV head's group. kind: calibrated (quantile used), norm-bound, paper. Throws
  /// InputError where this source does not know.
  virtual double bound(const std::string& kind, double quantile, int layer, int kv_head) const = 0;
};

/// What a selection is made from besides its parameters. Everything must outlive the call only.
struct SelectionContext {
  const Shape& shape;
  int prefix = 0;                            // P, tokens of the prompt
  const HeadScores* probe = nullptr;         // null: none at hand
  const ScoreBoundSource* bounds = nullptr;  // null: none at hand
  double bytes_per_token = 0.0;  // of one KV head, K and V under the policy's codec; PolicyRun fills it in
  double protected_bytes_per_token = 0.0;  // the same for protected heads
};

/// A selection's declaration: published defaults, source and deviations stand where it is declared. To add
/// one: a file like window.cpp with such an entry, and a line in selection.cpp.
struct SelectionEntry {
  std::string name;
  std::vector<std::string> variants;  // the first is the default; empty: none
  std::string help;                   // one line
  std::string source;                 // where it was published, and where this deviates
  std::vector<Parameter> parameters;
  std::string size_parameter;  // the integer that the equal-bytes solver turns; "": its size is fixed
  std::map<std::string, std::string> unsized_variants = {};  // variants that it cannot size, and why
  bool protects_heads = false;
  bool unnamed_default = false;  // the default variant goes without saying in tables
  std::function<std::unique_ptr<const Selection>(const std::string& variant, const ParameterValues&,
                                                 const SelectionContext&)>
      make;
};

SelectionEntry full_selection();
SelectionEntry window_selection();
SelectionEntry h2o_selection();
SelectionEntry tova_selection();
SelectionEntry snapkv_selection();
SelectionEntry pyramidkv_selection();
SelectionEntry adakv_selection();
SelectionEntry duo_selection();
SelectionEntry razor_selection();
SelectionEntry occam_selection();
SelectionEntry knorm_selection();
SelectionEntry expected_selection();
SelectionEntry keydiff_selection();
SelectionEntry lagkv_selection();
SelectionEntry random_selection();
SelectionEntry oracle_selection();

const std::vector<SelectionEntry>& selection_registry();
/// InputError, with the nearest name, where there is no such selection.
const SelectionEntry& find_selection(std::string_view where, std::string_view name);

/// The parameter `when`, shared by selections; `fallback` is the selection's published default, every_chunk
/// whether it can evict chunk by chunk.
Parameter when_parameter(std::string fallback, bool every_chunk = false);
When when_of(const ParameterValues& values);

/// What sinks and a window leave of `tokens`.
int tokens_in_window(int tokens, int sinks, int recent);
/// Selection::kept_counts of one whose heads keep everything where it protects them, else its regions.
std::vector<int> window_counts(const Selection& selection, int layer, int kv_heads, int tokens);

/// Positions that a head holds in [begin, end), ascending.
std::vector<int32_t> held_between(const LayerView& view, size_t kv_head, int begin, int end);

}  // namespace razorscope
