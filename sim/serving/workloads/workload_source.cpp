#include "sim/serving/workloads/workload_source.hpp"

#include <filesystem>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "sim/serving/workloads/arrivals.hpp"
#include "sim/serving/workloads/generator.hpp"
#include "sim/serving/workloads/lengths.hpp"
#include "sim/serving/workloads/workload_file.hpp"

namespace razorscope {
namespace {

void check(const WorkloadOptions& options) {
  if (options.max_requests < 0) {
    throw InputError("requests", fmt::format("{} is out of range; allowed: 1 and more, or 0 for all",
                                             options.max_requests));
  }
  if (options.rate != 0.0 && !(options.rate >= 1e-6 && options.rate <= 1e6)) {
    throw InputError("rate",
                     fmt::format("{} is out of range; allowed: 1e-6 to 1e6 requests/s", options.rate));
  }
}

/// Refuses what is no file and was meant as a generator, as far as one can tell.
void check_spelling(const std::string& text) {
  std::error_code ignored;
  if (std::filesystem::exists(text, ignored)) return;
  std::vector<std::string> names;
  for (const ArrivalKind& kind : arrival_kinds()) names.push_back(kind.name);
  const std::string name = text.substr(0, text.find(':'));
  if (text.find('=') == std::string::npos && nearest_name(name, names).empty()) return;
  throw InputError("workload", fmt::format("'{}' is no file; {}", text.substr(0, 200),
                                           unknown_name("generator", name, names)));
}

}  // namespace

Workload load_workload(const std::string& text, const WorkloadOptions& options) {
  check(options);
  // With a format the text is a file's, even one called "poisson".
  if (options.format.empty()) {
    if (is_generator(text)) return generate_workload(text, options);
    check_spelling(text);
  }
  return load_workload_file(text, options);
}

std::vector<std::string> workload_formats() {
  std::vector<std::string> names;
  for (const WorkloadFormat& format : all_workload_formats()) names.push_back(format.name);
  return names;
}

std::string workload_help() {
  std::string out = "A workload is a file; its format is recognised:\n";
  for (const WorkloadFormat& format : all_workload_formats())
    out += fmt::format("  {:<10} {}\n", format.name, format.help);
  out += "or a generator, ARRIVALS:key=value,...; ARRIVALS is\n";
  for (const ArrivalKind& kind : arrival_kinds()) out += fmt::format("  {:<10} {}\n", kind.name, kind.help);
  out += "with the keys\n";
  for (const Parameter& parameter : generator_parameters())
    out += fmt::format("  {:<10} {} ({})\n", parameter.name, parameter.help, describe_domain(parameter));
  out += "and the distributions\n";
  for (const LengthKind& kind : length_kinds())
    out += fmt::format("  {:<24} {}\n", signature(kind), kind.help);
  out += "Tokens are rounded to whole ones, at least 1.\n";
  return out;
}

}  // namespace razorscope
