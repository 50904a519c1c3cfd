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

std::vector<ProbeHeads> probes_of(const Snapshot& snapshot) {
  std::map<int64_t, std::vector<const RankedHead*>> heads_of;
  for (const RankedHead& head : snapshot.heads) heads_of[head.probe_id].push_back(&head);
  std::vector<ProbeHeads> probes;
  for (const auto& [id, heads] : heads_of) {
    const RankedHead& first = *heads.front();
    ProbeHeads& probe = probes.emplace_back();
    probe.entry = {id, first.model, first.variant, first.seed};
    probe.heads = static_cast<int>(heads.size());
    probe.scores = kv_head_scores(heads);
    probe.induction_rank.resize(probe.scores.induction.size());
    probe.echo_rank.resize(probe.scores.echo.size());
    for (const RankedHead* head : heads) {
      const auto at = static_cast<size_t>(head->layer * probe.scores.kv_heads + head->kv_head);
      probe.induction_rank[at] = head->induction_rank;
      probe.echo_rank[at] = head->echo_rank;
    }
  }
  return probes;
}

const ProbeHeads* find_probe(const std::vector<ProbeHeads>& probes, int64_t id) {
  const auto found = std::find_if(probes.begin(), probes.end(),
                                  [&](const ProbeHeads& probe) { return probe.entry.id == id; });
  return found == probes.end() ? nullptr : &*found;
}

HeadMap induction_map(const HeadScores& scores) {
  return scores.kv_heads == 0 ? HeadMap() : map_of(scores, scores.kv_induction());
}

HeadMap echo_map(const HeadScores& scores) {
  return scores.kv_heads == 0 ? HeadMap() : map_of(scores, scores.kv_echo());
}

Stability stability_map(const std::vector<ProbeHeads>& probes, const std::string& model,
                        const HeadChoiceParameters& parameters) {
  Stability out;
  const auto last = std::find_if(probes.rbegin(), probes.rend(),
                                 [&](const ProbeHeads& probe) { return probe.entry.model == model; });
  if (last == probes.rend()) return out;
  const HeadScores& latest = last->scores;
  out.map = map_of(latest, std::vector<double>(latest.induction.size(), 0.0));
  for (const ProbeHeads& probe : probes) {
    if (probe.entry.model != model) continue;
    const HeadScores& scores = probe.scores;
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
