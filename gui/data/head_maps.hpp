#pragma once

#include <QString>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "gui/data/format.hpp"
#include "gui/data/snapshot.hpp"
#include "policies/retrieval_heads.hpp"

namespace razorscope::gui {

/// A figure of each head of a model: of query heads, or of KV heads, each of which stands for its group.
struct HeadMap {
  int layers = 0;
  int heads = 0;                    // of a layer
  std::vector<double> values = {};  // [layers, heads]; NaN: none

  double at(int layer, int head) const { return values[static_cast<size_t>(layer * heads + head)]; }
  bool empty() const { return values.empty(); }
};

/// One of the figures that a replay has of each query head.
struct HeadFigure {
  const char* key;    // as in the database's view head_errors
  const char* title;  // "Relative error"
  const char* help;
  double HeadErrors::*value;
};
const std::vector<HeadFigure>& head_error_figures();

/// A probe as a user knows it.
struct ProbeEntry {
  int64_t id = 0;
  std::string model;
  std::string variant;
  uint64_t seed = 0;

  QString text() const;
};
/// A probe with what it found out about each KV head.
struct ProbeHeads {
  ProbeEntry entry;
  HeadScores scores;
  std::vector<int> induction_rank;  // [layers, kv_heads], from 1; 0: the probe has no such head
  std::vector<int> echo_rank;       // likewise
  int heads = 0;                    // that have a rank
};
/// In the order of their ids. All heads are gone through: to be made once a snapshot.
std::vector<ProbeHeads> probes_of(const Snapshot& snapshot);
/// Nothing where there is no such probe.
const ProbeHeads* find_probe(const std::vector<ProbeHeads>& probes, int64_t id);

HeadMap induction_map(const HeadScores& scores);
HeadMap echo_map(const HeadScores& scores);
/// How often each KV head is among the retrieval heads, as a share of all probes of a model that have the
/// shape of the latest.
struct Stability {
  HeadMap map;
  int probes = 0;
};
Stability stability_map(const std::vector<ProbeHeads>& probes, const std::string& model,
                        const HeadChoiceParameters& parameters);

/// Of query heads, as a replay measured them. Numbers of heads are those that the store allows.
HeadMap error_map(const std::vector<HeadErrors>& heads, const HeadFigure& figure);
/// KV heads of a layer; 0 where there is none.
int kv_heads_of(const std::vector<HeadErrors>& heads);

/// Means of a figure over query heads; nothing where there is none of a kind.
struct HeadMeans {
  std::optional<double> retrieval;  // whose KV head is among those chosen
  std::optional<double> others;
};
HeadMeans head_means(const std::vector<HeadErrors>& heads, const HeadFigure& figure,
                     const std::vector<HeadId>& chosen);

}  // namespace razorscope::gui
