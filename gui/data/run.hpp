#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace razorscope::gui {

enum class RunKind { replay, eval, task, explain, plan, serving };
const char* to_string(RunKind kind);

/// A run's name in the database: ids of what was measured and of what was modelled are series of their own.
struct RunRef {
  bool on_device = false;
  int64_t id = 0;

  auto operator<=>(const RunRef&) const = default;
};

/// What runs are sorted into. `family` is a policy's selection; `share` the share of the full cache's bytes
/// that its size was solved for.
enum class Facet { kind, model, text, family, codec, share, prefix, device, sweep };
inline constexpr size_t facet_count = 9;
inline constexpr std::array<Facet, facet_count> all_facets = {Facet::kind,   Facet::model,  Facet::text,
                                                              Facet::family, Facet::codec,  Facet::share,
                                                              Facet::prefix, Facet::device, Facet::sweep};

/// A word for files ("model"), and one for people ("Model").
const char* facet_key(Facet facet);
const char* facet_title(Facet facet);

/// A run of any kind in a snapshot.
struct Run {
  RunRef ref;
  RunKind kind = RunKind::replay;
  size_t row = 0;  // in the snapshot's rows of its kind
  std::array<int, facet_count> values =
      {};          // of each facet, an index into the snapshot's names of it; -1: none
  int label = -1;  // of the policy, and as it was asked for: indices into the snapshot's labels; -1: none
  int requested = -1;
  int subject = -1;  // runs of one subject may be compared: an index into the snapshot's subjects; -1: none

  int value(Facet facet) const { return values[static_cast<size_t>(facet)]; }
};

}  // namespace razorscope::gui
