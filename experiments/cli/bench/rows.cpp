#include "experiments/cli/bench/rows.hpp"

#include <fmt/format.h>
#include <omp.h>

#include "experiments/cli/options.hpp"
#include "experiments/store/text_table.hpp"
#include "policies/kernels/target.hpp"

namespace razorscope::cli {
namespace {

const char* key_of(RateUnit unit) { return unit == RateUnit::gb_per_s ? "gb_per_s" : "gflop_per_s"; }
const char* word_of(RateUnit unit) { return unit == RateUnit::gb_per_s ? "GB/s" : "GFLOP/s"; }

nlohmann::json json_of(const BenchRow& row) {
  nlohmann::json out = {{"name", row.name},
                        {"codec", row.codec},
                        {"target", target_name(active_target())},
                        {"threads", omp_get_max_threads()},
                        {"tokens", row.tokens},
                        {"seconds_median", row.seconds_median},
                        {key_of(row.unit), row.rate},
                        {"limit", row.limit},
                        {"ratio", row.ratio()}};
  if (row.aim) {
    out["aim"] = {{"what", row.aim->what},
                  {row.aim->at_most ? "at_most" : "at_least", row.aim->value},
                  {"reached", row.aim->reached},
                  {"met", row.aim->met()}};
  }
  out.update(row.more);
  return out;
}

std::string aim_text(const BenchAim& aim) {
  return fmt::format("{:.3g} {} of {} {:.3g}: {}", aim.reached, aim.what,
                     aim.at_most ? "at most" : "at least", aim.value, aim.met() ? "met" : "missed");
}

}  // namespace

nlohmann::json bench_document(const std::vector<BenchRow>& rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const BenchRow& row : rows) list.push_back(json_of(row));
  return {{"rows", list}};
}

void print_bench(const std::vector<BenchRow>& rows, const std::vector<std::string>& notes, bool json) {
  if (json) {
    print_json(bench_document(rows));
    return;
  }
  std::vector<Cells> table = {
      {"benchmark", "codec", "target", "threads", "tokens", "median ms", "rate", "limit", "% of limit"}};
  for (const BenchRow& row : rows) {
    table.push_back({row.name, row.codec, std::string(target_name(active_target())),
                     fmt::to_string(omp_get_max_threads()), fmt::to_string(row.tokens),
                     fmt::format("{:.2f}", 1e3 * row.seconds_median),
                     fmt::format("{:.1f} {}", row.rate, word_of(row.unit)), fmt::format("{:.1f}", row.limit),
                     fmt::format("{:.0f}", 100.0 * row.ratio())});
  }
  fmt::print("{}\n", format_table(table, TextStyle::plain));
  for (const std::string& note : notes) fmt::print("{}\n", note);
  for (const BenchRow& row : rows) {
    if (row.aim) fmt::print("{}: {}\n", row.name, aim_text(*row.aim));
  }
}

}  // namespace razorscope::cli
