#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace razorscope::cli {

/// What a benchmark is measured in; each is a key of the JSON rows.
enum class RateUnit { gb_per_s, gflop_per_s };

/// A figure that a benchmark is meant to reach.
struct BenchAim {
  std::string what;  // "tokens/s"
  double value = 0.0;
  double reached = 0.0;
  bool at_most = false;  // else at least

  bool met() const { return at_most ? reached <= value : reached >= value; }
};

/// One measurement beside the machine's own limit, both of the same run.
struct BenchRow {
  std::string name;   // what was measured: "prefill"
  std::string codec;  // of the KV cache
  int tokens = 0;
  double seconds_median = 0.0;
  double rate = 0.0;
  RateUnit unit = RateUnit::gflop_per_s;
  double limit = 0.0;  // in the same unit
  std::optional<BenchAim> aim;
  nlohmann::json more = nlohmann::json::object();  // further keys of the JSON row

  double ratio() const { return rate / limit; }
};

/// {"rows": [..]}; each row also with the kernel target and the threads in use.
nlohmann::json bench_document(const std::vector<BenchRow>& rows);

/// Prints the rows as that document, or as a table with a line for each note below it.
void print_bench(const std::vector<BenchRow>& rows, const std::vector<std::string>& notes, bool json);

}  // namespace razorscope::cli
