#include "experiments/cli/sweep_commands.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>

#include "experiments/cli/command_app.hpp"

namespace razorscope::cli {
namespace {

/// What a sweep needs to know of a command beside its options.
struct Sweepable {
  std::string_view name;
  bool one_process;
  bool records;
};
constexpr std::array<Sweepable, 8> sweepable = {{{"probe", false, false},
                                                 {"replay", true, true},
                                                 {"eval", true, false},
                                                 {"task needle", true, false},
                                                 {"task multi-query", true, false},
                                                 {"explain", true, false},
                                                 {"plan", true, false},
                                                 {"serve", false, false}}};

// Options that are the runner's, or only change what is printed.
constexpr std::array<std::string_view, 14> not_keys = {"help",  "json", "db",    "threads",     "estimate",
                                                       "heads", "kept", "fates", "color",       "picture",
                                                       "layer", "head", "audit", "chrome-trace"};

SweepKey::Kind kind_of(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return SweepKey::Kind::flag;
  const std::string type = option.get_type_name();
  if (type.find("UNIT") != std::string::npos) return SweepKey::Kind::text;  // 900MiB
  if (type.starts_with("INT") || type.starts_with("UINT")) return SweepKey::Kind::integer;
  return type.starts_with("FLOAT") ? SweepKey::Kind::number : SweepKey::Kind::text;
}

SweepCommand describe(const Sweepable& entry, const CLI::App& command) {
  SweepCommand out;
  out.name = entry.name;
  out.one_process = entry.one_process;
  out.records = entry.records;
  for (const CLI::Option* option : command.get_options()) {
    const std::vector<std::string>& names = option->get_lnames();
    if (names.empty() || std::find(not_keys.begin(), not_keys.end(), names.front()) != not_keys.end())
      continue;
    if (names.front() == "policies") {
      out.takes_policies = true;
    } else {
      out.keys.push_back({names.front(), kind_of(*option), option->get_items_expected_max() > 1,
                          option->get_required(), names.size() > 1 ? names[1] : ""});
    }
  }
  return out;
}

const CLI::App* find_command(const CLI::App& app, std::string_view name) {
  const CLI::App* at = &app;
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find(' ', begin), name.size());
    at = at->get_subcommand(std::string(name.substr(begin, end - begin)));
    begin = end + 1;
  }
  return at;
}

}  // namespace

std::vector<SweepCommand> sweep_commands() {
  const std::unique_ptr<CLI::App> app = command_app();
  std::vector<SweepCommand> commands;
  for (const Sweepable& entry : sweepable)
    commands.push_back(describe(entry, *find_command(*app, entry.name)));
  return commands;
}

SweepFile read_sweep(const std::filesystem::path& file, const std::filesystem::path& base) {
  return read_sweep_file(file, base.empty() ? file.parent_path() : base, sweep_commands());
}

}  // namespace razorscope::cli
