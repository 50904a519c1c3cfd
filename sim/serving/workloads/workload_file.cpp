#include "sim/serving/workloads/workload_file.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <limits>
#include <utility>

#include "models/base/error.hpp"
#include "sim/serving/workloads/arrivals.hpp"

namespace razorscope {
namespace {

const WorkloadFormat& format_of(TextReader& text, const std::string& forced) {
  const std::vector<WorkloadFormat>& formats = all_workload_formats();
  if (!forced.empty()) {
    for (const WorkloadFormat& format : formats) {
      if (format.name == forced) return format;
    }
    throw InputError("format", unknown_name("workload format", forced, workload_formats()));
  }
  const std::string_view beginning = text.beginning();
  for (const WorkloadFormat& format : formats) {
    if (format.recognises(beginning)) return format;
  }
  if (beginning.empty()) throw InputError(text.path(), "is empty");
  std::string known;
  for (const WorkloadFormat& format : formats) known += fmt::format("\n  {:<9} {}", format.name, format.help);
  const std::string_view first_line = beginning.substr(0, beginning.find_first_of("\r\n"));
  throw InputError(text.path(), fmt::format("is no workload file that is known; it begins {}; known are:{}",
                                            excerpt(first_line), known));
}

void add_note(std::string& note, const std::string& more) { note += (note.empty() ? "" : "; ") + more; }

/// Sorts by arrival, equal ones in their order. Arrivals are sorted with their positions, a third of a
/// request's bytes, and each request then moves once: several times faster than sorting millions of requests.
void sort_by_arrival(std::vector<Request>& requests) {
  std::vector<std::pair<double, size_t>> sorted;  // arrival, position
  sorted.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) sorted.emplace_back(requests[i].arrival, i);
  std::sort(sorted.begin(), sorted.end());
  // Place i takes the request at sorted[i].second: along each cycle, which is marked as done on the way.
  for (size_t start = 0; start < sorted.size(); ++start) {
    if (sorted[start].second == start) continue;
    Request first = std::move(requests[start]);
    size_t place = start;
    while (sorted[place].second != start) {
      const size_t source = std::exchange(sorted[place].second, place);
      requests[place] = std::move(requests[source]);
      place = source;
    }
    requests[place] = std::move(first);
    sorted[place].second = place;
  }
}

/// Sorts by arrival, equal ones in the file's order, and lets the first arrive at 0.
void order(FileRequests& file) {
  std::vector<Request>& requests = file.requests;
  size_t late = 0;
  double latest = requests.front().arrival;
  for (const Request& request : requests) {
    if (request.arrival < latest) ++late;
    latest = std::max(latest, request.arrival);
  }
  if (late > 0) {
    sort_by_arrival(requests);
    add_note(file.note, fmt::format("{} of {} requests stood behind one that arrived later; they were sorted",
                                    late, requests.size()));
  }
  const double origin = requests.front().arrival;
  for (Request& request : requests) request.arrival -= origin;
}

/// Stretches ordered arrivals to a mean rate.
void stretch(const std::string& path, FileRequests& file, double rate) {
  std::vector<Request>& requests = file.requests;
  if (requests.size() < 2) return;
  const double span = requests.back().arrival;
  if (!(span > 1e-9)) {
    throw InputError(path, "all requests arrive at once: there is no pattern to stretch to a rate");
  }
  const double own_rate = static_cast<double>(requests.size() - 1) / span;
  const double factor = own_rate / rate;
  for (Request& request : requests) request.arrival *= factor;
  add_note(file.note, fmt::format("arrivals stretched from {:.4g} to {:.4g} requests/s", own_rate, rate));
}

}  // namespace

const std::vector<WorkloadFormat>& all_workload_formats() {
  static const std::vector<WorkloadFormat> formats = {azure_format(), mooncake_format(), vidur_format(),
                                                      sharegpt_format()};
  return formats;
}

FileRequests read_workload_file(const std::string& path, const std::string& format, size_t most) {
  TextReader text(path);
  FileRequests file = format_of(text, format).read(text, most);
  if (file.requests.empty()) {
    throw InputError(path, "has no requests" + (file.note.empty() ? "" : " (" + file.note + ")"));
  }
  return file;
}

Workload load_workload_file(const std::string& path, const WorkloadOptions& options) {
  const size_t most = options.max_requests > 0 ? static_cast<size_t>(options.max_requests)
                                               : std::numeric_limits<size_t>::max();
  FileRequests file = read_workload_file(path, options.format, most);
  if (file.has_arrivals) {
    order(file);
    if (options.rate > 0.0) stretch(path, file, options.rate);
  } else if (options.rate > 0.0) {
    draw_arrivals({.kind = "poisson", .rate = options.rate}, options.seed, file.requests);
    add_note(file.note, fmt::format("no arrivals in the file: Poisson at {:.4g} requests/s, seed {}",
                                    options.rate, options.seed));
  } else {
    add_note(file.note, "no arrivals in the file: all requests arrive at 0 unless a rate is given");
  }
  return {.name = std::filesystem::path(path).filename().string(),
          .requests = std::move(file.requests),
          .hash_block_tokens = file.hash_block_tokens,
          .note = std::move(file.note)};
}

}  // namespace razorscope
