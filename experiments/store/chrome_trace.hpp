#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace razorscope {

/// A timeline in the Trace Event Format, which chrome://tracing and Perfetto show. Processes are numbered as
/// they are added, threads by whoever adds them. Times are seconds; the file has microseconds.
///
///     ChromeTrace trace;
///     const int engine = trace.add_process("engine 0");
///     trace.name_thread(engine, 0, "steps");
///     trace.add_complete({engine, 0, "prefill", 0.0, 0.012}, {{"tokens", 2048}});
///     trace.add_counter(engine, "KV", 0.0, {{"bytes", 1e9}});
///     trace.write("serve.json");
class ChromeTrace {
 public:
  using Figures = std::vector<std::pair<std::string, double>>;
  struct Span {
    int process = 0;
    int thread = 0;  // spans of one thread are apart from each other, or one is within the other
    std::string name;
    double start = 0.0;
    double seconds = 0.0;
  };

  int add_process(std::string_view name);
  void name_thread(int process, int thread, std::string_view name);
  /// Something that lasted; `figures` are shown when it is selected.
  void add_complete(const Span& span, const Figures& figures = {});
  /// Values from then on, drawn as an area, one above the other.
  void add_counter(int process, std::string_view name, double seconds, const Figures& values);

  /// One JSON document.
  std::string json() const;
  /// The same as a file, as write_file writes it.
  void write(const std::filesystem::path& path) const;

 private:
  void add_name(int process, int thread, std::string_view what, std::string_view name);

  int processes_ = 0;
  std::string events_;  // JSON objects with commas between
};

}  // namespace razorscope
