#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policies/parameter.hpp"
#include "sim/serving/request.hpp"

namespace razorscope {

/// A stationary process of arrivals, of `rate` requests/s in the long run.
///   poisson  independent exponential gaps
///   gamma    independent gamma gaps with coefficient of variation cv: 1 is poisson, above it clusters
///   bursty   poisson during bursts, silence between them; both last exponential times, of mean `burst` and
///            `idle` seconds (an interrupted Poisson process)
///   uniform  equal gaps
struct ArrivalProcess {
  std::string kind = "poisson";
  double rate = 1.0;   // requests/s, above 0
  double cv = 1.0;     // gamma only
  double burst = 1.0;  // seconds; bursty only
  double idle = 1.0;
};

struct ArrivalKind {
  std::string name;
  std::string help;  // one line
};
const std::vector<ArrivalKind>& arrival_kinds();

/// The parameters of the kinds; those that belong to one kind have it as their variant.
std::vector<Parameter> arrival_parameters();

/// From complete values of arrival_parameters(). Throws InputError for bursts too rare to be drawn.
ArrivalProcess make_arrivals(const std::string& kind, const ParameterValues& values);

/// Sets the requests' arrivals, which begin with 0.
void draw_arrivals(const ArrivalProcess& process, uint64_t seed, std::vector<Request>& requests);

}  // namespace razorscope
