#pragma once

#include <map>
#include <string>
#include <vector>

#include "experiments/advise/candidate.hpp"
#include "experiments/store/rows.hpp"

namespace razorscope {

/// What a store holds about quality.
struct EvidenceRows {
  std::vector<ClosedLoopRow> evaluations = {};
  std::vector<TaskRow> tasks = {};
  std::vector<TradeoffRow> replays = {};
};

struct EvidenceWanted {
  std::string model;        // that advice is for, by its shape's name
  int context = 0;          // tokens of its prompts
  bool same_model = false;  // take nothing from other models
};

/// Figures by policy (canonical name). Of several rows for one policy and metric those of the same model come
/// first, then those of the nearest one; of these, those whose context is nearest in proportion; of these the
/// worst decides. Left out: figures that are not finite; tasks that the model cannot do with the full cache,
/// or whose question is compressed with the context. Tasks at equal bytes belong to the policies that
/// evaluations and replays solved for the same share.
std::map<std::string, Figures> quality_figures(const EvidenceRows& rows, const EvidenceWanted& wanted);

/// Whether two names mean one model: the same letters and digits.
bool is_same_model(const std::string& a, const std::string& b);
/// How alike two models' names are: the longest run of letters and digits that both have.
size_t likeness(const std::string& a, const std::string& b);

}  // namespace razorscope
