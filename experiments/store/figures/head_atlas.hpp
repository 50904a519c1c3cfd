#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "experiments/store/figures/svg.hpp"
#include "experiments/store/store.hpp"

namespace razorscope {

/// Where in a model policies err: relative errors by layer and query head, of a few replays of one trace.
struct HeadAtlas {
  struct Map {
    TradeoffRow run;
    std::vector<HeadErrors> heads;
  };
  std::vector<Map> maps;
  size_t runs = 0;                                     // of the same trace, prefix and steps
  std::optional<int64_t> probe_id;                     // the latest stored of the model, if there is one
  std::set<std::pair<int, int>> retrieval_heads = {};  // (layer, KV head): the paper's choice on that probe
};

struct HeadAtlases {
  std::vector<HeadAtlas> atlases;
  size_t left_out = 0;  // others, with fewer runs each
};

/// Of each trace, prefix and steps: of each family of policies the run whose bytes lie nearest to the median
/// of all runs but `full`; of those at most six, with the smallest mean errors. Of many traces those with
/// most runs.
HeadAtlases read_head_atlases(Store& store, const std::vector<TradeoffRow>& rows);

/// A heat map for each run of each atlas, side by side, with one scale; retrieval heads are outlined.
Figures head_figures(const HeadAtlases& all);

}  // namespace razorscope
