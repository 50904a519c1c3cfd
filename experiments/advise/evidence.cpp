#include "experiments/advise/evidence.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <tuple>

#include "sim/closed_loop/task.hpp"

namespace razorscope {
namespace {

std::string folded(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) out += static_cast<char>(std::tolower(byte));
  }
  return out;
}

/// Policies that were solved for a share, by what was asked for and the share.
using SolvedFor = std::map<std::pair<std::string, double>, std::vector<std::string>>;

class Chooser {
 public:
  Chooser(const EvidenceWanted& wanted, SolvedFor solved) : wanted_(wanted), solved_(std::move(solved)) {}

  void add(const RunRow& row, const char* name, CandidateFigure figure) {
    const Metric& metric = find_metric("evidence", name);
    const bool ends_finite =
        !figure.interval || (std::isfinite(figure.interval->low) && std::isfinite(figure.interval->high));
    if (!std::isfinite(figure.value) || !ends_finite) return;
    Evidence& evidence = figure.evidence;
    evidence.source = metric.source;
    evidence.run_id = row.run_id;
    evidence.model = row.model;
    evidence.same_model = is_same_model(row.model, wanted_.model);
    evidence.text = row.text;
    evidence.tokens = row.prefix;
    if (wanted_.same_model && !evidence.same_model) return;
    for (const std::string& policy : policies_of(row, metric)) {
      Figures& figures = chosen_[policy];
      const auto [found, is_new] = figures.try_emplace(metric.name, figure);
      if (!is_new && goes_before(metric, figure, found->second)) found->second = figure;
    }
  }
  std::map<std::string, Figures> take() { return std::move(chosen_); }

 private:
  std::vector<std::string> policies_of(const RunRow& row, const Metric& metric) const {
    if (metric.source != MetricSource::task || row.comparison != equal_bytes) return {row.policy};
    if (!row.equal_bytes_share) return {};
    const auto found = solved_.find({row.requested_policy, *row.equal_bytes_share});
    return found == solved_.end() ? std::vector<std::string>() : found->second;
  }

  bool goes_before(const Metric& metric, const CandidateFigure& a, const CandidateFigure& b) const {
    const auto rank = [&](const CandidateFigure& figure) {
      const Evidence& evidence = figure.evidence;
      const double distance = std::abs(std::log((evidence.tokens + 1.0) / (wanted_.context + 1.0)));
      const double decisive = figure.decisive(metric);
      return std::make_tuple(!evidence.same_model,
                             -static_cast<double>(likeness(evidence.model, wanted_.model)), evidence.model,
                             distance, metric.smaller_is_better ? -decisive : decisive, -evidence.run_id);
    };
    return rank(a) < rank(b);
  }

  const EvidenceWanted& wanted_;
  SolvedFor solved_;
  std::map<std::string, Figures> chosen_;
};

template <typename Row>
void remember(const std::vector<Row>& rows, SolvedFor& solved) {
  for (const Row& row : rows) {
    if (row.comparison != equal_bytes || !row.equal_bytes_share) continue;
    std::vector<std::string>& policies = solved[{row.requested_policy, *row.equal_bytes_share}];
    if (std::find(policies.begin(), policies.end(), row.policy) == policies.end())
      policies.push_back(row.policy);
  }
}

CandidateFigure figure_of(double value, std::optional<Interval> interval, int64_t n, const char* unit) {
  CandidateFigure figure{.value = value, .interval = interval};
  figure.evidence.n = n;
  figure.evidence.unit = unit;
  return figure;
}

}  // namespace

bool is_same_model(const std::string& a, const std::string& b) { return folded(a) == folded(b); }

size_t likeness(const std::string& a, const std::string& b) {
  const std::string left = folded(a).substr(0, 200);
  const std::string right = folded(b).substr(0, 200);
  size_t longest = 0;
  std::vector<size_t> above(right.size() + 1);  // common run that ends here
  for (const char c : left) {
    size_t diagonal = 0;
    for (size_t j = 1; j <= right.size(); ++j) {
      const size_t run = c == right[j - 1] ? diagonal + 1 : 0;
      diagonal = std::exchange(above[j], run);
      longest = std::max(longest, run);
    }
  }
  return longest;
}

std::map<std::string, Figures> quality_figures(const EvidenceRows& rows, const EvidenceWanted& wanted) {
  SolvedFor solved;
  remember(rows.evaluations, solved);
  remember(rows.replays, solved);
  Chooser chooser(wanted, std::move(solved));
  for (const ClosedLoopRow& row : rows.evaluations) {
    const auto add = [&](const char* name, double value, const std::optional<Interval>& interval) {
      chooser.add(row, name, figure_of(value, interval, row.scored_rows, "rows"));
    };
    add("kl", row.kl_to_full.mean, row.kl_to_full.interval);
    add("nll_increase", row.nll_difference.mean, row.nll_difference.interval);
    if (row.top1_agreement >= 0.0 && row.top1_agreement <= 1.0 && row.scored_rows > 0) {
      const auto agreed = static_cast<int>(std::lround(row.top1_agreement * row.scored_rows));
      add("top1", row.top1_agreement, wilson_interval(agreed, row.scored_rows));
    }
  }
  for (const TaskRow& row : rows.tasks) {
    if (!row.model_can || row.query_aware || row.n <= 0) continue;
    chooser.add(row, row.task == "needle" ? "needle" : "multi_query",
                figure_of(row.accuracy, row.interval, row.n, "questions"));
  }
  for (const TradeoffRow& row : rows.replays) {
    const int64_t heads = int64_t{row.layers} * row.query_heads;
    chooser.add(row, "relative_error", figure_of(row.relative_error_mean, std::nullopt, heads, "heads"));
    chooser.add(row, "lost_mass", figure_of(row.lost_mass_mean, std::nullopt, heads, "heads"));
  }
  return chooser.take();
}

}  // namespace razorscope
