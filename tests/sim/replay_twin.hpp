#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sim/replay/replay.hpp"
#include "tests/sim/random_trace.hpp"
#include "tests/support/tensor_encoder.hpp"

namespace razorscope::testing {

enum class TwinSlot { none, weighted, unweighted };

/// A policy as the twin knows it: which tokens a head keeps, and what becomes of the others.
struct TwinPolicy {
  std::string text;  // the same for the program
  int sinks = 0;
  std::function<int(int layer, int kv_head)> window;  // latest tokens that a head keeps; negative: everything
  TwinSlot slot = TwinSlot::none;
  bool every_step = false;
  bool halves = false;  // rows are stored in f16
};

struct TwinResult {
  std::vector<HeadErrors> heads;
  std::vector<std::vector<std::vector<int32_t>>> kept;  // [layer][KV head] after the prefix
  double output_error_mean = 0.0;
  size_t stored_at_end = 0;  // rows of K, all heads
};

/// Replay, in double precision and as plainly as it can be written: whole attention, and the policy's beside
/// it.
class ReplayTwin {
 public:
  ReplayTwin(const PlainTrace& trace, int prefix, int steps, const TwinPolicy& policy)
      : trace_(trace), prefix_(prefix), steps_(steps), policy_(policy) {}

  TwinResult run() {
    for (int layer = 0; layer < trace_.options().layers; ++layer) run_layer(layer);
    result_.output_error_mean /= static_cast<double>(trace_.options().layers) * steps_;
    return std::move(result_);
  }

 private:
  using Numbers = std::vector<double>;
  struct Row {
    Numbers key;
    Numbers value;
  };
  struct Head {
    std::map<int, Row> held;
    std::map<int, Row> folded;
  };
  struct Attention {
    Numbers out;
    std::map<int, double> weights;  // of tokens; a slot's weight spread evenly over the tokens folded into it
  };

  void run_layer(int layer) {
    const TraceOptions& options = trace_.options();
    std::vector<Head> heads;
    result_.kept.emplace_back();
    for (int h = 0; h < options.kv_heads; ++h) {
      heads.push_back(compressed(layer, h));
      result_.kept.back().emplace_back();
      for (const auto& [position, row] : heads.back().held) result_.kept.back().back().push_back(position);
    }
    std::vector<HeadErrors> errors(static_cast<size_t>(options.query_heads()));
    for (int step = 0; step < steps_; ++step) {
      const int position = prefix_ + step;
      Numbers ours;
      Numbers exact;
      for (int h = 0; h < options.kv_heads; ++h) {
        Head& head = heads[static_cast<size_t>(h)];
        head.held[position] = stored(exact_row(layer, h, position));
        for (int g = 0; g < options.group; ++g) {
          const int query_head = h * options.group + g;
          const Attention full = attend(layer, query_head, position, whole(layer, h, position));
          const Attention mine = attend(layer, query_head, position, head);
          add_errors(full, mine, head, errors[static_cast<size_t>(query_head)]);
          exact.insert(exact.end(), full.out.begin(), full.out.end());
          ours.insert(ours.end(), mine.out.begin(), mine.out.end());
        }
        if (policy_.every_step) drop(layer, h, position + 1, head);
      }
      if (options.hidden > 0)
        result_.output_error_mean += relative(projected(layer, ours), projected(layer, exact));
    }
    for (size_t q = 0; q < errors.size(); ++q) {
      errors[q].layer = layer;
      errors[q].query_head = static_cast<int>(q);
      errors[q].kv_head = static_cast<int>(q) / options.group;
      errors[q].relative_error /= steps_;
      errors[q].lost_mass /= steps_;
      errors[q].kl /= steps_;
      result_.heads.push_back(errors[q]);
    }
    for (const Head& head : heads) result_.stored_at_end += head.held.size();
  }

  Row exact_row(int layer, int head, int token) const {
    Row row;
    for (int i = 0; i < trace_.options().head_size; ++i) {
      row.key.push_back(trace_.k(layer, token, head, i));
      row.value.push_back(trace_.v(layer, token, head, i));
    }
    return row;
  }

  Row stored(Row row) const {
    if (!policy_.halves) return row;
    for (double& x : row.key) x = from_f16(to_f16(static_cast<float>(x)));
    for (double& x : row.value) x = from_f16(to_f16(static_cast<float>(x)));
    return row;
  }

  bool goes(int layer, int head, int token, int tokens) const {
    const int window = policy_.window(layer, head);
    return window >= 0 && token >= policy_.sinks && token < tokens - window;
  }

  Head compressed(int layer, int h) const {
    Head head;
    for (int token = 0; token < prefix_; ++token) {
      const Row row = exact_row(layer, h, token);
      if (!goes(layer, h, token, prefix_)) {
        head.held[token] = stored(row);
      } else if (policy_.slot != TwinSlot::none) {
        head.folded[token] = row;
      }
    }
    return head;
  }

  void drop(int layer, int h, int tokens, Head& head) const {
    for (int token = 0; token < tokens; ++token) {
      if (!head.held.contains(token) || !goes(layer, h, token, tokens)) continue;
      if (policy_.slot != TwinSlot::none) head.folded[token] = head.held[token];
      head.held.erase(token);
    }
  }

  Head whole(int layer, int h, int position) const {
    Head head;
    for (int token = 0; token <= position; ++token) head.held[token] = exact_row(layer, h, token);
    return head;
  }

  Attention attend(int layer, int query_head, int position, const Head& head) const {
    const auto d = static_cast<size_t>(trace_.options().head_size);
    const double slope = trace_.slope(query_head);
    const auto product = [&](const Numbers& key) {
      double sum = 0.0;
      for (size_t i = 0; i < d; ++i)
        sum += trace_.q(layer, position, query_head, static_cast<int>(i)) * key[i];
      return sum * trace_.scale();
    };
    std::map<int, double> scores;
    for (const auto& [token, row] : head.held) scores[token] = product(row.key) - slope * (position - token);
    // The slot: means weighted as the tokens' own biases are.
    Row mean{Numbers(d), Numbers(d)};
    double slot_score = 0.0;
    if (!head.folded.empty()) {
      double total = 0.0;
      for (const auto& [token, row] : head.folded) {
        const double weight = std::exp(-slope * (position - token));
        total += weight;
        for (size_t i = 0; i < d; ++i) {
          mean.key[i] += weight * row.key[i];
          mean.value[i] += weight * row.value[i];
        }
      }
      for (size_t i = 0; i < d; ++i) {
        mean.key[i] /= total;
        mean.value[i] /= total;
      }
      slot_score = product(mean.key) + (policy_.slot == TwinSlot::weighted ? std::log(total) : 0.0);
    }
    double largest = head.folded.empty() ? scores.begin()->second : slot_score;
    for (const auto& [token, score] : scores) largest = std::max(largest, score);
    double sum = head.folded.empty() ? 0.0 : std::exp(slot_score - largest);
    for (const auto& [token, score] : scores) sum += std::exp(score - largest);
    Attention attention;
    attention.out.resize(d);
    for (const auto& [token, row] : head.held) {
      const double weight = std::exp(scores[token] - largest) / sum;
      attention.weights[token] = weight;
      for (size_t i = 0; i < d; ++i) attention.out[i] += weight * row.value[i];
    }
    if (!head.folded.empty()) {
      const double weight = std::exp(slot_score - largest) / sum;
      for (const auto& [token, row] : head.folded)
        attention.weights[token] = weight / static_cast<double>(head.folded.size());
      for (size_t i = 0; i < d; ++i) attention.out[i] += weight * mean.value[i];
    }
    return attention;
  }

  static double relative(const Numbers& ours, const Numbers& exact) {
    double difference = 0.0;
    double norm = 0.0;
    for (size_t i = 0; i < exact.size(); ++i) {
      difference += (ours[i] - exact[i]) * (ours[i] - exact[i]);
      norm += exact[i] * exact[i];
    }
    return std::sqrt(difference / norm);
  }

  static void add_errors(const Attention& full, const Attention& ours, const Head& head, HeadErrors& errors) {
    double lost = 0.0;
    for (const auto& [token, weight] : full.weights) {
      if (head.held.contains(token)) continue;
      lost += weight;
      errors.largest_dropped_weight = std::max(errors.largest_dropped_weight, weight);
    }
    double kl = 0.0;
    for (const auto& [token, weight] : ours.weights) {
      if (weight > 0.0) kl += weight * std::log(weight / full.weights.at(token));
    }
    const double error = relative(ours.out, full.out);
    errors.relative_error += error;
    errors.relative_error_max = std::max(errors.relative_error_max, error);
    errors.lost_mass += lost;
    errors.lost_mass_max = std::max(errors.lost_mass_max, lost);
    errors.kl += kl;
  }

  Numbers projected(int layer, const Numbers& out) const {
    const std::vector<float>& weight = trace_.layers[static_cast<size_t>(layer)].output;
    Numbers projected(static_cast<size_t>(trace_.options().hidden));
    for (size_t r = 0; r < projected.size(); ++r) {
      for (size_t i = 0; i < out.size(); ++i) projected[r] += double{weight[r * out.size() + i]} * out[i];
    }
    return projected;
  }

  const PlainTrace& trace_;
  int prefix_;
  int steps_;
  const TwinPolicy& policy_;
  TwinResult result_;
};

}  // namespace razorscope::testing
