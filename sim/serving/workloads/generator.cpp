#include "sim/serving/workloads/generator.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>

#include "models/base/error.hpp"
#include "sim/serving/workloads/arrivals.hpp"
#include "sim/serving/workloads/lengths.hpp"
#include "sim/serving/workloads/random_stream.hpp"
#include "sim/serving/workloads/workload_file.hpp"

namespace razorscope {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// "key=value,key=value", where commas within brackets belong to the value.
Pairs split_parameters(const std::string& text) {
  const auto fail = [&](const std::string& problem) {
    throw InputError("workload", fmt::format("'{}'", text.substr(0, 200)), problem);
  };
  Pairs out;
  size_t begin = 0;
  while (begin <= text.size()) {
    int depth = 0;
    size_t end = begin;
    for (; end < text.size() && (text[end] != ',' || depth > 0); ++end) {
      if (text[end] == '(') ++depth;
      if (text[end] == ')' && --depth < 0) fail("')' without '('");
    }
    if (depth > 0) fail("'(' without ')'");
    const std::string part = text.substr(begin, end - begin);
    const size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0) {
      fail(fmt::format("'{}' is not key=value", part.substr(0, 80)));
    }
    out.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    begin = end + 1;
  }
  return out;
}

void set_parameter(Pairs& given, const std::string& name, std::string value) {
  const auto found =
      std::find_if(given.begin(), given.end(), [&](const auto& pair) { return pair.first == name; });
  if (found != given.end()) {
    found->second = std::move(value);
  } else {
    given.emplace_back(name, std::move(value));
  }
}

bool has_parameter(const Pairs& given, const std::string& name) {
  return std::any_of(given.begin(), given.end(), [&](const auto& pair) { return pair.first == name; });
}

/// Draws one side's lengths; `trace` is the file that a trace(FILE) resamples, else nullptr.
void draw_lengths(const LengthDistribution& distribution, int Request::*side, const FileRequests* trace,
                  std::mt19937_64 random, double most, std::vector<Request>& requests) {
  std::vector<int> traced;
  if (trace != nullptr) {
    traced.reserve(trace->requests.size());
    for (const Request& request : trace->requests) traced.push_back(request.*side);
  }
  const auto draw = length_sampler(distribution, traced);
  for (Request& request : requests)
    request.*side = static_cast<int>(std::clamp(std::round(draw(random)), 1.0, most));
}

}  // namespace

bool is_generator(const std::string& text) {
  const std::string name = text.substr(0, text.find(':'));
  const std::vector<ArrivalKind>& kinds = arrival_kinds();
  return std::any_of(kinds.begin(), kinds.end(), [&](const ArrivalKind& kind) { return kind.name == name; });
}

const std::vector<Parameter>& generator_parameters() {
  static const std::vector<Parameter> parameters = [] {
    std::vector<Parameter> out = arrival_parameters();
    out.push_back({.name = "requests",
                   .kind = ParameterKind::integer,
                   .fallback = "1000",
                   .help = "how many",
                   .lowest = 1.0,
                   .highest = 1e8});
    out.push_back({.name = "input",
                   .kind = ParameterKind::text,
                   .fallback = "lognormal(1155,1.0)",
                   .help = "a distribution of the prompts' tokens"});
    out.push_back({.name = "output",
                   .kind = ParameterKind::text,
                   .fallback = "lognormal(211,0.86)",
                   .help = "a distribution of the answers' tokens"});
    out.push_back({.name = "max",
                   .kind = ParameterKind::integer,
                   .fallback = fmt::to_string(most_tokens),
                   .help = "tokens that longer prompts and answers are cut to",
                   .lowest = 1.0,
                   .highest = most_tokens});
    out.push_back({.name = "seed",
                   .kind = ParameterKind::integer,
                   .fallback = "1",
                   .help = "of the random numbers",
                   .highest = 9007199254740992.0});
    return out;
  }();
  return parameters;
}

Workload generate_workload(const std::string& text, const WorkloadOptions& options) {
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  Pairs given = colon == std::string::npos ? Pairs() : split_parameters(text.substr(colon + 1));
  if (options.rate > 0.0) set_parameter(given, "rate", fmt::to_string(options.rate));
  if (!has_parameter(given, "seed")) set_parameter(given, "seed", fmt::to_string(options.seed));
  const ParameterValues values = complete_parameters("workload", kind, kind, generator_parameters(), given);
  const ArrivalProcess arrivals = make_arrivals(kind, values);
  const LengthDistribution input = parse_lengths("input", values.text("input"));
  const LengthDistribution output = parse_lengths("output", values.text("output"));
  const uint64_t seed = std::stoull(values.text("seed"));
  const double most = values.real("max");

  Workload out;
  std::map<std::string, FileRequests> traces;
  for (const std::string& file : {input.trace_file(), output.trace_file()}) {
    if (file.empty() || traces.contains(file)) continue;
    const std::string& note =
        traces.emplace(file, read_workload_file(file, "", std::numeric_limits<size_t>::max()))
            .first->second.note;
    if (!note.empty()) out.note += fmt::format("{}{}: {}", out.note.empty() ? "" : "; ", file, note);
  }
  const auto trace_of = [&](const LengthDistribution& lengths) {
    const auto found = traces.find(lengths.trace_file());
    return found == traces.end() ? nullptr : &found->second;
  };

  int64_t count = values.integer("requests");
  if (options.max_requests > 0) count = std::min(count, options.max_requests);
  out.requests.resize(static_cast<size_t>(count));
  draw_arrivals(arrivals, seed, out.requests);
  draw_lengths(input, &Request::input_tokens, trace_of(input), random_stream(seed, "input"), most,
               out.requests);
  // Equal random numbers draw equal indices: where both sides come from one file they stay pairs.
  const bool pairs = trace_of(input) != nullptr && trace_of(input) == trace_of(output);
  draw_lengths(output, &Request::output_tokens, trace_of(output),
               random_stream(seed, pairs ? "input" : "output"), most, out.requests);

  for (const Parameter* parameter : applicable_parameters(kind, generator_parameters(), values)) {
    std::string value = values.text(parameter->name);
    if (parameter->name == "requests") value = fmt::to_string(count);
    if (parameter->name == "input") value = input.canonical;
    if (parameter->name == "output") value = output.canonical;
    out.name += fmt::format("{}{}={}", out.name.empty() ? kind + ":" : ",", parameter->name, value);
  }
  return out;
}

}  // namespace razorscope
