#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "policies/parameter.hpp"
#include "sim/serving/request.hpp"

namespace razorscope {

/// A distribution of token counts, written name(argument,...): lognormal(1155,1.0).
struct LengthKind {
  std::string name;
  std::string help;                  // one line
  std::vector<Parameter> arguments;  // in their order; all are required
};
const std::vector<LengthKind>& length_kinds();

/// "lognormal(mean,sigma)"
std::string signature(const LengthKind& kind);

struct LengthDistribution {
  std::string kind;
  ParameterValues arguments;
  std::string canonical;  // parses to the same

  /// The file of trace(FILE), else "".
  std::string trace_file() const { return kind == "trace" ? arguments.text("file") : ""; }
};

/// Throws InputError that names `parameter`, of which `text` is the value.
LengthDistribution parse_lengths(const std::string& parameter, const std::string& text);

/// What draws from the distribution: token counts, not yet whole nor bounded. `trace` has the values that a
/// trace(FILE) resamples, which must outlive the result.
std::function<double(std::mt19937_64&)> length_sampler(const LengthDistribution& distribution,
                                                       const std::vector<int>& trace);

}  // namespace razorscope
