#pragma once

#include <QStringList>

#include "gui/data/head_maps.hpp"

namespace razorscope::gui {

/// A KV head, and perhaps one of the query heads that read it (else -1: all of its group).
struct HeadPlace {
  int layer = 0;
  int kv_head = 0;
  int query_head = -1;

  bool operator==(const HeadPlace&) const = default;
};

/// A run's errors, as they lie in the database.
struct HeadErrorsOfRun {
  RunRef run;
  QString policy;
  std::vector<HeadErrors> heads;
};

/// "Layer 3, KV head 1".
QString place_text(const HeadPlace& place);

/// What a probe found out about a KV head; "" where it has no such head, or is null.
QString score_words(const ProbeHeads* probe, const HeadPlace& place, bool chosen);

/// All that is known of a head, as a page of HTML: its scores and ranks, whether it was chosen, and its
/// errors in each of these runs (means over the query heads meant).
QString head_page(const ProbeHeads* probe, const HeadPlace& place, bool chosen,
                  const std::vector<HeadErrorsOfRun>& runs);

/// Which heads of a run a figure is largest in, the worst first: "layer 5, query head 8 (KV head 2): 2.77".
QStringList worst_heads(const HeadErrorsOfRun& run, const HeadFigure& figure, size_t most);

}  // namespace razorscope::gui
