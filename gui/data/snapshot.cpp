#include "gui/data/snapshot.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <type_traits>
#include <unordered_map>

#include "experiments/store/report_curves.hpp"
#include "experiments/store/serving_groups.hpp"
#include "gui/data/format.hpp"

namespace razorscope::gui {
namespace {

/// Numbers the names of one facet; they are brought into the order in which they are shown at the end.
class NameTable {
 public:
  int number(const std::string& name) {
    if (name.empty()) return -1;
    return numbers_.try_emplace(name, static_cast<int>(numbers_.size())).first->second;
  }

  /// The names in their order, and the place of each number among them.
  std::pair<std::vector<QString>, std::vector<int>> sorted() const {
    std::vector<QString> names(numbers_.size());
    for (const auto& [name, number] : numbers_)
      names[static_cast<size_t>(number)] = QString::fromStdString(name);
    std::vector<int> order(names.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      return reads_before(names[static_cast<size_t>(a)], names[static_cast<size_t>(b)]);
    });
    std::vector<int> places(names.size());
    std::vector<QString> out;
    for (size_t place = 0; place < order.size(); ++place) {
      places[static_cast<size_t>(order[place])] = static_cast<int>(place);
      out.push_back(names[static_cast<size_t>(order[place])]);
    }
    return {std::move(out), std::move(places)};
  }

 private:
  std::unordered_map<std::string, int> numbers_;
};

/// "razor" of "razor/weighted:sinks=4,…+f16".
std::string family_of(const std::string& policy) { return policy.substr(0, policy.find_first_of("/:+")); }

/// "q8_0" of the same with that codec; codecs of several scopes stay together. A quoted value may hold a
/// plus.
std::string codec_of(const std::string& policy) {
  bool quoted = false;
  for (size_t i = 0; i < policy.size(); ++i) {
    if (policy[i] == '"') quoted = !quoted;
    if (policy[i] == '+' && !quoted) return policy.substr(i + 1);
  }
  return {};
}

std::string subject_name(RunKind kind, const std::string& key) { return to_string(kind) + ('\n' + key); }

class SnapshotBuilder {
 public:
  explicit SnapshotBuilder(Snapshot& snapshot) : snapshot_(snapshot) {}

  void note_sweep(const std::string& name, const SweepRuns& runs) {
    for (const int64_t id : runs.runs) sweeps_.try_emplace({false, id}, name);
    for (const int64_t id : runs.deployment_runs) sweeps_.try_emplace({true, id}, name);
  }

  void add(RunKind kind, const std::vector<TradeoffRow>& rows) { add_measured(kind, rows); }
  void add(RunKind kind, const std::vector<ClosedLoopRow>& rows) { add_measured(kind, rows); }
  void add(RunKind kind, const std::vector<TaskRow>& rows) { add_measured(kind, rows); }
  void add(RunKind kind, const std::vector<ExplanationRow>& rows) { add_measured(kind, rows); }
  template <typename Row>
  void add_modelled(RunKind kind, const std::vector<Row>& rows, const auto& prefix) {
    for (size_t i = 0; i < rows.size(); ++i) {
      Run run = begin(kind, {true, rows[i].run_id}, i, rows[i].model, rows[i].policy);
      set(run, Facet::device, rows[i].device);
      set(run, Facet::prefix, prefix(rows[i]));
      if constexpr (std::is_same_v<Row, ServingRow>)
        run.subject = subject_number(kind, subject_key(rows[i]), [&] { return subject_text(rows[i]); });
      finish(run, {&rows[i].model, &rows[i].policy, &rows[i].device});
    }
  }

  void end() {
    for (const Facet facet : all_facets) {
      const auto index = static_cast<size_t>(facet);
      auto [names, places] = tables_[index].sorted();
      for (Run& run : snapshot_.runs) {
        if (run.values[index] >= 0) run.values[index] = places[static_cast<size_t>(run.values[index])];
      }
      snapshot_.names[index] = std::move(names);
    }
    for (size_t i = 0; i < snapshot_.runs.size(); ++i) snapshot_.places.emplace(snapshot_.runs[i].ref, i);
  }

 private:
  template <typename Row>
  void add_measured(RunKind kind, const std::vector<Row>& rows) {
    for (size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      Run run = begin(kind, {false, row.run_id}, i, row.model, row.policy);
      set(run, Facet::text, row.text);
      set(run, Facet::prefix, std::to_string(row.prefix));
      if (row.equal_bytes_share) set(run, Facet::share, share_text(*row.equal_bytes_share).toStdString());
      // An explanation has no figure that others could beat.
      if constexpr (requires { subject_key(row); })
        run.subject = subject_number(kind, subject_key(row), [&] { return subject_heading(row); });
      run.requested = label_number(row.requested_policy);
      finish(run, {&row.model, &row.text, &row.policy, &row.requested_policy});
    }
  }

  int subject_number(RunKind kind, const std::string& key, const auto& words) {
    const auto number = static_cast<int>(snapshot_.subjects.size());
    const auto [found, is_new] = snapshot_.subject_numbers.try_emplace(subject_name(kind, key), number);
    if (is_new) snapshot_.subjects.push_back(QString::fromStdString(words()));
    return found->second;
  }

  /// Making a label takes long, and there are few policies beside runs.
  int label_number(const std::string& policy) {
    const auto [found, is_new] = labels_.try_emplace(policy, static_cast<int>(snapshot_.labels.size()));
    if (is_new) snapshot_.labels.push_back(policy_text(policy));
    return found->second;
  }

  void set(Run& run, Facet facet, const std::string& name) {
    run.values[static_cast<size_t>(facet)] = tables_[static_cast<size_t>(facet)].number(name);
  }

  Run begin(RunKind kind, RunRef ref, size_t row, const std::string& model, const std::string& policy) {
    Run run;
    run.ref = ref;
    run.kind = kind;
    run.row = row;
    run.values.fill(-1);
    run.label = label_number(policy);
    set(run, Facet::kind, to_string(kind));
    set(run, Facet::model, model);
    set(run, Facet::family, family_of(policy));
    set(run, Facet::codec, codec_of(policy));
    if (const auto sweep = sweeps_.find(ref); sweep != sweeps_.end()) set(run, Facet::sweep, sweep->second);
    return run;
  }

  void finish(const Run& run, std::initializer_list<const std::string*> words) {
    std::string text = std::to_string(run.ref.id);
    for (const std::string* word : words) (text += ' ') += *word;
    snapshot_.runs.push_back(run);
    QString haystack = QString::fromStdString(text) + u' ' + snapshot_.label(run) + u' ' +
                       QLatin1String(to_string(run.kind));
    if (const auto sweep = sweeps_.find(run.ref); sweep != sweeps_.end())
      haystack += u' ' + QString::fromStdString(sweep->second);
    snapshot_.haystacks.push_back(haystack.toLower());
  }

  Snapshot& snapshot_;
  std::array<NameTable, facet_count> tables_;
  std::map<RunRef, std::string> sweeps_;
  std::unordered_map<std::string, int> labels_;  // by canonical name
};

}  // namespace

QString Snapshot::name(const Run& run, Facet facet) const {
  const int value = run.value(facet);
  return value < 0 ? QString() : names_of(facet)[static_cast<size_t>(value)];
}

const Run* Snapshot::find(const RunRef& ref) const {
  const auto place = places.find(ref);
  return place == places.end() ? nullptr : &runs[place->second];
}

int Snapshot::subject_of(const TradeoffRow& row) const {
  const auto found = subject_numbers.find(subject_name(RunKind::replay, subject_key(row)));
  return found == subject_numbers.end() ? -1 : found->second;
}

const std::string& Snapshot::policy(const Run& run) const {
  switch (run.kind) {
    case RunKind::replay:
      return replay(run).policy;
    case RunKind::eval:
      return eval(run).policy;
    case RunKind::task:
      return task(run).policy;
    case RunKind::explain:
      return explanation(run).policy;
    case RunKind::plan:
      return plan(run).policy;
    default:
      return serving(run).policy;
  }
}

Snapshot snapshot_of(const TradeoffRow& replay) {
  Snapshot snapshot;
  snapshot.data.replay = {replay};
  SnapshotBuilder builder(snapshot);
  builder.add(RunKind::replay, snapshot.data.replay);
  builder.end();
  return snapshot;
}

Snapshot read_snapshot(Store& store) {
  Snapshot snapshot;
  snapshot.path = store.path();
  ReportData& data = snapshot.data;
  SnapshotBuilder builder(snapshot);
  store.at_one_moment([&] {
    data.replay = store.tradeoff();
    data.closed_loop = store.closed_loop();
    data.tasks = store.tasks();
    data.serving = store.serving_rows();
    data.plans = store.capacity();
    snapshot.explanations = store.explanations();
    snapshot.heads = store.head_ranking();
    for (const SweepRow& sweep : store.sweeps()) builder.note_sweep(sweep.name, store.sweep_runs(sweep.name));
  });
  builder.add(RunKind::replay, data.replay);
  builder.add(RunKind::eval, data.closed_loop);
  builder.add(RunKind::task, data.tasks);
  builder.add(RunKind::explain, snapshot.explanations);
  builder.add_modelled(RunKind::plan, data.plans,
                       [](const CapacityRow& row) { return std::to_string(row.context); });
  builder.add_modelled(RunKind::serving, data.serving, [](const ServingRow&) { return std::string(); });
  builder.end();
  return snapshot;
}

}  // namespace razorscope::gui
