#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <new>
#include <nlohmann/json.hpp>

#include "experiments/cli/command_app.hpp"
#include "experiments/cli/options.hpp"
#include "models/base/error.hpp"

namespace {

enum ExitCode { done = 0, failed = 1, bad_input = 2, interrupted = 130 };

int report(int code, const char* problem) {
  fmt::print(stderr, "razorscope: {}\n", problem);
  return code;
}

int run(int argc, char** argv) {
  namespace cli = razorscope::cli;
  const std::unique_ptr<CLI::App> app = cli::command_app();
  if (argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> names;
    for (const CLI::App* command : app->get_subcommands(nullptr)) names.push_back(command->get_name());
    if (std::find(names.begin(), names.end(), argv[1]) == names.end()) {
      throw razorscope::InputError("usage", razorscope::unknown_name("subcommand", argv[1], names));
    }
  }
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app->exit(problem) == 0 ? done : bad_input;
  } catch (const cli::CostTold& told) {
    cli::print_json({{"memory_bytes", told.cost().memory_bytes},
                     {"seconds", told.cost().seconds},
                     {"disk_bytes", told.cost().disk_bytes}});
  }
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  razorscope::cli::install_interrupt_handler();
  try {
    return run(argc, argv);
  } catch (const razorscope::InputError& problem) {
    return report(bad_input, problem.what());
  } catch (const razorscope::Interrupted& problem) {
    return report(interrupted, problem.what());
  } catch (const std::bad_alloc&) {
    return report(failed, "out of memory");
  } catch (const std::exception& problem) {
    return report(failed, problem.what());
  }
}
