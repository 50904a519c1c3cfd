#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/language/shape.hpp"
#include "models/trace/head_scores.hpp"

namespace razorscope {

/// How retrieval heads are chosen from a probe's scores.
enum class HeadChoice {
  paper,      // the share `induction` of all KV heads with the highest induction scores, united with `echo`
              // likewise
  threshold,  // every KV head with an induction score >= `induction` or an echo score >= `echo`
  gap,     // for each kind of score: all heads above the largest gap between neighbours in the sorted scores
  random,  // a control: as many heads as `paper` takes, drawn from all
  none,    // a control
};

/// By the name that policies and the command line use; InputError(where) with the allowed ones.
HeadChoice head_choice(const std::string& where, const std::string& name);

struct HeadChoiceParameters {
  HeadChoice choice = HeadChoice::paper;
  double induction = 0.14;
  double echo = 0.01;
  uint64_t seed = 1;  // random
};

/// The choice with the limits that it has unless told otherwise: the paper's shares, scores from 0.1.
HeadChoiceParameters usual_parameters(HeadChoice choice);

/// The chosen KV heads, ascending. Shares round half up, at least 1 head each; ties go to the lower layer,
/// then head.
std::vector<HeadId> choose_retrieval_heads(const HeadScores& scores, const HeadChoiceParameters& parameters);

/// What two sets of heads share: |a and b| / |a or b|, 1 where both are empty. Ascending, as chosen.
double jaccard(const std::vector<HeadId>& a, const std::vector<HeadId>& b);

/// All KV heads, the best first, by the larger of their two scores: what `choose=bytes` takes from the front
/// of.
std::vector<HeadId> rank_heads(const HeadScores& scores);

/// A file {"retrieval_kv_heads": [[layer, head], ...]}, used as it is. InputError where it is not one, or
/// names a head that the shape does not have.
std::vector<HeadId> read_head_table(const std::filesystem::path& path, const Shape& shape);

}  // namespace razorscope
