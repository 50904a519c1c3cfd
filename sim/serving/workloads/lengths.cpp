#include "sim/serving/workloads/lengths.hpp"

#include <algorithm>
#include <boost/random/lognormal_distribution.hpp>
#include <boost/random/uniform_int_distribution.hpp>
#include <cmath>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "sim/serving/workloads/workload_format.hpp"

namespace razorscope {
namespace {

Parameter tokens(const std::string& name, ParameterKind kind, const std::string& help) {
  return {.name = name, .kind = kind, .help = help, .lowest = 1.0, .highest = most_tokens};
}

/// "lognormal(mean,sigma)"
std::string signature(const LengthKind& kind) {
  std::string arguments;
  for (const Parameter& argument : kind.arguments)
    arguments += (arguments.empty() ? "" : ",") + argument.name;
  return fmt::format("{}({})", kind.name, arguments);
}

}  // namespace

const std::vector<LengthKind>& length_kinds() {
  // lognormal takes the mean, not the median, since that is what sizes a system: tokens/s are rate x mean.
  // (The 1155 and 211 of the example are the means of Azure's conversations of 2023, whose logarithms deviate
  // by .99 and .86.)
  static const std::vector<LengthKind> kinds = {
      {.name = "lognormal",
       .help = "of that mean; sigma is the standard deviation of the logarithm",
       .arguments =
           {tokens("mean", ParameterKind::real, "tokens"),
            {.name = "sigma", .kind = ParameterKind::real, .help = "", .lowest = 0.0, .highest = 5.0}}},
      {.name = "fixed",
       .help = "always so many",
       .arguments = {tokens("tokens", ParameterKind::integer, "")}},
      {.name = "uniform",
       .help = "whole numbers from lowest to highest, both included",
       .arguments = {tokens("lowest", ParameterKind::integer, ""),
                     tokens("highest", ParameterKind::integer, "")}},
      {.name = "trace",
       .help = "drawn with replacement from a workload file's requests; pairs where input and output name "
               "one file",
       .arguments = {{.name = "file", .kind = ParameterKind::file, .help = ""}}}};
  return kinds;
}

LengthDistribution parse_lengths(const std::string& parameter, const std::string& text) {
  const auto fail = [&](const std::string& problem) { throw InputError("workload", parameter, problem); };
  const size_t open = text.find('(');
  const std::string name = text.substr(0, open);
  std::vector<std::string> names;
  const LengthKind* kind = nullptr;
  std::string signatures;
  for (const LengthKind& candidate : length_kinds()) {
    names.push_back(candidate.name);
    signatures += (signatures.empty() ? "" : ", ") + signature(candidate);
    if (candidate.name == name) kind = &candidate;
  }
  if (kind == nullptr) fail(unknown_name("distribution", name, names));
  if (open == std::string::npos || !text.ends_with(')')) {
    fail(fmt::format("'{}' lacks its brackets; allowed: {}", text.substr(0, 80), signatures));
  }
  const std::string inside = text.substr(open + 1, text.size() - open - 2);
  std::vector<std::pair<std::string, std::string>> given;
  size_t begin = 0;
  while (true) {
    // A file's name may have commas: the last argument takes the rest.
    const bool last = given.size() + 1 == kind->arguments.size() && name == "trace";
    const size_t comma = last ? std::string::npos : inside.find(',', begin);
    const std::string value = inside.substr(begin, comma == std::string::npos ? comma : comma - begin);
    if (given.size() == kind->arguments.size()) {
      fail(fmt::format("'{}' has too many arguments; allowed: {}", text.substr(0, 80), signature(*kind)));
    }
    given.emplace_back(kind->arguments[given.size()].name, value);
    if (comma == std::string::npos) break;
    begin = comma + 1;
  }
  if (given.size() < kind->arguments.size()) {
    fail(fmt::format("'{}' has too few arguments; allowed: {}", text.substr(0, 80), signature(*kind)));
  }
  LengthDistribution out{
      .kind = name,
      .arguments = complete_parameters("workload: " + parameter, name, "", kind->arguments, given),
      .canonical = ""};
  for (const Parameter& argument : kind->arguments)
    out.canonical += (out.canonical.empty() ? "" : ",") + out.arguments.text(argument.name);
  out.canonical = fmt::format("{}({})", name, out.canonical);
  if (name == "uniform" && out.arguments.integer("lowest") > out.arguments.integer("highest")) {
    fail(fmt::format("'{}': the lowest is above the highest", text.substr(0, 80)));
  }
  return out;
}

std::function<double(std::mt19937_64&)> length_sampler(const LengthDistribution& distribution,
                                                       const std::vector<int>& trace) {
  const ParameterValues& values = distribution.arguments;
  if (distribution.kind == "lognormal") {
    const double sigma = values.real("sigma");
    const double mu = std::log(values.real("mean")) - sigma * sigma / 2.0;  // E = exp(mu + sigma^2 / 2)
    return boost::random::lognormal_distribution<double>(mu, sigma);
  }
  if (distribution.kind == "uniform") {
    return boost::random::uniform_int_distribution<int>(values.integer("lowest"), values.integer("highest"));
  }
  if (distribution.kind == "trace") {
    boost::random::uniform_int_distribution<size_t> index(0, trace.size() - 1);
    return [index, &trace](std::mt19937_64& random) { return static_cast<double>(trace[index(random)]); };
  }
  return [count = values.integer("tokens")](std::mt19937_64&) { return static_cast<double>(count); };
}

}  // namespace razorscope
