#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/trace/trace.hpp"

/// What selections keep, in double precision and as plainly as it can be written: from the definitions, and
/// not from the program's code.
namespace razorscope::testing {

using Numbers = std::vector<double>;
using Positions = std::vector<int32_t>;  // ascending

inline constexpr double by_rule = std::numeric_limits<double>::infinity();

/// One head's kept positions, and the scores that they follow from.
struct TwinHead {
  Positions kept;
  Numbers scores;  // [prefix]; by_rule: stays whatever the others have
  double last_in = by_rule;
  double first_out = by_rule;

  /// Whether rounding may let the other of two tokens win.
  bool near_tie(int32_t token) const {
    const double score = scores[static_cast<size_t>(token)];
    const auto close = [&](double other) {
      return std::isfinite(other) &&
             std::abs(score - other) <= 1e-5 * std::max(std::abs(score), std::abs(other));
    };
    return close(last_in) && close(first_out);
  }
};
using TwinLayer = std::vector<TwinHead>;

/// The tokens with the `count` highest scores; equal ones: the lower index.
inline TwinHead best(const Numbers& scores, int count) {
  TwinHead head;
  head.scores = scores;
  Positions order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  const size_t kept = std::min(order.size(), static_cast<size_t>(std::max(count, 0)));
  head.kept.assign(order.begin(), order.begin() + static_cast<ptrdiff_t>(kept));
  if (kept > 0) head.last_in = scores[static_cast<size_t>(head.kept.back())];
  if (kept < order.size()) head.first_out = scores[static_cast<size_t>(order[kept])];
  std::sort(head.kept.begin(), head.kept.end());
  return head;
}

/// A trace's rows, and its whole attention.
class TraceTwin {
 public:
  TraceTwin(const Trace& trace, int prefix, int steps)
      : shape_(trace.shape()), bounds_(trace.score_bounds()), prefix_(prefix), steps_(steps) {
    for (int layer = 0; layer < shape_.layers; ++layer) layers_.push_back(trace.layer(layer));
    weights_.resize(static_cast<size_t>(shape_.layers * shape_.query_heads));
    for (int layer = 0; layer < shape_.layers; ++layer) {
      for (int head = 0; head < shape_.query_heads; ++head) {
        for (int position = 0; position < prefix + steps; ++position)
          weights_[index(layer, head)].push_back(weights(layer, head, position, all(position + 1)));
      }
    }
  }

  const Shape& shape() const { return shape_; }
  const ScoreBounds& bounds() const { return bounds_.value(); }
  int prefix() const { return prefix_; }
  int steps() const { return steps_; }
  int group() const { return shape_.query_heads / shape_.kv_heads; }
  double slope(int query_head) const {
    return shape_.alibi_slopes.empty() ? 0.0 : double{shape_.alibi_slopes[static_cast<size_t>(query_head)]};
  }

  Numbers query(int layer, int token, int head) const { return row(at(layer).q, token, head); }
  Numbers key(int layer, int token, int kv_head) const { return row(at(layer).k, token, kv_head); }
  Numbers value(int layer, int token, int kv_head) const { return row(at(layer).v, token, kv_head); }

  static Positions all(int tokens) {
    Positions positions(static_cast<size_t>(tokens));
    std::iota(positions.begin(), positions.end(), 0);
    return positions;
  }
  static double dot(const Numbers& a, const Numbers& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  }
  double product(int layer, int query_head, int position, int token) const {
    return dot(query(layer, position, query_head), key(layer, token, query_head / group())) / root();
  }
  double root() const { return std::sqrt(static_cast<double>(shape_.head_size)); }

  /// Softmax of a query over what is held, [held].
  Numbers weights(int layer, int query_head, int position, const Positions& held) const {
    Numbers out;
    for (const int32_t token : held)
      out.push_back(product(layer, query_head, position, token) - slope(query_head) * (position - token));
    const double largest = *std::max_element(out.begin(), out.end());
    double total = 0.0;
    for (double& x : out) total += x = std::exp(x - largest);
    for (double& x : out) x /= total;
    return out;
  }
  /// The same over everything up to it, [position + 1].
  const Numbers& weights(int layer, int query_head, int position) const {
    return weights_[index(layer, query_head)][static_cast<size_t>(position)];
  }
  /// Its sum over the queries begin .. end - 1, [prefix].
  Numbers columns(int layer, int query_head, int begin, int end) const {
    Numbers sums(static_cast<size_t>(prefix_), 0.0);
    for (int position = std::max(0, begin); position < end; ++position) {
      const Numbers& row = weights(layer, query_head, position);
      for (size_t n = 0; n < std::min(sums.size(), row.size()); ++n) sums[n] += row[n];
    }
    return sums;
  }

  /// The query heads whose scores are one: a KV head's group, or under query-head each alone.
  std::vector<std::vector<int>> groups(const std::string& aggregate) const {
    const int size = aggregate == "query-head" ? 1 : group();
    std::vector<std::vector<int>> all(static_cast<size_t>(shape_.query_heads / size));
    for (int head = 0; head < shape_.query_heads; ++head)
      all[static_cast<size_t>(head / size)].push_back(head);
    return all;
  }
  Numbers group_columns(int layer, const std::vector<int>& heads, int begin, int end,
                        const std::string& aggregate) const {
    std::vector<Numbers> rows;
    for (const int head : heads) rows.push_back(columns(layer, head, begin, end));
    return combined(rows, aggregate);
  }
  static Numbers combined(const std::vector<Numbers>& rows, const std::string& aggregate) {
    Numbers out = rows.front();
    for (size_t n = 0; n < out.size(); ++n) {
      for (size_t g = 1; g < rows.size(); ++g)
        out[n] = aggregate == "max" ? std::max(out[n], rows[g][n]) : out[n] + rows[g][n];
      if (aggregate == "mean") out[n] /= static_cast<double>(rows.size());
    }
    return out;
  }

 private:
  const LayerTrace& at(int layer) const { return layers_[static_cast<size_t>(layer)]; }
  size_t index(int layer, int head) const { return static_cast<size_t>(layer * shape_.query_heads + head); }
  Numbers row(const Matrix& rows, int token, int head) const {
    const float* begin = rows.row(static_cast<size_t>(token)) + head * shape_.head_size;
    return {begin, begin + shape_.head_size};
  }

  Shape shape_;
  std::optional<ScoreBounds> bounds_;
  int prefix_;
  int steps_;
  std::vector<LayerTrace> layers_;
  std::vector<std::vector<Numbers>> weights_;
};

using HeadSet = std::set<std::pair<int, int>>;  // (layer, KV head)

inline void keep_last(Numbers& scores, int count) {
  std::fill(scores.end() - std::min<ptrdiff_t>(count, std::ssize(scores)), scores.end(), by_rule);
}

/// The first and the latest tokens; heads of `whole` keep everything.
inline TwinLayer window_twin(const TraceTwin& trace, int layer, int sinks, int recent,
                             const HeadSet& whole = {}) {
  TwinLayer heads;
  for (int h = 0; h < trace.shape().kv_heads; ++h) {
    TwinHead& head = heads.emplace_back();
    head.scores.assign(static_cast<size_t>(trace.prefix()), by_rule);
    for (int32_t n = 0; n < trace.prefix(); ++n) {
      if (whole.contains({layer, h}) || n < sinks || n >= trace.prefix() - recent) head.kept.push_back(n);
    }
  }
  return heads;
}

/// `heavy` of the non-recent tokens with the highest column sums over the queries begin .. end - 1, and the
/// latest.
inline TwinLayer h2o_twin(const TraceTwin& trace, int layer, int heavy, int recent,
                          const std::string& aggregate = "sum", int end = 0) {
  TwinLayer heads;
  for (const std::vector<int>& group : trace.groups(aggregate)) {
    Numbers scores = trace.group_columns(layer, group, 0, end == 0 ? trace.prefix() : end, aggregate);
    keep_last(scores, recent);
    heads.push_back(best(scores, heavy + recent));
  }
  return heads;
}

/// The last query's weights, mean over all heads of the layer: one set.
inline TwinLayer tova_twin(const TraceTwin& trace, int layer, int budget) {
  std::vector<Numbers> rows;
  for (int head = 0; head < trace.shape().query_heads; ++head)
    rows.push_back(trace.weights(layer, head, trace.prefix() - 1));
  return TwinLayer(static_cast<size_t>(trace.shape().kv_heads),
                   best(TraceTwin::combined(rows, "mean"), budget));
}

struct SnapkvTwin {
  int observe = 32;
  int kernel = 5;
  bool max = false;
  std::string aggregate = "mean";

  /// Pooled scores of the tokens before the window, by head.
  std::vector<Numbers> scores(const TraceTwin& trace, int layer) const {
    std::vector<Numbers> heads;
    const int before = trace.prefix() - observe;
    for (const std::vector<int>& group : trace.groups(aggregate)) {
      const Numbers columns = trace.group_columns(layer, group, before, trace.prefix(), aggregate);
      Numbers& pooled = heads.emplace_back();
      for (int n = 0; n < before; ++n) {
        Numbers around;
        for (int i = n - kernel / 2; i <= n + kernel / 2; ++i)
          around.push_back(i >= 0 && i < before ? columns[static_cast<size_t>(i)] : 0.0);
        pooled.push_back(max ? *std::max_element(around.begin(), around.end())
                             : std::accumulate(around.begin(), around.end(), 0.0) / kernel);
      }
    }
    return heads;
  }
  TwinHead keep(const TraceTwin& trace, Numbers scores, int extra) const {
    scores.resize(static_cast<size_t>(trace.prefix()), by_rule);
    return best(scores, extra + observe);
  }
  TwinLayer snapkv(const TraceTwin& trace, int layer, int budget) const {
    TwinLayer heads;
    for (const Numbers& head : scores(trace, layer)) heads.push_back(keep(trace, head, budget - observe));
    return heads;
  }
  /// Linear over layers from 2b - b/beta down to b/beta, where b is the budget beyond the window.
  TwinLayer pyramidkv(const TraceTwin& trace, int layer, int budget, int beta) const {
    const int b = budget - observe;
    const int gaps = trace.shape().layers - 1;
    // (most·(gaps - layer) + least·layer) / gaps with least = b/beta, most = 2b - b/beta, in whole numbers.
    const int extra = (b * (2 * beta - 1) * (gaps - layer) + b * layer) / (beta * gaps);
    TwinLayer heads;
    for (const Numbers& head : scores(trace, layer)) heads.push_back(keep(trace, head, extra));
    return heads;
  }
  /// `floor_tenths` of the even share for every head, the rest where the best of all heads' scores are.
  TwinLayer adakv(const TraceTwin& trace, int layer, int budget, int floor_tenths) const {
    const std::vector<Numbers> of_heads = scores(trace, layer);
    const int extra = budget - observe;
    const auto before = static_cast<size_t>(trace.prefix() - observe);
    Numbers all;
    for (const Numbers& head : of_heads) all.insert(all.end(), head.begin(), head.end());
    std::vector<int> wins(of_heads.size(), 0);
    for (const int32_t i : best(all, extra * static_cast<int>(of_heads.size())).kept)
      ++wins[static_cast<size_t>(i) / before];
    TwinLayer heads;
    for (size_t h = 0; h < of_heads.size(); ++h) {
      const int share = floor_tenths * extra / 10 + (10 - floor_tenths) * wins[h] / 10;
      heads.push_back(keep(trace, of_heads[h], share));
    }
    return heads;
  }
};

/// L_h = (2B - ln ε)/slope rounded up, and alpha; tail: B's term loses ln(1 - e^-slope) too. The largest over
/// the group, of the group's largest B.
inline TwinLayer scope_twin(const TraceTwin& trace, int layer, const Numbers& bounds, double epsilon,
                            int alpha = 0, bool tail = false) {
  TwinLayer heads;
  const int group = trace.group();
  for (int h = 0; h < trace.shape().kv_heads; ++h) {
    const auto first = bounds.begin() + layer * trace.shape().query_heads + h * group;
    const double bound = *std::max_element(first, first + group);
    double longest = 1.0;
    for (int head = h * group; head < (h + 1) * group; ++head) {
      const double slope = trace.slope(head);
      const double logarithm =
          2.0 * bound - std::log(epsilon) - (tail ? std::log(1.0 - std::exp(-slope)) : 0.0);
      longest = std::max(longest, std::ceil(logarithm / slope));
    }
    heads.push_back(window_twin(trace, layer, 0,
                                alpha + static_cast<int>(std::min(longest, 1e6)))[static_cast<size_t>(h)]);
  }
  return heads;
}

/// The largest |q·k|/sqrt(d) of the prefix's causal pairs, [layers, query heads].
inline Numbers calibrated_twin(const TraceTwin& trace) {
  Numbers bounds;
  for (int layer = 0; layer < trace.shape().layers; ++layer) {
    for (int head = 0; head < trace.shape().query_heads; ++head) {
      double largest = 0.0;
      for (int m = 0; m < trace.prefix(); ++m) {
        for (int n = 0; n <= m; ++n) largest = std::max(largest, std::abs(trace.product(layer, head, m, n)));
      }
      bounds.push_back(largest);
    }
  }
  return bounds;
}

/// Protected heads whole; what they leave of the average budget is shared evenly by the others,
/// `heavy_tenths` of what sinks leave of that are heavy hitters by the last `observe` queries (0: all), the
/// rest recent.
inline TwinLayer occam_twin(const TraceTwin& trace, int layer, int budget, const HeadSet& whole, int sinks,
                            int heavy_tenths, int observe, int slots = 0) {
  const int prefix = trace.prefix();
  const int count = trace.shape().layers * trace.shape().kv_heads;
  const auto protected_count = static_cast<int>(whole.size());
  const int each = (budget * count - protected_count * prefix) / (count - protected_count) - slots;
  const int heavy = (each - sinks) * heavy_tenths / 10;
  TwinLayer heads = window_twin(trace, layer, sinks, 0, whole);
  for (int h = 0; h < trace.shape().kv_heads; ++h) {
    if (whole.contains({layer, h})) continue;
    const std::vector<int> group = trace.groups("sum")[static_cast<size_t>(h)];
    Numbers scores = trace.group_columns(layer, group, observe == 0 ? 0 : prefix - observe, prefix, "sum");
    std::fill_n(scores.begin(), sinks, by_rule);
    keep_last(scores, each - sinks - heavy);
    heads[static_cast<size_t>(h)] = best(scores, each);
  }
  return heads;
}

/// What future queries of the trace will use most.
inline TwinLayer belady_twin(const TraceTwin& trace, int layer, int budget) {
  TwinLayer heads;
  for (const std::vector<int>& group : trace.groups("sum")) {
    heads.push_back(best(
        trace.group_columns(layer, group, trace.prefix(), trace.prefix() + trace.steps(), "sum"), budget));
  }
  return heads;
}

/// One score a token from its head's rows.
inline TwinLayer scored_twin(const TraceTwin& trace, int budget,
                             const std::function<Numbers(int kv_head)>& of) {
  TwinLayer heads;
  for (int h = 0; h < trace.shape().kv_heads; ++h) heads.push_back(best(of(h), budget));
  return heads;
}

inline TwinLayer knorm_twin(const TraceTwin& trace, int layer, int budget) {
  return scored_twin(trace, budget, [&](int h) {
    Numbers scores;
    for (int n = 0; n < trace.prefix(); ++n) {
      const Numbers key = trace.key(layer, n, h);
      scores.push_back(-std::sqrt(TraceTwin::dot(key, key)));
    }
    return scores;
  });
}

/// Minus the cosine with the mean of the normalised keys.
inline TwinLayer keydiff_twin(const TraceTwin& trace, int layer, int budget) {
  return scored_twin(trace, budget, [&](int h) {
    std::vector<Numbers> units;
    Numbers mean(static_cast<size_t>(trace.shape().head_size), 0.0);
    for (int n = 0; n < trace.prefix(); ++n) {
      Numbers key = trace.key(layer, n, h);
      const double norm = std::sqrt(TraceTwin::dot(key, key));
      for (size_t i = 0; i < key.size(); ++i) mean[i] += (key[i] /= norm);
      units.push_back(key);
    }
    Numbers scores;
    for (const Numbers& unit : units)
      scores.push_back(-TraceTwin::dot(unit, mean) / std::sqrt(TraceTwin::dot(mean, mean)));
    return scores;
  });
}

/// K and V of one partition by min and max of the next: standard deviation over the channels, softmax.
inline Numbers lagkv_partition(const std::vector<Numbers>& rows, const std::vector<Numbers>& next) {
  Numbers out;
  for (const Numbers& row : rows) {
    Numbers scaled;
    for (size_t i = 0; i < row.size(); ++i) {
      double least = next.front()[i];
      double most = next.front()[i];
      for (const Numbers& other : next) {
        least = std::min(least, other[i]);
        most = std::max(most, other[i]);
      }
      scaled.push_back((row[i] - least) / (most - least));
    }
    const auto count = static_cast<double>(scaled.size());
    const double mean = std::accumulate(scaled.begin(), scaled.end(), 0.0) / count;
    double squares = 0.0;
    for (const double x : scaled) squares += (x - mean) * (x - mean);
    out.push_back(std::exp(std::sqrt(squares / (count - 1.0))));
  }
  const double total = std::accumulate(out.begin(), out.end(), 0.0);
  for (double& x : out) x /= total;
  return out;
}

/// Sinks, the last whole partition and what follows it stay; the others' tokens by their rank within their
/// partition.
inline TwinLayer lagkv_twin(const TraceTwin& trace, int layer, int budget, int sinks, int lag) {
  return scored_twin(trace, budget, [&](int h) {
    const auto rows = [&](bool keys, int begin) {
      std::vector<Numbers> out;
      for (int n = begin; n < begin + lag; ++n)
        out.push_back(keys ? trace.key(layer, n, h) : trace.value(layer, n, h));
      return out;
    };
    Numbers scores(static_cast<size_t>(trace.prefix()), by_rule);
    for (int begin = sinks; begin + 2 * lag <= trace.prefix(); begin += lag) {
      const Numbers of_keys = lagkv_partition(rows(true, begin), rows(true, begin + lag));
      const Numbers of_values = lagkv_partition(rows(false, begin), rows(false, begin + lag));
      const auto mean = [&](int i) {
        return of_keys[static_cast<size_t>(i)] + of_values[static_cast<size_t>(i)];
      };
      for (int i = 0; i < lag; ++i) {
        int below = 0;
        for (int j = 0; j < lag; ++j) below += mean(j) < mean(i) || (mean(j) == mean(i) && j < i) ? 1 : 0;
        scores[static_cast<size_t>(begin + i)] = static_cast<double>(below);
      }
    }
    return scores;
  });
}

/// ExpectedAttention. With u = the key turned back by the mean rotation, the expected logit is
/// u·μ/sqrt(d) + u'Su/(2d): no matrix is needed.
class ExpectedTwin {
 public:
  ExpectedTwin(const TraceTwin& trace, int layer, int sinks, int future, double eps)
      : trace_(trace), layer_(layer), sinks_(sinks), future_(future), eps_(eps) {}

  TwinLayer keep(int budget, const std::string& aggregate = "mean") const {
    TwinLayer heads;
    for (const std::vector<int>& group : trace_.groups(aggregate)) {
      std::vector<Numbers> rows;
      for (const int head : group) rows.push_back(expected_weights(head));
      Numbers scores = TraceTwin::combined(rows, aggregate);
      for (int n = 0; n < trace_.prefix(); ++n) {
        const Numbers value = trace_.value(layer_, n, group.front() / trace_.group());
        double& score = scores[static_cast<size_t>(n)];
        score = n < sinks_ ? by_rule : (score + eps_) * std::sqrt(TraceTwin::dot(value, value));
      }
      heads.push_back(best(scores, budget));
    }
    return heads;
  }

 private:
  /// A row turned by the mean of the positions begin .. end - 1's rotations, or by its transpose.
  Numbers turned(Numbers row, int begin, int end, double direction) const {
    const RopeScheme& rope = trace_.shape().rope;
    if (trace_.shape().position == PositionScheme::alibi) return row;
    const auto pairs = static_cast<size_t>(rope.dimensions / 2);
    for (size_t i = 0; i < pairs; ++i) {
      const double frequency = std::pow(double{rope.theta}, -2.0 * static_cast<double>(i) / rope.dimensions);
      double cosine = 0.0;
      double sine = 0.0;
      for (int p = begin; p < end; ++p) {
        cosine += std::cos(p * frequency) / (end - begin);
        sine += direction * std::sin(p * frequency) / (end - begin);
      }
      const bool interleaved = rope.pairing == RopePairing::interleaved;
      double& a = row[interleaved ? 2 * i : i];
      double& b = row[interleaved ? 2 * i + 1 : i + pairs];
      const double x = a;
      const double y = b;
      a = x * cosine - y * sine;
      b = x * sine + y * cosine;
    }
    return row;
  }
  Numbers expected_weights(int head) const {
    const int prefix = trace_.prefix();
    const auto d = static_cast<size_t>(trace_.shape().head_size);
    std::vector<Numbers> queries;
    Numbers mean(d, 0.0);
    for (int n = sinks_; n < prefix; ++n) {
      queries.push_back(turned(trace_.query(layer_, n, head), n, n + 1, -1.0));
      for (size_t i = 0; i < d; ++i) mean[i] += queries.back()[i] / (prefix - sinks_);
    }
    Numbers weights;
    for (int n = 0; n < prefix; ++n) {
      const Numbers u = turned(trace_.key(layer_, n, head / trace_.group()), prefix, prefix + future_, -1.0);
      const double expected = TraceTwin::dot(u, mean);
      double variance = 0.0;
      for (const Numbers& query : queries) {
        const double x = TraceTwin::dot(u, query) - expected;
        variance += x * x / static_cast<double>(queries.size() - 1);
      }
      weights.push_back(expected / trace_.root() + variance / (2.0 * static_cast<double>(d)));
    }
    const double largest = *std::max_element(weights.begin(), weights.end());
    double total = 0.0;
    for (double& x : weights) total += x = std::exp(x - largest);
    for (double& x : weights) x /= total;
    return weights;
  }

  const TraceTwin& trace_;
  int layer_;
  int sinks_;
  int future_;
  double eps_;
};

/// One query head's mean errors over the steps.
struct TwinErrors {
  double relative_error = 0.0;
  double lost_mass = 0.0;
  double kl = 0.0;
};

/// What a layer's KV heads hold while decoding; called when all heads have attended at `position`.
using Evict = std::function<void(int position, std::vector<Positions>& held)>;

/// Errors of one layer's query heads, rows in f32: each step's token joins what is held, the query attends,
/// then `evict` has its turn.
inline std::vector<TwinErrors> errors_twin(const TraceTwin& trace, int layer, std::vector<Positions> held,
                                           const Evict& evict = {}) {
  const int group = trace.group();
  std::vector<TwinErrors> errors(static_cast<size_t>(trace.shape().query_heads));
  for (int position = trace.prefix(); position < trace.prefix() + trace.steps(); ++position) {
    for (Positions& head : held) head.push_back(position);
    for (int head = 0; head < trace.shape().query_heads; ++head) {
      const Positions& tokens = held[static_cast<size_t>(head / group)];
      const Numbers& full = trace.weights(layer, head, position);
      const Numbers ours = trace.weights(layer, head, position, tokens);
      Numbers difference(static_cast<size_t>(trace.shape().head_size), 0.0);
      Numbers out = difference;
      for (int n = 0; n <= position; ++n) {
        const Numbers value = trace.value(layer, n, head / group);
        for (size_t i = 0; i < out.size(); ++i) {
          out[i] += full[static_cast<size_t>(n)] * value[i];
          difference[i] -= full[static_cast<size_t>(n)] * value[i];
        }
      }
      double lost = 1.0;
      double kl = 0.0;
      for (size_t slot = 0; slot < tokens.size(); ++slot) {
        const Numbers value = trace.value(layer, tokens[slot], head / group);
        for (size_t i = 0; i < out.size(); ++i) difference[i] += ours[slot] * value[i];
        const double whole = full[static_cast<size_t>(tokens[slot])];
        lost -= whole;
        kl += ours[slot] * std::log(ours[slot] / whole);
      }
      TwinErrors& of_head = errors[static_cast<size_t>(head)];
      of_head.relative_error +=
          std::sqrt(TraceTwin::dot(difference, difference) / TraceTwin::dot(out, out)) / trace.steps();
      of_head.lost_mass += lost / trace.steps();
      of_head.kl += kl / trace.steps();
    }
    if (evict) evict(position, held);
  }
  return errors;
}

inline std::vector<Positions> kept_of(const TwinLayer& heads) {
  std::vector<Positions> kept;
  for (const TwinHead& head : heads) kept.push_back(head.kept);
  return kept;
}

/// H2O in decode: each query's weights join the scores, then all but the recent and the heaviest go.
class H2oDecodeTwin {
 public:
  H2oDecodeTwin(const TraceTwin& trace, int layer, int heavy, int recent)
      : trace_(trace), layer_(layer), heavy_(heavy), recent_(recent) {
    for (const std::vector<int>& group : trace.groups("sum"))
      scores_.push_back(trace.group_columns(layer, group, 0, trace.prefix(), "sum"));
  }

  void evict(int position, std::vector<Positions>& held) {
    for (size_t h = 0; h < held.size(); ++h) {
      Numbers& scores = scores_[h];
      scores.resize(static_cast<size_t>(position) + 1, 0.0);
      const std::vector<int> group = trace_.groups("sum")[h];
      for (const int head : group) {
        const Numbers weights = trace_.weights(layer_, head, position, held[h]);
        for (size_t slot = 0; slot < weights.size(); ++slot)
          scores[static_cast<size_t>(held[h][slot])] += weights[slot];
      }
      Numbers candidates(scores.size(), -by_rule);  // what is gone never comes back
      for (const int32_t token : held[h]) {
        const bool is_recent = token > position - recent_;
        candidates[static_cast<size_t>(token)] = is_recent ? by_rule : scores[static_cast<size_t>(token)];
      }
      if (std::ssize(held[h]) > heavy_ + recent_) held[h] = best(candidates, heavy_ + recent_).kept;
    }
  }

 private:
  const TraceTwin& trace_;
  int layer_;
  int heavy_;
  int recent_;
  std::vector<Numbers> scores_;
};

/// TOVA in decode: the query at hand decides.
inline void tova_evict(const TraceTwin& trace, int layer, int budget, int position,
                       std::vector<Positions>& held) {
  std::vector<Numbers> rows;
  for (int head = 0; head < trace.shape().query_heads; ++head)
    rows.push_back(trace.weights(layer, head, position, held.front()));
  Positions kept;
  for (const int32_t slot : best(TraceTwin::combined(rows, "mean"), budget).kept)
    kept.push_back(held.front()[static_cast<size_t>(slot)]);
  held.assign(held.size(), kept);
}

}  // namespace razorscope::testing
