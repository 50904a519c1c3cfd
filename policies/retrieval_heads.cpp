#include "policies/retrieval_heads.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <set>

#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"

namespace razorscope {
namespace {

/// Indices of the scores, largest first; equal scores keep their order (lower layer, lower head).
std::vector<size_t> descending(const std::vector<double>& scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  return order;
}

size_t share_of(size_t count, double share) {
  // 0.35 of 90 is 31.5, which binary fractions miss by a hair.
  constexpr double hair = 1e-9;
  const auto rounded = static_cast<size_t>(std::floor(share * static_cast<double>(count) + 0.5 + hair));
  return std::clamp<size_t>(rounded, 1, count);
}

size_t above_largest_gap(const std::vector<double>& scores, const std::vector<size_t>& order) {
  size_t best = 1;
  double largest = -1.0;
  for (size_t i = 1; i < order.size(); ++i) {
    const double gap = scores[order[i - 1]] - scores[order[i]];
    if (gap > largest) {
      largest = gap;
      best = i;
    }
  }
  return std::min(best, order.size());
}

/// How many of the sorted scores one kind of head keeps.
size_t chosen_count(const std::vector<double>& scores, const std::vector<size_t>& order, HeadChoice choice,
                    double limit) {
  switch (choice) {
    case HeadChoice::paper:
      return share_of(order.size(), limit);
    case HeadChoice::gap:
      return above_largest_gap(scores, order);
    case HeadChoice::threshold:
    case HeadChoice::random:
    case HeadChoice::none:
      break;
  }
  return static_cast<size_t>(
      std::count_if(scores.begin(), scores.end(), [&](double x) { return x >= limit; }));
}

HeadId head_id(size_t index, const HeadScores& scores) {
  const auto heads = static_cast<size_t>(scores.kv_heads);
  return {static_cast<int>(index / heads), static_cast<int>(index % heads)};
}

std::vector<HeadId> random_heads(const HeadScores& scores, size_t count, uint64_t seed) {
  std::vector<HeadId> heads;
  for (int i = 0; i < scores.layers * scores.kv_heads; ++i)
    heads.push_back(head_id(static_cast<size_t>(i), scores));
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < count; ++i) std::swap(heads[i], heads[i + random() % (heads.size() - i)]);
  heads.resize(count);
  std::sort(heads.begin(), heads.end());
  return heads;
}

}  // namespace

HeadChoice head_choice(const std::string& where, const std::string& name) {
  if (name == "paper") return HeadChoice::paper;
  if (name == "threshold") return HeadChoice::threshold;
  if (name == "gap") return HeadChoice::gap;
  if (name == "random") return HeadChoice::random;
  if (name == "none") return HeadChoice::none;
  throw InputError(where, unknown_name("head choice", name, {"paper", "threshold", "gap", "random", "none"}));
}

HeadChoiceParameters usual_parameters(HeadChoice choice) {
  if (choice == HeadChoice::threshold) return {choice, 0.1, 0.1};
  HeadChoiceParameters parameters;
  parameters.choice = choice;
  return parameters;
}

std::vector<HeadId> choose_retrieval_heads(const HeadScores& scores, const HeadChoiceParameters& parameters) {
  if (parameters.choice == HeadChoice::none) return {};
  if (parameters.choice == HeadChoice::random) {
    HeadChoiceParameters found = parameters;
    found.choice = HeadChoice::paper;
    return random_heads(scores, choose_retrieval_heads(scores, found).size(), parameters.seed);
  }
  std::set<HeadId> chosen;
  const auto take = [&](const std::vector<double>& kind, double limit) {
    const std::vector<size_t> order = descending(kind);
    const size_t count = chosen_count(kind, order, parameters.choice, limit);
    for (size_t i = 0; i < count; ++i) chosen.insert(head_id(order[i], scores));
  };
  take(scores.kv_induction(), parameters.induction);
  take(scores.kv_echo(), parameters.echo);
  return {chosen.begin(), chosen.end()};
}

double jaccard(const std::vector<HeadId>& a, const std::vector<HeadId>& b) {
  std::vector<HeadId> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  const size_t either = a.size() + b.size() - both.size();
  return either == 0 ? 1.0 : static_cast<double>(both.size()) / static_cast<double>(either);
}

std::vector<HeadId> rank_heads(const HeadScores& scores) {
  std::vector<double> combined = scores.kv_induction();
  const std::vector<double> echo = scores.kv_echo();
  for (size_t i = 0; i < combined.size(); ++i) combined[i] = std::max(combined[i], echo[i]);
  std::vector<HeadId> ranked;
  for (const size_t index : descending(combined)) ranked.push_back(head_id(index, scores));
  return ranked;
}

std::vector<HeadId> read_head_table(const std::filesystem::path& path, const Shape& shape) {
  const nlohmann::json table = nlohmann::json::parse(read_utf8_file(path), nullptr, false);
  const auto fail = [&](const std::string& problem) {
    throw InputError(path.string(), "retrieval_kv_heads",
                     problem + R"(; a head table is {"retrieval_kv_heads": [[layer, head], ...]})");
  };
  if (!table.is_object() || !table.contains("retrieval_kv_heads") ||
      !table["retrieval_kv_heads"].is_array()) {
    fail("is missing or not an array");
  }
  std::set<HeadId> heads;
  for (const nlohmann::json& entry : table["retrieval_kv_heads"]) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_number_integer() ||
        !entry[1].is_number_integer()) {
      fail("holds something that is not a pair of integers");
    }
    const auto layer = entry[0].get<int64_t>();
    const auto head = entry[1].get<int64_t>();
    if (layer < 0 || layer >= shape.layers || head < 0 || head >= shape.kv_heads) {
      fail(fmt::format("[{}, {}] does not exist in a model of {} layers with {} KV heads", layer, head,
                       shape.layers, shape.kv_heads));
    }
    heads.insert({static_cast<int>(layer), static_cast<int>(head)});
  }
  return {heads.begin(), heads.end()};
}

}  // namespace razorscope
