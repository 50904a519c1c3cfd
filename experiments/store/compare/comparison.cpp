#include "experiments/store/compare/comparison.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <tuple>
#include <unordered_map>

#include "experiments/store/compare/run_figures.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_words.hpp"

namespace razorscope {
namespace {

bool is_equal(const FigureDifference& figure) { return figure.a == figure.b; }

/// One database: its runs' configurations.
class Side {
 public:
  Side(Store& store, const std::vector<RunOrigin>& origins) : store_(store) {
    for (const RunOrigin& origin : origins)
      hashes_.emplace(std::pair(origin.on_device, origin.run_id), origin.config_hash);
  }
  Store& store() const { return store_; }

  std::string hash(const RunRow& row) const { return hash(false, row.run_id); }
  std::string hash(const DeploymentRow& row) const { return hash(true, row.run_id); }
  /// Of a search the run that it found, at the first try.
  std::string hash(const MaxRateRow& row) const {
    return fmt::format("{} {} {}", hash(true, row.run.run_id), row.wanted_share, row.tolerance);
  }

 private:
  std::string hash(bool on_device, int64_t run) const {
    const auto found = hashes_.find({on_device, run});
    return found == hashes_.end() ? "" : found->second;
  }

  Store& store_;
  std::map<std::pair<bool, int64_t>, std::string> hashes_;
};

template <typename Row>
int64_t id_of(const Row& row) {
  if constexpr (std::is_same_v<Row, MaxRateRow>) {
    return row.search_id;
  } else {
    return row.run_id;
  }
}

const std::string& policy_of(const RunRow& row) { return row.policy; }
const std::string& policy_of(const DeploymentRow& row) { return row.policy; }
const std::string& policy_of(const MaxRateRow& row) { return row.run.policy; }

template <typename Row>
std::vector<FigureDifference> figures_of(const Side& of_a, const Row& a, const Side& of_b, const Row& b) {
  if constexpr (std::is_same_v<Row, TradeoffRow>) {
    return compare_runs(of_a.store(), a, of_b.store(), b);
  } else {
    return differences(a, b);
  }
}

template <typename Row>
std::string subject_of(const Row& row) {
  if constexpr (std::is_base_of_v<RunRow, Row>) {
    return subject_text(row) + ", " + comparison_text(row);
  } else if constexpr (std::is_same_v<Row, MaxRateRow>) {
    return subject_text(row.run);
  } else if constexpr (std::is_same_v<Row, CapacityRow>) {
    return subject_text(row) + ", " + row.device;
  } else {
    return subject_text(row) + (row.rate ? ", " + figure_text(*row.rate) + " requests/s" : "");
  }
}

/// Rows by a key that only one of them has.
template <typename Row, typename Key>
std::unordered_map<std::string, const Row*> unique_rows(const std::vector<const Row*>& rows,
                                                        const Key& key_of) {
  std::unordered_map<std::string, const Row*> by_key;
  for (const Row* row : rows) {
    const auto [found, is_new] = by_key.try_emplace(key_of(*row), row);
    if (!is_new) found->second = nullptr;
  }
  std::erase_if(by_key, [](const auto& entry) { return entry.second == nullptr; });
  return by_key;
}

template <typename Row>
class Pairing {
 public:
  Pairing(const char* section, const Side& a, const std::vector<Row>& rows_a, const Side& b,
          const std::vector<Row>& rows_b)
      : section_(section), a_(a), b_(b), rows_a_(rows_a), rows_b_(rows_b) {
    pair([&](const Row& row) { return a_.hash(row); }, [&](const Row& row) { return b_.hash(row); }, false);
    const auto name = [](const Row& row) { return name_key(row); };
    pair(name, name, !std::is_same_v<Row, MaxRateRow>);  // another rate is what a search is for
  }

  void add_to(std::vector<ComparedRun>& out) const {
    for (const Row& row : rows_a_) {
      ComparedRun run = described(row);
      run.a_run = id_of(row);
      if (const auto found = partners_.find(&row); found != partners_.end()) {
        const auto& [partner, by_name] = found->second;
        run.b_run = id_of(*partner);
        run.by_name = by_name;
        run.figures = figures_of(a_, row, b_, *partner);
      }
      out.push_back(std::move(run));
    }
    for (const Row& row : rows_b_) {
      if (taken_.contains(&row)) continue;
      ComparedRun run = described(row);
      run.b_run = id_of(row);
      out.push_back(std::move(run));
    }
  }

 private:
  ComparedRun described(const Row& row) const {
    return {.section = section_, .subject = subject_of(row), .policy = policy_of(row)};
  }

  template <typename KeyA, typename KeyB>
  void pair(const KeyA& key_a, const KeyB& key_b, bool by_name) {
    std::vector<const Row*> left_a;
    std::vector<const Row*> left_b;
    for (const Row& row : rows_a_) {
      if (!partners_.contains(&row)) left_a.push_back(&row);
    }
    for (const Row& row : rows_b_) {
      if (!taken_.contains(&row)) left_b.push_back(&row);
    }
    const auto by_key = unique_rows(left_b, key_b);
    for (const auto& [key, row] : unique_rows(left_a, key_a)) {
      const auto found = by_key.find(key);
      if (found == by_key.end() || key.empty()) continue;
      partners_[row] = {found->second, by_name};
      taken_[found->second] = true;
    }
  }

  const char* section_;
  const Side& a_;
  const Side& b_;
  const std::vector<Row>& rows_a_;
  const std::vector<Row>& rows_b_;
  std::unordered_map<const Row*, std::pair<const Row*, bool>> partners_;  // of A's rows
  std::unordered_map<const Row*, bool> taken_;                            // of B's
};

/// What makes figures differ that should not; threads, processor and system do not.
auto identity_of(const Provenance& by) {
  return std::tie(by.program_version, by.commit, by.target, by.compute);
}

void count(std::vector<ProgramUse>& programs, const std::vector<RunOrigin>& origins,
           size_t ProgramUse::*runs) {
  for (const RunOrigin& origin : origins) {
    auto found = std::find_if(programs.begin(), programs.end(),
                              [&](const ProgramUse& use) { return use.program == origin.provenance; });
    if (found == programs.end()) found = programs.insert(found, {origin.provenance});
    ++((*found).*runs);
  }
}

}  // namespace

std::vector<FigureDifference> compare_runs(Store& of_a, const TradeoffRow& a, Store& of_b,
                                           const TradeoffRow& b) {
  std::vector<FigureDifference> figures = differences(a, b);
  if (!std::all_of(figures.begin(), figures.end(), is_equal)) {
    add_head_intervals(figures, of_a.head_errors(a.run_id), of_b.head_errors(b.run_id));
    return figures;
  }
  // Means that agree to the last bit are of heads that do: they need not be read.
  for (FigureDifference& figure : figures) {
    if (figure.kind != IntervalKind::none) continue;
    figure.kind = IntervalKind::heads;
    figure.interval = Interval{0.0, 0.0};
  }
  return figures;
}

bool ComparedRun::changed() const {
  return std::any_of(figures.begin(), figures.end(),
                     [](const FigureDifference& figure) { return figure.changed(); });
}

size_t Comparison::pairs() const {
  return static_cast<size_t>(
      std::count_if(runs.begin(), runs.end(), [](const ComparedRun& run) { return run.paired(); }));
}
size_t Comparison::changes() const {
  return static_cast<size_t>(
      std::count_if(runs.begin(), runs.end(), [](const ComparedRun& run) { return run.changed(); }));
}
size_t Comparison::only_a() const {
  return static_cast<size_t>(
      std::count_if(runs.begin(), runs.end(), [](const ComparedRun& run) { return run.b_run == 0; }));
}
size_t Comparison::only_b() const {
  return static_cast<size_t>(
      std::count_if(runs.begin(), runs.end(), [](const ComparedRun& run) { return run.a_run == 0; }));
}

bool Comparison::programs_differ() const {
  const auto in_both = [&](const ProgramUse& use) {
    bool in_a = false;
    bool in_b = false;
    for (const ProgramUse& other : programs) {
      if (identity_of(other.program) != identity_of(use.program)) continue;
      in_a = in_a || other.a_runs > 0;
      in_b = in_b || other.b_runs > 0;
    }
    return in_a && in_b;
  };
  return !std::all_of(programs.begin(), programs.end(), in_both);
}

Comparison compare_stores(Store& a, const ReportData& runs_of_a, Store& b, const ReportData& runs_of_b) {
  const std::vector<RunOrigin> origins_a = a.run_origins();
  const std::vector<RunOrigin> origins_b = b.run_origins();
  const Side side_a(a, origins_a);
  const Side side_b(b, origins_b);
  Comparison out;
  out.a = a.path().string();
  out.b = b.path().string();
  const auto add = [&](const char* section, const auto& of_a, const auto& of_b) {
    Pairing(section, side_a, of_a, side_b, of_b).add_to(out.runs);
  };
  add("replay", runs_of_a.replay, runs_of_b.replay);
  add("eval", runs_of_a.closed_loop, runs_of_b.closed_loop);
  add("tasks", runs_of_a.tasks, runs_of_b.tasks);
  add("rates", runs_of_a.max_rates, runs_of_b.max_rates);
  add("serving", runs_of_a.serving, runs_of_b.serving);
  add("plans", runs_of_a.plans, runs_of_b.plans);
  count(out.programs, origins_a, &ProgramUse::a_runs);
  count(out.programs, origins_b, &ProgramUse::b_runs);
  return out;
}

}  // namespace razorscope
