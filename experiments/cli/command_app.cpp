#include "experiments/cli/command_app.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>

#include "experiments/cli/commands.hpp"
#include "models/base/error.hpp"

namespace razorscope::cli {

std::unique_ptr<CLI::App> command_app() {
  auto app = std::make_unique<CLI::App>(
      "razorscope measures what KV cache policies cost in error and save in bytes, on your own model and "
      "text.");
  app->name("razorscope");
  app->require_subcommand(1);
  app->set_version_flag("--version", std::string(RAZORSCOPE_VERSION));
  app->footer(
      "Start with:  razorscope inspect smollm2-135m\n"
      "             razorscope policies\n"
      "Each subcommand explains itself with --help. Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 "
      "interrupted.");
  add_inspect(*app);
  add_tokenize(*app);
  add_logits(*app);
  add_probe(*app);
  add_heads(*app);
  add_record(*app);
  add_replay(*app);
  add_generate(*app);
  add_eval(*app);
  add_task(*app);
  add_explain(*app);
  add_devices(*app);
  add_policies(*app);
  add_plan(*app);
  add_serve(*app);
  add_sweep(*app);
  add_advise(*app);
  add_report(*app);
  add_sql(*app);
  add_bench(*app);
  return app;
}

RunCost cost_of(const std::vector<std::string>& words) {
  const std::unique_ptr<CLI::App> app = command_app();
  std::vector<std::string> reversed(words.rbegin(), words.rend());  // as CLI11 wants them
  reversed.insert(reversed.begin(), "--estimate");
  try {
    app->parse(reversed);
  } catch (const CostTold& told) {
    return told.cost();
  } catch (const CLI::ParseError& problem) {
    throw InputError(words.front(), problem.what());
  }
  throw std::logic_error(fmt::format("{} does not tell its cost", words.front()));
}

}  // namespace razorscope::cli
