#include "experiments/store/figures/latency_figure.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/plot.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_groups.hpp"

namespace razorscope {
namespace {

constexpr double width = 860.0;
constexpr size_t most_policies = 6;  // three lines each, in two plots

using ServingGroup = std::vector<ServingRow>;

struct Percentile {
  const char* name;
  double Percentiles::*value;
  double line;
  const char* dash;
};
constexpr Percentile percentiles[] = {{"p50", &Percentiles::p50, 2.2, ""},
                                      {"p90", &Percentiles::p90, 1.3, "6 3"},
                                      {"p99", &Percentiles::p99, 1.3, "2 3"}};

struct Measure {
  const char* title;
  Percentiles ServingResult::*values;
  std::optional<double> ServiceLevel::*limit;
  double left;
};
constexpr Measure measures[] = {
    {"TTFT", &ServingResult::ttft, &ServiceLevel::ttft, 84.0},
    {"TPOT", &ServingResult::tpot, &ServiceLevel::tpot, 516.0},
};

size_t rates_of(const ServingGroup& group) {
  std::set<double> rates;
  for (const ServingRow& row : group) {
    if (row.rate) rates.insert(*row.rate);
  }
  return rates.size();
}

std::string milliseconds(double value) { return fmt::format("{:.{}f}", value, value < 100.0 ? 2 : 0); }

class LatencyFigure {
 public:
  explicit LatencyFigure(const ServingGroup& rows) : first_(rows.front()) {
    ServingGroup with_rate = rows;
    std::erase_if(with_rate, [](const ServingRow& row) { return !row.rate; });
    at_once_ = rows.size() - with_rate.size();
    policies_ = grouped_in_order(with_rate, [](const ServingRow& row) { return std::tie(row.policy); });
    all_ = policies_.size();
    keep_heaviest(policies_, most_policies, [](const ServingGroup& policy) {
      double best = 0.0;
      for (const ServingRow& row : policy) best = std::max(best, row.result.goodput);
      return best;
    });
    for (ServingGroup& policy : policies_)
      std::sort(policy.begin(), policy.end(), [](const auto& a, const auto& b) { return *a.rate < *b.rate; });
  }

  Figure draw() {
    for (const Measure& measure : measures) draw_plot(measure);
    std::vector<LegendEntry> legend;
    std::map<std::string_view, size_t> families;
    for (const ServingGroup& policy : policies_) {
      const PolicyStyle& style = policy_style(policy.front().policy);
      const size_t nth = families[style.paint.name]++;
      legend.push_back(
          {.style = style, .label = policy_label(policy.front().policy), .hollow = nth % 2 == 1});
    }
    const double bottom = draw_legend(svg_, 84.0, 356.0, 752.0, legend);
    double x = 84.0;
    for (const Percentile& percentile : percentiles) {
      svg_.line(x, bottom + 6.0, x + 34.0, bottom + 6.0, paints::ink, percentile.line, percentile.dash);
      svg_.text(x + 42.0, bottom + 10.0, percentile.name);
      x += 100.0;
    }
    svg_.line(x, bottom + 6.0, x + 34.0, bottom + 6.0, paints::warning, 1.6, "8 3");
    svg_.text(x + 42.0, bottom + 10.0, "limit of the service level");
    return {.title = "Latency against load",
            .caption = caption(),
            .width = width,
            .height = bottom + 20.0,
            .body = svg_.take()};
  }

 private:
  Axis rate_axis() const {
    double low = *policies_.front().front().rate;
    double high = low;
    for (const ServingGroup& policy : policies_) {
      low = std::min(low, *policy.front().rate);
      high = std::max(high, *policy.back().rate);
    }
    Range range(low > 0.0 && high / low > 8.0);
    range.add(low);
    range.add(high);
    return range.axis("requests/s that arrive");
  }

  void draw_plot(const Measure& measure) {
    const std::optional<double>& limit = first_.level.*measure.limit;
    Range range(true);
    for (const ServingGroup& policy : policies_) {
      for (const ServingRow& row : policy) {
        for (const Percentile& percentile : percentiles)
          range.add(1e3 * (row.result.*measure.values).*percentile.value);
      }
    }
    if (limit) range.add(*limit * 1e3);
    const Plot plot({.left = measure.left, .top = 12.0, .width = 320.0, .height = 280.0}, rate_axis(),
                    range.axis(fmt::format("{}, ms (logarithmic)", measure.title)));
    plot.draw_axes(svg_);
    if (limit)
      svg_.line(measure.left, plot.y(*limit * 1e3), measure.left + 320.0, plot.y(*limit * 1e3),
                paints::warning, 1.6, "8 3");
    std::map<std::string_view, size_t> families;
    for (const ServingGroup& policy : policies_) {
      const PolicyStyle& style = policy_style(policy.front().policy);
      const size_t nth = families[style.paint.name]++;
      for (const Percentile& percentile : percentiles)
        draw_line(plot, measure, percentile, policy, style, nth);
    }
  }

  void draw_line(const Plot& plot, const Measure& measure, const Percentile& percentile,
                 const ServingGroup& policy, const PolicyStyle& style, size_t nth) {
    SvgWriter::Points line;
    for (const ServingRow& row : policy) {
      const double value = 1e3 * (row.result.*measure.values).*percentile.value;
      if (plot.has_place(*row.rate, value)) line.emplace_back(plot.x(*row.rate), plot.y(value));
    }
    svg_.polyline(line, style.paint, percentile.line, percentile.dash);
    for (const ServingRow& row : policy) {
      const double value = 1e3 * (row.result.*measure.values).*percentile.value;
      if (!plot.has_place(*row.rate, value)) continue;
      svg_.marker(plot.x(*row.rate), plot.y(value), style, nth % 2 == 1,
                  fmt::format("{} at {:.4g} requests/s: {} {} {} ms; goodput {:.4g}/s ({:.1f} % of requests)",
                              policy_label(row.policy), *row.rate, measure.title, percentile.name,
                              milliseconds(value), row.result.goodput, 100.0 * row.result.goodput_share),
                  percentile.line > 2.0 ? 4.5 : 3.2);
    }
  }

  std::string caption() const {
    std::string caption = subject_text(first_) + ".";
    if (all_ > policies_.size())
      caption += fmt::format(" Drawn: the {} policies of {} with the highest goodput at any rate.",
                             policies_.size(), all_);
    if (at_once_ > 0)
      caption += fmt::format(" {} runs whose requests arrive all at once have no rate.", at_once_);
    return caption;
  }

  const ServingRow& first_;
  std::vector<ServingGroup> policies_;
  size_t all_ = 0;
  size_t at_once_ = 0;
  SvgWriter svg_;
};

}  // namespace

Figures latency_figures(const std::vector<ServingRow>& rows) {
  std::vector<ServingGroup> groups = serving_groups(rows);
  std::erase_if(groups, [](const ServingGroup& group) { return rates_of(group) < 2; });
  Figures out;
  out.left_out = left_out_text(
      keep_heaviest(groups, most_figures, [](const ServingGroup& group) { return group.size(); }));
  for (const ServingGroup& group : groups) out.figures.push_back(LatencyFigure(group).draw());
  return out;
}

}  // namespace razorscope
