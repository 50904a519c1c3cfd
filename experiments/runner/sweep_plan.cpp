#include "experiments/runner/sweep_plan.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <system_error>

#include "experiments/store/content_hash.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"
#include "policies/policy.hpp"

namespace razorscope {
namespace {

// What people mean stays far below; a slip in a grid should not run for weeks.
constexpr size_t most_cells = 100'000;

/// One value for each key of a grid.
using Setting = std::vector<std::pair<std::string, SweepValue>>;

/// Hashes of files, each read once.
class FileHashes {
 public:
  /// The word, or the content of the file that it names.
  const std::string& identity(const std::string& word) {
    const auto known = known_.find(word);
    if (known != known_.end()) return known->second;
    std::error_code unknown;
    std::string identity = word;
    if (!word.empty() && std::filesystem::is_regular_file(word, unknown) &&
        std::filesystem::file_size(word, unknown) > 0) {
      const MappedFile file(word);
      identity = "content " + hash_of(file.bytes().data(), file.bytes().size());
    }
    return known_.emplace(word, identity).first->second;
  }

 private:
  std::map<std::string, std::string> known_;
};

const SweepValue* find(const Setting& setting, const std::string& key) {
  const auto found =
      std::find_if(setting.begin(), setting.end(), [&](const auto& pair) { return pair.first == key; });
  return found == setting.end() ? nullptr : &found->second;
}

std::string word_of(const Setting& setting, const std::string& key, const std::string& fallback) {
  const SweepValue* value = find(setting, key);
  return value == nullptr ? fallback : value->front();
}

nlohmann::json settings_json(const Setting& setting) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [key, value] : setting) {
    if (value.size() == 1) {
      out[key] = value.front();
    } else {
      out[key] = value;
    }
  }
  return out;
}

std::string hash_of_setting(const std::string& command, const Setting& setting, FileHashes& files) {
  std::map<std::string, std::string> sorted;  // in whatever order the file has them
  for (const auto& [key, value] : setting) {
    for (const std::string& word : value)
      sorted[key] += fmt::format(" {}:{}", word.size(), files.identity(word));
  }
  std::string text = command;
  for (const auto& [key, words] : sorted) text += fmt::format("\n{}{}", key, words);
  return hash_of(text);
}

/// All combinations, the last key turning fastest.
std::vector<Setting> settings_of(const SweepGrid& grid) {
  std::vector<Setting> settings = {{}};
  for (const SweepAxis& axis : grid.axes) {
    if (settings.size() > most_cells / axis.values.size()) {
      throw InputError(fmt::format("line {}", grid.line),
                       fmt::format("{}: asks for more than {} runs", grid.command, most_cells));
    }
    std::vector<Setting> longer;
    for (const Setting& setting : settings) {
      for (const SweepValue& value : axis.values) {
        longer.push_back(setting);
        longer.back().emplace_back(axis.key, value);
      }
    }
    settings = std::move(longer);
  }
  return settings;
}

bool asks_for_probe(const std::vector<std::string>& policies) {
  return std::any_of(policies.begin(), policies.end(), [](const std::string& name) {
    const Policy policy = Policy::parse(name);
    return policy.values().has("heads") && policy.values().text("heads") == "probe";
  });
}

class Planner {
 public:
  Planner(const std::vector<SweepCommand>& commands, std::filesystem::path cache)
      : commands_(commands), cache_(std::move(cache)) {}

  SweepPlan plan(const SweepFile& file) {
    for (const SweepGrid& grid : file.grids) find_trace_lengths(grid);
    for (const SweepGrid& grid : file.grids) add_grid(grid);
    if (plan_.cells() > most_cells)
      throw InputError(file.name, fmt::format("asks for {} runs; allowed: {}", plan_.cells(), most_cells));
    return std::move(plan_);
  }

 private:
  const SweepCommand& command_of(const SweepGrid& grid) const {
    return *std::find_if(commands_.begin(), commands_.end(),
                         [&](const SweepCommand& command) { return command.name == grid.command; });
  }

  static bool is_recorded(const SweepCommand& command, const Setting& setting) {
    return command.records && find(setting, "trace") == nullptr;
  }

  /// What a trace is recorded from, but for its length.
  std::string trace_key(const Setting& setting) {
    return hash_of(fmt::format("{}\n{}\n{}\n{}", files_.identity(word_of(setting, "model", "")),
                               files_.identity(word_of(setting, "text", "")),
                               word_of(setting, "compute", "f32"), word_of(setting, "dtype", "f32")));
  }

  void find_trace_lengths(const SweepGrid& grid) {
    if (!command_of(grid).records) return;
    for (const Setting& setting : settings_of(grid)) {
      if (!is_recorded(command_of(grid), setting)) continue;
      int& length = trace_lengths_[trace_key(setting)];
      const int64_t wanted =
          std::stoll(word_of(setting, "prefix", "0")) + std::stoll(word_of(setting, "steps", "0"));
      length = std::max(length, static_cast<int>(std::clamp<int64_t>(wanted, 1, 1 << 30)));
    }
  }

  int trace_of(const Setting& setting) {
    const std::string key = trace_key(setting);
    const auto known = traces_.find(key);
    if (known != traces_.end()) return known->second;
    const int tokens = trace_lengths_.at(key);
    SweepTrace trace;
    trace.path = cache_ / fmt::format("{}-{}.trace", key, tokens);
    trace.words = {"record",
                   "--model",
                   word_of(setting, "model", ""),
                   "--text",
                   word_of(setting, "text", ""),
                   "--compute",
                   word_of(setting, "compute", "f32"),
                   "--dtype",
                   word_of(setting, "dtype", "f32"),
                   "--tokens",
                   std::to_string(tokens),
                   "--out",
                   trace.path.string()};
    plan_.traces.push_back(std::move(trace));
    return traces_[key] = static_cast<int>(plan_.traces.size()) - 1;
  }

  /// The batch that measures a model's heads for others.
  int probe_of(const Setting& setting, int line) {
    const Setting probe = {{"model", {word_of(setting, "model", "")}},
                           {"compute", {word_of(setting, "compute", "f32")}}};
    return add_cells("probe", probe, {""}, line, false);
  }

  /// The words of a setting on the command line; a trace that is recorded stands for what it is recorded
  /// from.
  std::vector<std::string> words_of(const SweepCommand& command, const Setting& setting, int trace) const {
    std::vector<std::string> words;
    for (size_t at = 0; at < command.name.size();) {
      const size_t end = std::min(command.name.find(' ', at), command.name.size());
      words.push_back(command.name.substr(at, end - at));
      at = end + 1;
    }
    if (trace >= 0)
      words.insert(words.end(), {"--trace", plan_.traces[static_cast<size_t>(trace)].path.string()});
    for (const auto& [key, value] : setting) {
      if (trace >= 0 && (key == "model" || key == "text" || key == "compute" || key == "dtype")) continue;
      const auto declared =
          std::find_if(command.keys.begin(), command.keys.end(),
                       [&, name = key](const SweepKey& known) { return known.name == name; });
      if (declared != command.keys.end() && declared->kind == SweepKey::Kind::flag) {
        if (value.front() == "true") words.push_back("--" + key);
        continue;
      }
      words.push_back("--" + key);
      words.insert(words.end(), value.begin(), value.end());
    }
    return words;
  }

  void add_grid(const SweepGrid& grid) {
    const SweepCommand& command = command_of(grid);
    const std::vector<std::string> policies =
        grid.policies.empty() ? std::vector<std::string>{""} : grid.policies;
    for (const Setting& setting : settings_of(grid)) {
      const bool needs_probe = command.one_process && !command.records && find(setting, "model") != nullptr &&
                               asks_for_probe(grid.policies);
      const int probe = needs_probe && command.name != "plan" ? probe_of(setting, grid.line) : -1;
      if (command.one_process || grid.policies.empty()) {
        const int batch = add_cells(grid.command, setting, policies, grid.line, true);
        if (batch >= 0) plan_.batches[static_cast<size_t>(batch)].probe = probe;
      } else {
        for (const std::string& policy : policies)
          add_cells(grid.command, setting, {policy}, grid.line, false);
      }
    }
  }

  /// Adds cells that are not there yet to the batch of their setting, or to a new one. The batch's index.
  int add_cells(const std::string& name, const Setting& setting, const std::vector<std::string>& policies,
                int line, bool together) {
    const std::string hash = hash_of_setting(name, setting, files_);
    std::vector<SweepCell> fresh;
    int home = -1;
    for (const std::string& policy : policies) {
      SweepCell cell{policy, hash_of(fmt::format("{}\n{}", hash,
                                                 policy.empty() ? "" : identity(Policy::parse(policy))))};
      const auto [known, added] = cells_.emplace(cell.config_hash, -1);
      if (added) {
        fresh.push_back(std::move(cell));
      } else {
        home = known->second;
      }
    }
    if (fresh.empty()) return home;
    const auto same = batches_.find(hash);
    size_t index = plan_.batches.size();
    if (together && same != batches_.end()) {
      index = same->second;
    } else {
      plan_.batches.push_back(make_batch(name, setting, line));
      batches_[hash] = index;
    }
    for (SweepCell& cell : fresh) {
      cells_[cell.config_hash] = static_cast<int>(index);
      plan_.batches[index].cells.push_back(std::move(cell));
    }
    return static_cast<int>(index);
  }

  SweepBatch make_batch(const std::string& name, const Setting& setting, int line) {
    const auto command = std::find_if(commands_.begin(), commands_.end(),
                                      [&](const SweepCommand& known) { return known.name == name; });
    SweepBatch batch;
    batch.command = name;
    batch.settings = settings_json(setting);
    batch.line = line;
    if (is_recorded(*command, setting)) batch.trace = trace_of(setting);
    batch.words = words_of(*command, setting, batch.trace);
    return batch;
  }

  const std::vector<SweepCommand>& commands_;
  std::filesystem::path cache_;
  SweepPlan plan_;
  FileHashes files_;
  std::map<std::string, int> trace_lengths_;  // by trace_key; tokens
  std::map<std::string, int> traces_;         // by trace_key; index
  std::map<std::string, size_t> batches_;     // by the setting's hash
  std::map<std::string, int> cells_;          // by config_hash; their batch
};

}  // namespace

std::vector<std::string> SweepBatch::words_for(const std::vector<SweepCell>& some) const {
  std::vector<std::string> out = words;
  std::string policies;
  for (const SweepCell& cell : some) {
    if (!cell.policy.empty()) policies += (policies.empty() ? "" : ";") + cell.policy;
  }
  if (!policies.empty()) out.insert(out.end(), {"--policies", policies});
  return out;
}

void SweepPlan::keep_part(size_t part, size_t parts) {
  for (size_t b = 0; b < batches.size(); ++b) batches[b].elsewhere = b % parts != part;
  for (SweepBatch& batch : batches) {
    if (batch.probe >= 0 && batches[static_cast<size_t>(batch.probe)].elsewhere) batch.probe = -1;
  }
}

size_t SweepPlan::cells() const {
  size_t sum = 0;
  for (const SweepBatch& batch : batches) sum += batch.elsewhere ? 0 : batch.cells.size();
  return sum;
}

size_t SweepPlan::processes() const {
  return static_cast<size_t>(std::count_if(batches.begin(), batches.end(),
                                           [](const SweepBatch& batch) { return !batch.elsewhere; }));
}

SweepPlan plan_sweep(const SweepFile& file, const std::vector<SweepCommand>& commands,
                     const std::filesystem::path& cache) {
  return Planner(commands, cache).plan(file);
}

}  // namespace razorscope
