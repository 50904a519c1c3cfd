#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace razorscope {

/// (layer, KV head)
using HeadId = std::pair<int, int>;

/// What a probe found out about every head (razor-attention: echo and induction scores). Per query head,
/// layer by layer.
struct HeadScores {
  int layers = 0;
  int query_heads = 0;
  int kv_heads = 0;
  int block = 0;    // K, tokens of the block that was repeated
  int repeats = 0;  // R
  uint64_t seed = 0;
  std::string variant;            // sum-prior or last-prior
  std::string token_source;       // vocabulary, range or ids
  std::vector<double> echo;       // [layers, query_heads]
  std::vector<double> induction;  // [layers, query_heads]

  /// A KV head's score is the largest of its group's. [layers, kv_heads]
  std::vector<double> kv_echo() const { return group_maximum(echo); }
  std::vector<double> kv_induction() const { return group_maximum(induction); }

 private:
  std::vector<double> group_maximum(const std::vector<double>& scores) const;
};

nlohmann::json to_json(const HeadScores& scores);
/// Throws std::invalid_argument that names the key at fault.
HeadScores head_scores_from_json(const nlohmann::json& value);

}  // namespace razorscope
