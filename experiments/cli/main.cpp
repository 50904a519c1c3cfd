#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <new>

#include "experiments/cli/commands.hpp"
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
  CLI::App app(
      "razorscope measures what KV cache policies cost in error and save in bytes, on your own model and "
      "text.");
  app.name("razorscope");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(RAZORSCOPE_VERSION));
  app.footer(
      "Start with:  razorscope inspect smollm2-135m\n"
      "             razorscope policies\n"
      "Each subcommand explains itself with --help. Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 "
      "interrupted.");
  cli::add_inspect(app);
  cli::add_tokenize(app);
  cli::add_logits(app);
  cli::add_probe(app);
  cli::add_heads(app);
  cli::add_record(app);
  cli::add_replay(app);
  cli::add_generate(app);
  cli::add_eval(app);
  cli::add_task(app);
  cli::add_explain(app);
  cli::add_devices(app);
  cli::add_policies(app);
  cli::add_report(app);
  cli::add_sql(app);
  cli::add_plan(app);
  cli::add_serve(app);
  cli::add_bench(app);
  if (argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
    if (std::find(names.begin(), names.end(), argv[1]) == names.end()) {
      throw razorscope::InputError("usage", razorscope::unknown_name("subcommand", argv[1], names));
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? done : bad_input;
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
