#include "experiments/store/figures/tradeoff_figure.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/plot.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_words.hpp"
#include "models/base/error.hpp"

namespace razorscope {
namespace {

constexpr double width = 860.0;
constexpr Plot::Box box = {.left = 84.0, .top = 12.0, .width = 752.0, .height = 320.0};

/// Policies by their mean rank over the shares at which they ran, 0 the best.
std::map<std::string, double> mean_ranks(const CurveGroup& group) {
  std::map<double, std::vector<std::pair<double, const std::string*>>> at_share;
  for (const Curve& curve : group.curves) {
    for (const CurvePoint& point : curve.points)
      at_share[point.share].emplace_back(group.measure.logarithmic ? point.value : -point.value,
                                         &curve.policy);
  }
  std::map<std::string, std::pair<double, double>> sums;
  for (auto& [share, values] : at_share) {
    std::sort(values.begin(), values.end(), [](const auto& a, const auto& b) {
      return std::tie(a.first, *a.second) < std::tie(b.first, *b.second);
    });
    for (size_t i = 0; i < values.size(); ++i) {
      auto& [sum, count] = sums[*values[i].second];
      sum += static_cast<double>(i) / static_cast<double>(values.size());
      count += 1.0;
    }
  }
  std::map<std::string, double> ranks;
  for (const auto& [policy, sum] : sums) ranks[policy] = sum.first / sum.second;
  return ranks;
}

Axis value_axis(const CurveGroup& group) {
  const std::string label =
      fmt::format("{}{}", group.measure.name, group.measure.logarithmic ? ", logarithmic" : "");
  if (!group.measure.logarithmic) return {.label = label, .low = 0.0, .high = 1.0};
  Range range(true);
  for (const Curve& curve : group.curves) {
    for (const CurvePoint& point : curve.points) {
      range.add(point.value);
      if (!point.interval) continue;
      range.add(point.interval->low);
      range.add(point.interval->high);
    }
  }
  return range.axis(label);
}

Axis share_axis(const CurveGroup& group) {
  return {.label = "physical bytes after the prefix, share of full+f16 (logarithmic)",
          .low = group.shares.back() * 0.85,
          .high = group.shares.front() * 1.18,
          .logarithmic = true,
          .percent = true,
          .ticks = group.shares};
}

std::string tooltip(const CurveGroup& group, const Curve& curve, const CurvePoint& point) {
  std::string text = fmt::format("{} at {}: {}", policy_label(curve.policy), share_text(point.share),
                                 figure_text(point.value));
  if (group.measure.has_intervals) text += fmt::format(" {}", figure_interval_text(point.interval));
  return text;
}

class TradeoffFigure {
 public:
  explicit TradeoffFigure(CurveGroup group)
      : all_(group.curves.size()),
        group_(bounded(std::move(group))),
        plot_(box, share_axis(group_), value_axis(group_)) {}

  Figure draw() {
    plot_.draw_axes(svg_);
    std::map<std::string_view, size_t> families;
    std::vector<LegendEntry> legend;
    for (size_t i = 0; i < group_.curves.size(); ++i) {
      const Curve& curve = group_.curves[i];
      const PolicyStyle& style = policy_style(curve.policy);
      const size_t nth = families[style.paint.name]++;
      // Aside of each other, so that whiskers at one share do not hide each other.
      const double aside =
          4.0 * (static_cast<double>(i) - (static_cast<double>(group_.curves.size()) - 1.0) / 2.0);
      draw_curve(curve, style, nth, std::clamp(aside, -18.0, 18.0));
      legend.push_back({.style = style,
                        .label = policy_label(curve.policy),
                        .hollow = nth % 2 == 1,
                        .dash = dash_of(nth)});
    }
    const double bottom = draw_legend(svg_, box.left, box.top + box.height + 66.0, box.width, legend);
    return {.title = fmt::format("{} at equal bytes", group_.measure.name),
            .caption = caption(),
            .width = width,
            .height = bottom,
            .body = svg_.take()};
  }

 private:
  static CurveGroup bounded(CurveGroup group) {
    const std::map<std::string, double> ranks = mean_ranks(group);
    keep_heaviest(group.curves, most_curves, [&](const Curve& curve) { return -ranks.at(curve.policy); });
    return group;
  }

  void draw_curve(const Curve& curve, const PolicyStyle& style, size_t nth, double shift) {
    SvgWriter::Points line;
    for (const CurvePoint& point : curve.points) {
      if (plot_.has_place(point.share, point.value)) {
        line.emplace_back(plot_.x(point.share) + shift, plot_.y(point.value));
      } else {
        ++without_place_;
      }
    }
    svg_.polyline(line, style.paint, 1.8, dash_of(nth));
    for (const CurvePoint& point : curve.points) {
      if (!plot_.has_place(point.share, point.value)) continue;
      const double x = plot_.x(point.share) + shift;
      if (point.interval) plot_.whisker(svg_, x, point.interval->low, point.interval->high, style.paint);
      svg_.marker(x, plot_.y(point.value), style, nth % 2 == 1, tooltip(group_, curve, point));
    }
  }

  std::string caption() const {
    std::string caption = group_.heading + ".";
    if (group_.measure.has_intervals)
      caption += " Whiskers: 95 % intervals; without: too few samples for one.";
    if (without_place_ > 0)
      caption += fmt::format(" {} points at 0 have no place on a logarithmic axis.", without_place_);
    if (all_ > group_.curves.size()) {
      caption += fmt::format(" Drawn: the {} policies of {} with the best mean rank over the shares.",
                             group_.curves.size(), all_);
    }
    return caption;
  }

  size_t all_;
  CurveGroup group_;
  Plot plot_;
  SvgWriter svg_;
  int without_place_ = 0;
};

}  // namespace

Figures tradeoff_figures(std::vector<CurveGroup> groups) {
  Figures out;
  out.left_out = left_out_text(keep_heaviest(groups, most_figures, [](const CurveGroup& group) {
    size_t points = 0;
    for (const Curve& curve : group.curves) points += curve.points.size();
    return points;
  }));
  for (CurveGroup& group : groups) out.figures.push_back(TradeoffFigure(std::move(group)).draw());
  return out;
}

std::string curves_svg(const std::vector<CurveGroup>& groups) {
  if (groups.empty()) {
    throw InputError(
        "--figure",
        "there are no runs at equal bytes with a known share to draw: add some with --equal-bytes 0.3");
  }
  return svg_document(tradeoff_figures(groups));
}

}  // namespace razorscope
