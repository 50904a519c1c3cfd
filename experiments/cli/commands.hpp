#pragma once

namespace CLI {
class App;
}

namespace razorscope::cli {

/// Each adds one subcommand, whose callback does the work. A new subcommand is a file that defines one of
/// these, and a line in command_app.cpp.
void add_inspect(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_logits(CLI::App& app);
void add_probe(CLI::App& app);
void add_heads(CLI::App& app);
void add_record(CLI::App& app);
void add_replay(CLI::App& app);
void add_generate(CLI::App& app);
void add_eval(CLI::App& app);
void add_task(CLI::App& app);
void add_explain(CLI::App& app);
void add_devices(CLI::App& app);
void add_policies(CLI::App& app);
void add_report(CLI::App& app);
void add_sql(CLI::App& app);
void add_plan(CLI::App& app);
void add_serve(CLI::App& app);
void add_sweep(CLI::App& app);
void add_advise(CLI::App& app);
void add_bench(CLI::App& app);

}  // namespace razorscope::cli
