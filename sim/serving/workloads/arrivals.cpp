#include "sim/serving/workloads/arrivals.hpp"

#include <boost/random/exponential_distribution.hpp>
#include <boost/random/gamma_distribution.hpp>
#include <fmt/format.h>
#include <functional>

#include "models/base/error.hpp"
#include "sim/serving/workloads/random_stream.hpp"

namespace razorscope {
namespace {

using Random = std::mt19937_64;

/// Expected requests a burst below which drawing one request means drawing too many empty bursts.
constexpr double fewest_requests_a_burst = 0.01;

double requests_a_burst(const ArrivalProcess& process) {
  return process.rate * (process.burst + process.idle);
}

/// An exponential time of that mean, 0 for mean 0.
double exponential(Random& random, double mean) {
  return mean * boost::random::exponential_distribution<double>(1.0)(random);
}

/// Gaps of the interrupted Poisson process. It starts with a request, hence within a burst; what is left of
/// the burst is then distributed as a whole one.
class BurstyGaps {
 public:
  BurstyGaps(const ArrivalProcess& process, Random& random)
      : burst_(process.burst),
        idle_(process.idle),
        gap_in_burst_(process.burst / requests_a_burst(process)),
        left_(exponential(random, burst_)) {}

  double operator()(Random& random) {
    double in_burst = exponential(random, gap_in_burst_);
    double gap = 0.0;
    while (in_burst > left_) {
      in_burst -= left_;
      gap += left_ + exponential(random, idle_);
      left_ = exponential(random, burst_);
    }
    left_ -= in_burst;
    return gap + in_burst;
  }

 private:
  double burst_;
  double idle_;
  double gap_in_burst_;
  double left_;  // of the present burst
};

std::function<double(Random&)> gaps(const ArrivalProcess& process, Random& random) {
  if (process.kind == "uniform") return [gap = 1.0 / process.rate](Random&) { return gap; };
  if (process.kind == "bursty") return BurstyGaps(process, random);
  if (process.kind == "gamma") {
    const double shape = 1.0 / (process.cv * process.cv);
    return boost::random::gamma_distribution<double>(shape, 1.0 / (process.rate * shape));
  }
  return [mean = 1.0 / process.rate](Random& stream) { return exponential(stream, mean); };
}

}  // namespace

const std::vector<ArrivalKind>& arrival_kinds() {
  static const std::vector<ArrivalKind> kinds = {
      {"poisson", "independent requests: exponential gaps"},
      {"gamma", "gamma gaps with a coefficient of variation: above 1 requests cluster"},
      {"bursty", "Poisson within bursts, silence between them"},
      {"uniform", "equal gaps"}};
  return kinds;
}

std::vector<Parameter> arrival_parameters() {
  return {{.name = "rate",
           .kind = ParameterKind::real,
           .fallback = "5",
           .help = "mean requests/s",
           .lowest = 1e-6,
           .highest = 1e6},
          {.name = "cv",
           .kind = ParameterKind::real,
           .fallback = "2",
           .help = "standard deviation of a gap over its mean",
           .lowest = 0.01,
           .highest = 30.0,
           .variants = {"gamma"}},
          {.name = "burst",
           .kind = ParameterKind::real,
           .fallback = "10",
           .help = "mean seconds of a burst",
           .lowest = 1e-3,
           .highest = 1e6,
           .variants = {"bursty"}},
          {.name = "idle",
           .kind = ParameterKind::real,
           .fallback = "30",
           .help = "mean seconds between bursts",
           .lowest = 0.0,
           .highest = 1e6,
           .variants = {"bursty"}}};
}

ArrivalProcess make_arrivals(const std::string& kind, const ParameterValues& values) {
  ArrivalProcess process{.kind = kind, .rate = values.real("rate")};
  if (values.has("cv")) process.cv = values.real("cv");
  if (values.has("burst")) process.burst = values.real("burst");
  if (values.has("idle")) process.idle = values.real("idle");
  if (kind == "bursty" && requests_a_burst(process) < fewest_requests_a_burst) {
    throw InputError(
        "workload: bursty", "rate",
        fmt::format("{} requests/s are {:.3g} a burst and the silence behind it; allowed: rate x "
                    "(burst + idle) of at least {}",
                    process.rate, requests_a_burst(process), fewest_requests_a_burst));
  }
  return process;
}

void draw_arrivals(const ArrivalProcess& process, uint64_t seed, std::vector<Request>& requests) {
  Random random = random_stream(seed, "arrivals");
  const auto next_gap = gaps(process, random);
  double now = 0.0;
  for (Request& request : requests) {
    request.arrival = now;
    now += next_gap(random);
  }
}

}  // namespace razorscope
