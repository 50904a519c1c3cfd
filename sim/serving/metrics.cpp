#include "sim/serving/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <string_view>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

/// Between ranks of a list that is sorted up to where it matters.
double at_rank(std::vector<float>& values, double share) {
  const double rank = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<ptrdiff_t>(std::floor(rank));
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double low = values[static_cast<size_t>(below)];
  if (below + 1 == std::ssize(values)) return low;
  const double high = *std::min_element(values.begin() + below + 1, values.end());
  return low + (rank - static_cast<double>(below)) * (high - low);
}

double parse_duration(const std::string& key, std::string_view text) {
  double amount = 0.0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), amount);
  const std::string_view unit =
      problem == std::errc() ? text.substr(static_cast<size_t>(end - text.data())) : "?";
  const double factor = unit == "s" ? 1.0 : unit == "ms" ? 1e-3 : unit == "min" ? 60.0 : 0.0;
  if (factor == 0.0 || !std::isfinite(amount) || amount <= 0.0) {
    throw InputError(
        "--slo", key,
        fmt::format("'{}' is not a duration; allowed: a positive number with ms, s or min", text));
  }
  return amount * factor;
}

}  // namespace

Percentiles percentiles(std::vector<float>& values) {
  Percentiles out;
  if (values.empty()) return out;
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  out.mean = sum / static_cast<double>(values.size());
  out.p50 = at_rank(values, 0.5);
  out.p90 = at_rank(values, 0.9);
  out.p99 = at_rank(values, 0.99);
  out.max = *std::max_element(values.begin(), values.end());
  return out;
}

ServiceLevel parse_service_level(const std::string& text) {
  ServiceLevel level;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const size_t equals = std::min(item.find('='), item.size());
    const std::string key(item.substr(0, equals));
    std::optional<double>* limit = key == "ttft"   ? &level.ttft
                                   : key == "tpot" ? &level.tpot
                                   : key == "e2e"  ? &level.e2e
                                                   : nullptr;
    if (limit == nullptr) throw InputError("--slo", unknown_name("limit", key, {"ttft", "tpot", "e2e"}));
    if (*limit) throw InputError("--slo", key, "is given twice");
    *limit = parse_duration(key, item.substr(std::min(equals + 1, item.size())));
  }
  return level;
}

std::string to_string(const ServiceLevel& level) {
  std::string text;
  const auto add = [&](const char* name, const std::optional<double>& limit) {
    if (limit) text += fmt::format("{}{}={}ms", text.empty() ? "" : ",", name, *limit * 1e3);
  };
  add("ttft", level.ttft);
  add("tpot", level.tpot);
  add("e2e", level.e2e);
  return text;
}

bool RequestRecord::meets(const ServiceLevel& level) const {
  if (!completed) return false;
  if (level.ttft && ttft() > *level.ttft) return false;
  if (level.tpot && tpot().value_or(0.0) > *level.tpot) return false;
  return !level.e2e || e2e() <= *level.e2e;
}

std::vector<LimitReport> limit_reports(const std::vector<RequestRecord>& records, const ServiceLevel& level,
                                       double wanted_share) {
  std::vector<LimitReport> reports;
  const auto add = [&](const char* name, const std::optional<double>& limit, const auto& seconds_of) {
    if (!limit || records.empty()) return;
    std::vector<double> seconds;
    for (const RequestRecord& record : records) {
      if (record.completed) seconds.push_back(seconds_of(record));
    }
    std::sort(seconds.begin(), seconds.end());
    const auto all = static_cast<double>(records.size());
    const auto within = std::upper_bound(seconds.begin(), seconds.end(), *limit) - seconds.begin();
    LimitReport& report =
        reports.emplace_back(LimitReport{name, *limit, static_cast<double>(within) / all, std::nullopt});
    const auto wanted = static_cast<size_t>(std::ceil(wanted_share * all));
    if (wanted >= 1 && wanted <= seconds.size()) report.needed = seconds[wanted - 1];
  };
  add("ttft", level.ttft, [](const RequestRecord& record) { return record.ttft(); });
  add("tpot", level.tpot, [](const RequestRecord& record) { return record.tpot().value_or(0.0); });
  add("e2e", level.e2e, [](const RequestRecord& record) { return record.e2e(); });
  return reports;
}

void Timeline::add(const TimelinePoint& point) {
  points_.push_back(point);
  if (points_.size() >= most_points) {
    size_t kept = 0;
    for (size_t i = 0; i < points_.size(); i += 2) points_[kept++] = points_[i];
    points_.resize(kept);
    interval_ *= 2.0;
  }
  next_ = point.time + interval_;
}

}  // namespace razorscope
