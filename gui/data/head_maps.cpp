#include "gui/data/head_maps.hpp"

#include <algorithm>
#include <map>

#include "experiments/store/ranked_heads.hpp"

namespace razorscope::gui {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

HeadMap map_of(const HeadScores& scores, std::vector<double> values) {
  return {scores.layers, scores.kv_heads, std::move(values)};
}

}  // namespace

const std::vector<HeadFigure>& head_error_figures() {
  static const std::vector<HeadFigure> figures = {
      {"relative_error", "Relative error", "of the head's output, mean over queries",
       &HeadErrors::relative_error},
      {"relative_error_max", "Largest error", "relative error of the head's output, of a single query",
       &HeadErrors::relative_error_max},
      {"lost_mass", "Lost mass", "share of attention on tokens that are not held, mean over queries",
       &HeadErrors::lost_mass},
      {"lost_mass_max", "Largest lost mass", "share of attention on tokens that are not held, of one query",
       &HeadErrors::lost_mass_max},
      {"largest_dropped_weight", "Largest dropped weight", "of a single token, under the full softmax",
       &HeadErrors::largest_dropped_weight},
      {"kl_nats", "KL (nats)", "of the attention distribution to the full one, mean over queries",
       &HeadErrors::kl}};
  return figures;
}

QString ProbeEntry::text() const {
  return QStringLiteral("%1: seed %2, %3").arg(id).arg(seed).arg(QString::fromStdString(variant));
}

std::vector<ProbeEntry> probe_entries(const Snapshot& snapshot) {
  std::map<int64_t, ProbeEntry> entries;
  for (const RankedHead& head : snapshot.heads)
    entries.try_emplace(head.probe_id, ProbeEntry{head.probe_id, head.model, head.variant, head.seed});
  std::vector<ProbeEntry> all;
  for (auto& [id, entry] : entries) all.push_back(std::move(entry));
  return all;
}

HeadMap induction_map(const HeadScores& scores) {
  return scores.kv_heads == 0 ? HeadMap() : map_of(scores, scores.kv_induction());
}

HeadMap echo_map(const HeadScores& scores) {
  return scores.kv_heads == 0 ? HeadMap() : map_of(scores, scores.kv_echo());
}

Stability stability_map(const Snapshot& snapshot, const std::string& model,
                        const HeadChoiceParameters& parameters) {
  Stability out;
  std::vector<HeadScores> probes;
  for (const ProbeEntry& probe : probe_entries(snapshot)) {
    if (probe.model == model) probes.push_back(kv_head_scores(snapshot.heads, probe.id));
  }
  if (probes.empty()) return out;
  const HeadScores& latest = probes.back();
  out.map = map_of(latest, std::vector<double>(latest.induction.size(), 0.0));
  for (const HeadScores& scores : probes) {
    if (scores.layers != latest.layers || scores.kv_heads != latest.kv_heads) continue;
    ++out.probes;
    for (const auto& [layer, head] : choose_retrieval_heads(scores, parameters))
      out.map.values[static_cast<size_t>(layer * latest.kv_heads + head)] += 1.0;
  }
  for (double& value : out.map.values) value /= out.probes;
  return out;
}

HeadMap error_map(const std::vector<HeadErrors>& heads, const HeadFigure& figure) {
  HeadMap map;
  for (const HeadErrors& head : heads) {
    map.layers = std::max(map.layers, head.layer + 1);
    map.heads = std::max(map.heads, head.query_head + 1);
  }
  map.values.assign(static_cast<size_t>(map.layers) * static_cast<size_t>(map.heads), none);
  for (const HeadErrors& head : heads)
    map.values[static_cast<size_t>(head.layer * map.heads + head.query_head)] = head.*figure.value;
  return map;
}

int kv_heads_of(const std::vector<HeadErrors>& heads) {
  int count = 0;
  for (const HeadErrors& head : heads) count = std::max(count, head.kv_head + 1);
  return count;
}

HeadMeans head_means(const std::vector<HeadErrors>& heads, const HeadFigure& figure,
                     const std::vector<HeadId>& chosen) {
  double sums[2] = {0.0, 0.0};
  size_t counts[2] = {0, 0};
  for (const HeadErrors& head : heads) {
    const bool is_chosen = std::binary_search(chosen.begin(), chosen.end(), HeadId{head.layer, head.kv_head});
    sums[is_chosen ? 1 : 0] += head.*figure.value;
    ++counts[is_chosen ? 1 : 0];
  }
  const auto mean = [&](size_t kind) {
    return counts[kind] == 0 ? std::nullopt : std::optional(sums[kind] / static_cast<double>(counts[kind]));
  };
  return {mean(1), mean(0)};
}

}  // namespace razorscope::gui
