#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "policies/policy.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string name;
};

nlohmann::json parameters_json(const std::vector<Parameter>& parameters) {
  nlohmann::json out = nlohmann::json::array();
  for (const Parameter& parameter : parameters) {
    out.push_back({{"name", parameter.name},
                   {"help", parameter.help},
                   {"domain", describe_domain(parameter)},
                   {"default", parameter.fallback}});
  }
  return out;
}

void print_parameters(const std::vector<Parameter>& parameters) {
  for (const Parameter& parameter : parameters) {
    fmt::print("    {:<10} {}\n    {:<10} ({})\n", parameter.name, parameter.help, "",
               describe_domain(parameter));
  }
}

void print_selection(const SelectionEntry& entry, bool whole) {
  fmt::print("{:<10} {}\n", entry.name, entry.help);
  if (!entry.variants.empty())
    fmt::print("  variants: {} (default {})\n", fmt::join(entry.variants, ", "), entry.variants.front());
  if (!whole) return;
  fmt::print("  source: {}\n", entry.source);
  if (!entry.size_parameter.empty()) fmt::print("  --equal-bytes turns: {}\n", entry.size_parameter);
  if (!entry.parameters.empty()) fmt::print("  parameters:\n");
  print_parameters(entry.parameters);
}

void print_all() {
  fmt::print("Selections (which tokens a KV head keeps):\n");
  for (const SelectionEntry& entry : selection_registry()) print_selection(entry, false);
  fmt::print("\nCodecs (how a kept token is stored):\n");
  for (const CodecEntry& entry : codec_registry()) fmt::print("{:<10} {}\n", entry.name, entry.help);
  fmt::print(
      "\nA policy is SELECTION[/variant][:key=value,...] and any number of +CODEC, each with an optional "
      "scope before it\n"
      "(k=, v=, protected=, others=, protected.k=, ...); without a codec: f16. Several policies are "
      "separated by ';'.\n"
      "  razor/weighted:sinks=4,recent=252+f16     window:recent=508     full+k=f32+v=f16\n"
      "`razorscope policies razor` explains one selection with its parameters.\n");
}

void run(const Options& options) {
  if (!options.name.empty()) find_selection("policies", options.name);
  if (options.common.json) {
    nlohmann::json selections = nlohmann::json::array();
    for (const SelectionEntry& entry : selection_registry()) {
      if (!options.name.empty() && entry.name != options.name) continue;
      selections.push_back({{"name", entry.name},
                            {"help", entry.help},
                            {"source", entry.source},
                            {"variants", entry.variants},
                            {"size_parameter", entry.size_parameter},
                            {"parameters", parameters_json(entry.parameters)}});
    }
    nlohmann::json codecs = nlohmann::json::array();
    for (const CodecEntry& entry : codec_registry()) {
      codecs.push_back(
          {{"name", entry.name}, {"help", entry.help}, {"parameters", parameters_json(entry.parameters)}});
    }
    print_json({{"selections", selections}, {"codecs", codecs}});
  } else if (options.name.empty()) {
    print_all();
  } else {
    print_selection(find_selection("policies", options.name), true);
  }
}

}  // namespace

void add_policies(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "policies", "the selections and codecs there are, with their parameters",
                  "razorscope policies razor");
  command->add_option("name", options->name, "a selection to explain");
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
