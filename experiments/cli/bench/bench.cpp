#include "experiments/cli/bench/bench.hpp"

#include <CLI/CLI.hpp>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"

namespace razorscope::cli {

void add_bench(CLI::App& app) {
  CLI::App* bench =
      add_command(app, "bench", "our speed against the machine's own limit, measured in the same run",
                  "razorscope bench prefill --model smollm2-135m --tokens 512");
  bench->require_subcommand(1);
  add_bench_attention(*bench);
  add_bench_prefill(*bench);
  add_bench_decode(*bench);
  add_bench_compress(*bench);
  add_bench_replay(*bench);
}

}  // namespace razorscope::cli
