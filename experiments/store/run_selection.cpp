#include "experiments/store/run_selection.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>
#include <set>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "policies/policy.hpp"

namespace razorscope {
namespace {

/// What a run of any kind is selected by; nothing where its kind has no such thing.
struct Traits {
  const std::string* model;
  const std::string* text;
  const std::string* policy;
  const std::string* requested;
  const std::string* device;
  std::optional<int> prefix;
  int64_t run;
};

Traits traits(const RunRow& row) {
  return {&row.model, &row.text, &row.policy, &row.requested_policy, nullptr, row.prefix, row.run_id};
}
Traits traits(const LadderRow& row) {
  return {&row.model, &row.text, &row.policy, &row.requested_policy, nullptr, row.prefix, row.eval_run_id};
}
Traits traits(const DeploymentRow& row) {
  return {&row.model, nullptr, &row.policy, nullptr, &row.device, std::nullopt, row.run_id};
}
Traits traits(const MaxRateRow& row) { return traits(row.run); }

/// Calls `use` with each vector of rows.
template <typename Use>
void each_kind(ReportData& data, const Use& use) {
  use(data.replay);
  use(data.closed_loop);
  use(data.tasks);
  use(data.ladder);
  use(data.serving);
  use(data.max_rates);
  use(data.plans);
}

bool matches(const std::string& pattern, const std::string& name) {
  return pattern == name || fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool matches_text(const std::string& pattern, const std::string& names) {
  if (matches(pattern, names)) return true;
  for (size_t at = 0; at < names.size();) {  // several: ", " between them
    const size_t end = std::min(names.find(", ", at), names.size());
    if (matches(pattern, names.substr(at, end - at))) return true;
    at = end + 2;
  }
  return false;
}

/// A pattern, and the canonical name where it is a policy as a user writes it.
std::vector<std::string> with_canonical_names(std::vector<std::string> patterns) {
  const size_t written = patterns.size();
  for (size_t i = 0; i < written; ++i) {
    try {
      patterns.push_back(Policy::parse(patterns[i]).name());
    } catch (const InputError&) {  // a wildcard, or of a newer program
    }
  }
  return patterns;
}

constexpr size_t most_names = 20;

[[noreturn]] void refuse(const char* option, const char* kind, const std::string& wanted,
                         const std::set<std::string>& there_are) {
  std::vector<std::string> names(there_are.begin(), there_are.end());
  const std::string nearest = nearest_name(wanted, names);
  const size_t more = names.size() - std::min(names.size(), most_names);
  if (more > 0) names.resize(most_names);
  throw InputError(option, fmt::format("no run has {} '{}'{}; there is: {}{}", kind, wanted,
                                       nearest.empty() ? "" : fmt::format(" (did you mean '{}'?)", nearest),
                                       names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")),
                                       more > 0 ? fmt::format(" and {} more", more) : ""));
}

/// Keeps the rows whose traits `meets` accepts; where none is left, says which `names` there were.
template <typename Meets, typename Name>
void keep(ReportData& data, const char* option, const char* kind, const std::string& wanted,
          const Meets& meets, const Name& name) {
  size_t left = 0;
  std::set<std::string> names;
  each_kind(data, [&](auto& rows) {
    for (const auto& row : rows) {
      if (meets(traits(row))) {
        ++left;
      } else if (left == 0) {
        const std::string text = name(traits(row));
        if (!text.empty()) names.insert(text);
      }
    }
  });
  if (left == 0) refuse(option, kind, wanted, names);
  each_kind(data,
            [&](auto& rows) { std::erase_if(rows, [&](const auto& row) { return !meets(traits(row)); }); });
}

std::string text_of(const std::string* text) { return text == nullptr ? "" : *text; }

}  // namespace

bool RunSelection::empty() const {
  return models.empty() && texts.empty() && policies.empty() && devices.empty() && runs.empty() && !prefix;
}

ReportData all_runs(Store& store) {
  ReportData data;
  data.replay = store.tradeoff();
  data.closed_loop = store.closed_loop();
  data.tasks = store.tasks();
  data.ladder = store.ladder();
  data.serving = store.serving_rows();
  data.max_rates = store.max_rates();
  data.plans = store.capacity();
  return data;
}

void keep_runs_of_sweep(ReportData& data, const SweepRuns& sweep) {
  each_kind(data, [&](auto& rows) {
    std::erase_if(rows, [&](const auto& row) {
      const Traits run = traits(row);
      return !(run.device == nullptr ? sweep.runs : sweep.deployment_runs).contains(run.run);
    });
  });
}

void select_runs(ReportData& data, const RunSelection& selection) {
  const auto any = [](const std::vector<std::string>& patterns, const std::string* name, const auto& match) {
    return name != nullptr && std::any_of(patterns.begin(), patterns.end(),
                                          [&](const std::string& pattern) { return match(pattern, *name); });
  };
  if (!selection.models.empty()) {
    keep(
        data, "--model", "the model", fmt::format("{}", fmt::join(selection.models, ", ")),
        [&](const Traits& run) { return any(selection.models, run.model, matches); },
        [](const Traits& run) { return text_of(run.model); });
  }
  if (!selection.texts.empty()) {
    keep(
        data, "--text", "the text", fmt::format("{}", fmt::join(selection.texts, ", ")),
        [&](const Traits& run) { return any(selection.texts, run.text, matches_text); },
        [](const Traits& run) { return text_of(run.text); });
  }
  if (!selection.devices.empty()) {
    keep(
        data, "--device", "the device", fmt::format("{}", fmt::join(selection.devices, ", ")),
        [&](const Traits& run) { return any(selection.devices, run.device, matches); },
        [](const Traits& run) { return text_of(run.device); });
  }
  if (selection.prefix) {
    keep(
        data, "--prefix", "the prefix", fmt::to_string(*selection.prefix),
        [&](const Traits& run) { return run.prefix == selection.prefix; },
        [](const Traits& run) { return run.prefix ? fmt::to_string(*run.prefix) : ""; });
  }
  if (!selection.runs.empty()) {
    keep(
        data, "--run", "the id", fmt::format("{}", fmt::join(selection.runs, ", ")),
        [&](const Traits& run) {
          return std::find(selection.runs.begin(), selection.runs.end(), run.run) != selection.runs.end();
        },
        [](const Traits& run) { return fmt::to_string(run.run); });
  }
  if (!selection.policies.empty()) {
    const std::vector<std::string> patterns = with_canonical_names(selection.policies);
    keep(
        data, "--policy", "the policy", fmt::format("{}", fmt::join(selection.policies, "; ")),
        [&](const Traits& run) {
          return any(patterns, run.policy, matches) || any(patterns, run.requested, matches);
        },
        [](const Traits& run) { return policy_label(*run.policy); });
  }
}

}  // namespace razorscope
