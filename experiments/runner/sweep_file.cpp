#include "experiments/runner/sweep_file.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>
#include <system_error>

#include "experiments/runner/policy_grid.hpp"
#include "experiments/runner/toml_words.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"
#include "models/base/toml_table.hpp"

namespace razorscope {
namespace {

// Keys whose words may name a file.
constexpr std::array file_keys = {"trace", "text", "ids", "workload", "model", "device", "devices", "as"};

std::string from_base(const std::string& word, const std::filesystem::path& base) {
  if (word.empty() || std::filesystem::path(word).is_absolute()) return word;
  std::error_code unknown;
  const std::filesystem::path path = (base / word).lexically_normal();
  return std::filesystem::exists(path, unknown) ? path.string() : word;
}

std::string_view wanted(SweepKey::Kind kind) {
  switch (kind) {
    case SweepKey::Kind::flag:
      return "true or false";
    case SweepKey::Kind::integer:
      return "an integer";
    case SweepKey::Kind::number:
      return "a number";
    case SweepKey::Kind::text:
      break;
  }
  return "a string or a number";
}

bool suits(SweepKey::Kind kind, const toml::node& node) {
  switch (kind) {
    case SweepKey::Kind::flag:
      return node.is_boolean();
    case SweepKey::Kind::integer:
      return node.is_integer();
    case SweepKey::Kind::number:
      return node.is_number();
    case SweepKey::Kind::text:
      break;
  }
  return node.is_string() || node.is_number();
}

/// One value of a key, or nullopt.
std::optional<SweepValue> read_value(const SweepKey& key, const toml::node& node,
                                     const std::filesystem::path& base) {
  if (node.is_array() && !key.several) return std::nullopt;
  const bool names_file = std::find(file_keys.begin(), file_keys.end(), key.name) != file_keys.end();
  SweepValue value;
  for (const toml::node* element : elements_of(node)) {
    const std::optional<std::string> word = toml_word(*element);
    if (!word || !suits(key.kind, *element)) return std::nullopt;
    value.push_back(names_file ? from_base(*word, base) : *word);
  }
  return value.empty() ? std::nullopt : std::optional(value);
}

/// The key with its values; without any, and a fault noted, where one is wrong.
SweepAxis read_axis(TomlTable& table, const SweepKey& key, const std::filesystem::path& base) {
  const bool by_alias = !key.alias.empty() && table.has(key.alias) && !table.has(key.name);
  const std::string& name = by_alias ? key.alias : key.name;
  SweepAxis axis{key.name, {}, table.line(name)};
  const toml::node* node = table.node(name, key.required ? Presence::required : Presence::optional);
  if (node == nullptr) return axis;
  const std::vector<const toml::node*> elements = elements_of(*node);
  for (const toml::node* element : elements) {
    const std::optional<SweepValue> value = read_value(key, *element, base);
    if (!value) {
      table.fault(name, fmt::format("must be {}, or a list of such", wanted(key.kind)));
      return {key.name, {}, axis.line};
    }
    if (std::find(axis.values.begin(), axis.values.end(), *value) == axis.values.end())
      axis.values.push_back(*value);
  }
  if (axis.values.empty()) table.fault(name, "is an empty list");
  return axis;
}

/// What a trace is recorded from.
std::vector<SweepKey> recording_keys(bool required) {
  return {{"model", SweepKey::Kind::text, false, required},
          {"text", SweepKey::Kind::text, false, required},
          {"compute", SweepKey::Kind::text, false, false},
          {"dtype", SweepKey::Kind::text, false, false}};
}

SweepGrid read_grid(TomlTable table, const SweepCommand& command, const std::filesystem::path& base) {
  SweepGrid grid{command.name, table.line(), {}, {}};
  const bool recorded = command.records && !table.has("trace");
  for (SweepKey key : command.keys) {
    if (command.records && key.name == "trace" && recorded && (table.has("model") || table.has("text")))
      continue;
    SweepAxis axis = read_axis(table, key, base);
    if (!axis.values.empty()) grid.axes.push_back(std::move(axis));
  }
  if (command.records) {
    const bool from_text = recorded && (table.has("model") || table.has("text"));
    for (const SweepKey& key : recording_keys(from_text)) {
      SweepAxis axis = read_axis(table, key, base);
      if (axis.values.empty()) continue;
      if (!recorded) table.fault(key.name, "stands beside `trace`, which tells it; allowed: one of them");
      grid.axes.push_back(std::move(axis));
    }
  }
  if (command.takes_policies && (table.has("policies") || command.one_process))
    grid.policies = read_policies(table, "policies");
  table.refuse_unknown_keys();
  std::stable_sort(grid.axes.begin(), grid.axes.end(),
                   [](const SweepAxis& left, const SweepAxis& right) { return left.line < right.line; });
  return grid;
}

/// [command] or any number of [[command]].
std::vector<TomlTable> tables_of(TomlTable& parent, const std::string& key) {
  const toml::node* node = parent.node(key, Presence::optional);
  if (node == nullptr) return {};
  if (node->is_array()) return parent.tables(key, Presence::optional);
  std::optional<TomlTable> table = parent.table(key, Presence::optional);
  return table ? std::vector<TomlTable>{*table} : std::vector<TomlTable>{};
}

/// The grids of a command whose name has two words: [[task.needle]].
void read_grids(TomlTable& root, const SweepCommand& command, std::vector<TomlTable>& groups, SweepFile& file,
                const std::filesystem::path& base) {
  const size_t space = command.name.find(' ');
  if (space == std::string::npos) {
    for (TomlTable& table : tables_of(root, command.name)) {
      table.set_owner(command.name);
      file.grids.push_back(read_grid(table, command, base));
    }
    return;
  }
  for (TomlTable& group : groups) {
    for (TomlTable& table : tables_of(group, command.name.substr(space + 1))) {
      table.set_owner(command.name);
      file.grids.push_back(read_grid(table, command, base));
    }
  }
}

[[noreturn]] void refuse(const std::filesystem::path& path, std::vector<FileFault>& faults) {
  std::stable_sort(faults.begin(), faults.end(),
                   [](const FileFault& left, const FileFault& right) { return left.line < right.line; });
  std::string text;
  constexpr size_t most_shown = 20;
  for (size_t i = 0; i < std::min(faults.size(), most_shown); ++i)
    text += fmt::format("{}line {}: {}", i == 0 ? "" : fmt::format("\n{}: ", path.string()), faults[i].line,
                        faults[i].message);
  if (faults.size() > most_shown) text += fmt::format("\nand {} more", faults.size() - most_shown);
  throw InputError(path.string(), text);
}

std::string name_in(TomlTable& root, const std::filesystem::path& path) {
  return root.text("name", Presence::optional).value_or(path.stem().string());
}

}  // namespace

std::string sweep_name(const std::filesystem::path& path) {
  std::vector<FileFault> faults;
  try {
    if (const std::optional<toml::table> parsed = parse_toml_file(path, faults)) {
      TomlTable root(*parsed, "", faults);
      return name_in(root, path);
    }
  } catch (const InputError&) {  // it is told where the file is read for its runs
  }
  return path.stem().string();
}

SweepFile read_sweep_file(const std::filesystem::path& path, const std::filesystem::path& base,
                          const std::vector<SweepCommand>& commands) {
  std::vector<FileFault> faults;
  const std::optional<toml::table> parsed = parse_toml_file(path, faults);
  if (!parsed) refuse(path, faults);
  SweepFile file;
  file.toml = read_utf8_file(path);
  TomlTable root(*parsed, "", faults);
  file.name = name_in(root, path);

  // Groups of commands with two words, each table once, so that its unknown keys are told once.
  std::vector<std::pair<std::string, std::vector<TomlTable>>> groups;
  for (const SweepCommand& command : commands) {
    const size_t space = command.name.find(' ');
    if (space == std::string::npos) continue;
    const std::string group = command.name.substr(0, space);
    if (groups.empty() || groups.back().first != group) groups.emplace_back(group, tables_of(root, group));
  }
  std::vector<TomlTable> none;
  for (const SweepCommand& command : commands) {
    std::vector<TomlTable>* tables = &none;
    for (auto& [group, found] : groups) {
      if (command.name.starts_with(group + ' ')) tables = &found;
    }
    read_grids(root, command, *tables, file, base);
  }
  for (auto& [group, tables] : groups) {
    for (TomlTable& table : tables) table.refuse_unknown_keys();
  }
  root.refuse_unknown_keys();
  if (faults.empty() && file.grids.empty()) {
    std::string names;
    for (const SweepCommand& command : commands) {
      std::string name = command.name;
      std::replace(name.begin(), name.end(), ' ', '.');
      names += fmt::format("{}[[{}]]", names.empty() ? "" : ", ", name);
    }
    faults.push_back({1, fmt::format("has no table of runs; allowed: {}", names)});
  }
  if (!faults.empty()) refuse(path, faults);
  std::stable_sort(file.grids.begin(), file.grids.end(),
                   [](const SweepGrid& left, const SweepGrid& right) { return left.line < right.line; });
  return file;
}

}  // namespace razorscope
