#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "experiments/cli/options.hpp"

namespace razorscope::cli {

// What several benchmarks' commands have in common.

inline void add_repeats_option(CLI::App& command, int& repeats) {
  command.add_option("--repeats", repeats, "runs; the median counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
}

/// The last lines of a benchmark's declaration: the common options, and what the command does. Options has a
/// member `common`.
template <class Options>
void run_on_parse(CLI::App& command, const std::shared_ptr<Options>& options, void (*run)(const Options&)) {
  add_common_options(command, options->common, true);
  command.callback([options, run] {
    apply_common_options(options->common);
    run(*options);
  });
}

/// "f16,q8_0"; an empty place is an empty name, which no codec has.
inline std::vector<std::string> names_in(const std::string& list) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    names.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

inline std::vector<int32_t> random_tokens(int count, int vocabulary, const CommonOptions& common) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(common.seed));
  std::vector<int32_t> ids;
  for (int i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>(random() % static_cast<uint32_t>(vocabulary)));
  return ids;
}

}  // namespace razorscope::cli
