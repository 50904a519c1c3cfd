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

/// The kind that the text names before its bracket.
const LengthKind& kind_of(const std::string& parameter, const std::string& text) {
  const std::string name = text.substr(0, text.find('('));
  std::vector<std::string> names;
  for (const LengthKind& kind : length_kinds()) {
    if (kind.name == name) return kind;
    names.push_back(kind.name);
  }
  throw InputError("workload", parameter, unknown_name("distribution", name, names));
}

/// What stands between the brackets: as many texts as the kind has arguments.
std::vector<std::string> split_arguments(const std::string& parameter, const LengthKind& kind,
                                         const std::string& text) {
  const auto fail = [&](std::string_view problem) {
    throw InputError("workload", parameter,
                     fmt::format("'{}' {}; allowed: {}", text.substr(0, 80), problem, signature(kind)));
  };
  const size_t open = kind.name.size();
  if (text.size() < open + 2 || !text.ends_with(')')) fail("lacks its brackets");
  const std::string inside = text.substr(open + 1, text.size() - open - 2);
  std::vector<std::string> out;
  size_t begin = 0;
  while (begin <= inside.size()) {
    // A file's name may have commas.
    const bool takes_the_rest = kind.arguments.back().kind == ParameterKind::file;
    const size_t end = takes_the_rest ? inside.size() : std::min(inside.find(',', begin), inside.size());
    out.push_back(inside.substr(begin, end - begin));
    begin = end + 1;
  }
  if (out.size() < kind.arguments.size()) fail("has too few arguments");
  if (out.size() > kind.arguments.size()) fail("has too many arguments");
  return out;
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

std::string signature(const LengthKind& kind) {
  std::string arguments;
  for (const Parameter& argument : kind.arguments)
    arguments += (arguments.empty() ? "" : ",") + argument.name;
  return fmt::format("{}({})", kind.name, arguments);
}

LengthDistribution parse_lengths(const std::string& parameter, const std::string& text) {
  const LengthKind& kind = kind_of(parameter, text);
  const std::vector<std::string> texts = split_arguments(parameter, kind, text);
  std::vector<std::pair<std::string, std::string>> given;
  for (size_t i = 0; i < texts.size(); ++i) given.emplace_back(kind.arguments[i].name, texts[i]);
  LengthDistribution out;
  out.kind = kind.name;
  out.arguments = complete_parameters("workload: " + parameter, kind.name, "", kind.arguments, given);
  for (const Parameter& argument : kind.arguments)
    out.canonical += (out.canonical.empty() ? "" : ",") + out.arguments.text(argument.name);
  out.canonical = fmt::format("{}({})", kind.name, out.canonical);
  if (kind.name == "uniform" && out.arguments.integer("lowest") > out.arguments.integer("highest")) {
    throw InputError("workload", parameter,
                     fmt::format("'{}': the lowest is above the highest", out.canonical));
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
