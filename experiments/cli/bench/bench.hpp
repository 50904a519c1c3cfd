#pragma once

namespace CLI {
class App;
}

namespace razorscope::cli {

/// Each adds one benchmark to `bench`. A new one is a file that defines one of these, and a line in
/// bench.cpp.
void add_bench_attention(CLI::App& bench);
void add_bench_prefill(CLI::App& bench);
void add_bench_decode(CLI::App& bench);
void add_bench_compress(CLI::App& bench);
void add_bench_replay(CLI::App& bench);

}  // namespace razorscope::cli
