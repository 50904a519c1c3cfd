#include "experiments/store/figures/head_atlas.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>

#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/ranked_heads.hpp"
#include "experiments/store/report_curves.hpp"
#include "experiments/store/report_groups.hpp"
#include "policies/retrieval_heads.hpp"

namespace razorscope {
namespace {

constexpr size_t most_maps = 6;
constexpr size_t most_atlases = 3;

std::vector<TradeoffRow> chosen_runs(const std::vector<TradeoffRow>& rows) {
  std::vector<int64_t> sizes;
  for (const TradeoffRow& row : rows) {
    if (!is_full(row)) sizes.push_back(row.physical_bytes);
  }
  if (sizes.empty()) return {rows.front()};
  const auto middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
  std::nth_element(sizes.begin(), middle, sizes.end());
  const auto distance = [median = *middle](const TradeoffRow& row) {
    return std::abs(row.physical_bytes - median);
  };
  std::map<std::string_view, TradeoffRow> nearest;  // by family
  for (const TradeoffRow& row : rows) {
    if (is_full(row)) continue;
    const auto [found, is_new] = nearest.try_emplace(policy_style(row.policy).paint.name, row);
    if (!is_new && distance(row) < distance(found->second)) found->second = row;
  }
  std::vector<TradeoffRow> chosen;
  for (auto& [family, row] : nearest) chosen.push_back(std::move(row));
  std::stable_sort(chosen.begin(), chosen.end(), [](const TradeoffRow& a, const TradeoffRow& b) {
    return a.relative_error_mean < b.relative_error_mean;
  });
  if (chosen.size() > most_maps) chosen.resize(most_maps);
  return chosen;
}

}  // namespace

HeadAtlases read_head_atlases(Store& store, const std::vector<TradeoffRow>& rows) {
  if (rows.empty()) return {};
  std::vector<std::vector<TradeoffRow>> groups =
      grouped_in_order(rows, [](const TradeoffRow& row) { return subject_key(row); });
  HeadAtlases out;
  out.left_out = keep_heaviest(groups, most_atlases, [](const auto& group) { return group.size(); });
  const std::vector<RankedHead> ranking = store.head_ranking();
  for (const std::vector<TradeoffRow>& group : groups) {
    HeadAtlas atlas;
    atlas.runs = group.size();
    for (const TradeoffRow& row : chosen_runs(group)) {
      std::vector<HeadErrors> heads = store.head_errors(row.run_id);
      if (!heads.empty()) atlas.maps.push_back({row, std::move(heads)});
    }
    if (atlas.maps.empty()) continue;
    for (const RankedHead& head : ranking) {
      if (head.model == group.front().model)
        atlas.probe_id = std::max(atlas.probe_id.value_or(0), head.probe_id);
    }
    if (atlas.probe_id) {
      const std::vector<HeadId> chosen = choose_retrieval_heads(kv_head_scores(ranking, *atlas.probe_id),
                                                                usual_parameters(HeadChoice::paper));
      atlas.retrieval_heads = {chosen.begin(), chosen.end()};
    }
    out.atlases.push_back(std::move(atlas));
  }
  return out;
}

}  // namespace razorscope
