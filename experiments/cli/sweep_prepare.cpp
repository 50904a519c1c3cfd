#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <thread>

#include "experiments/cli/options.hpp"
#include "experiments/cli/sweep_commands.hpp"
#include "experiments/cli/sweep_slurm.hpp"
#include "experiments/runner/child_message.hpp"
#include "experiments/runner/child_pool.hpp"
#include "experiments/runner/sweep_plan.hpp"
#include "experiments/runner/trace_recordings.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  std::string file;
  std::string base;
  std::string traces;
  int threads = 0;
};

/// Records a trace, or waits for another runner that does. "": it is there; else why it is not.
std::string record(const SweepTrace& trace, size_t number, TraceRecordings& recordings, int threads) {
  constexpr std::chrono::milliseconds a_moment{100};
  using State = TraceRecordings::State;
  while (recordings.state(number) == State::missing && !recordings.take(number)) {
    throw_if_interrupted();
    std::this_thread::sleep_for(a_moment);
  }
  if (recordings.state(number) == State::there) return "";
  std::vector<std::string> words = trace.words;
  words.insert(words.end(), {"--threads", fmt::to_string(threads)});
  ChildPool pool(this_program(), 1);
  pool.add(words);
  std::optional<ChildExit> exit;
  while (!(exit = pool.wait(a_moment))) throw_if_interrupted();
  const std::string problem = exit->exit_code == 0 ? "" : child_message(*exit);
  recordings.end(number, problem);
  return problem;
}

void prepare(const Options& options) {
  const SweepFile file = read_sweep(options.file, options.base);
  const SweepPlan plan = plan_sweep(file, sweep_commands(), std::filesystem::absolute(options.traces));
  TraceRecordings recordings(plan.traces);
  size_t failed = 0;
  for (size_t i = 0; i < plan.traces.size(); ++i) {
    const std::string problem = record(plan.traces[i], i, recordings, options.threads);
    fmt::print("{}: {}\n", plan.traces[i].path.string(), problem.empty() ? "is there" : problem);
    failed += problem.empty() ? 0 : 1;
  }
  // Not an error: only some runs need it, and they will say so.
  if (failed > 0) fmt::print(stderr, "{} of {} traces could not be recorded\n", failed, plan.traces.size());
}

}  // namespace

void add_sweep_prepare(CLI::App& sweep) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(sweep, "prepare", "record the traces that a sweep's replays share, and run nothing else",
                  "razorscope sweep prepare experiments/configs/full.toml --traces /shared/traces");
  command->add_option("FILE", options->file, "the sweep file (TOML)")->required();
  command->add_option("--base", options->base,
                      "folder that relative paths in the file start from; default the file's");
  command->add_option("--traces", options->traces, "folder that recorded traces are kept in")->required();
  command->add_option("--threads", options->threads, "threads; 0 = all cores")->check(CLI::Range(0, 1024));
  command->callback([options] { prepare(*options); });
}

}  // namespace razorscope::cli
