#include "experiments/store/figures/plot.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "experiments/store/report_words.hpp"

namespace razorscope {
namespace {

constexpr double row_height = 20.0;

std::vector<double> linear_ticks(const Axis& axis) {
  const double rough = (axis.high - axis.low) / 5.0;
  const double decade = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10.0 * decade;
  for (const double factor : {5.0, 2.5, 2.0, 1.0}) {
    if (factor * decade >= rough) step = factor * decade;
  }
  std::vector<double> ticks;
  for (double i = std::ceil(axis.low / step - 1e-9); i * step <= axis.high * (1.0 + 1e-9); ++i)
    ticks.push_back(i * step + 0.0);  // not -0
  return ticks;
}

}  // namespace

double Axis::position(double value) const {
  const double at = logarithmic ? (std::log(value) - std::log(low)) / (std::log(high) - std::log(low))
                                : (value - low) / (high - low);
  return std::clamp(at, 0.0, 1.0);
}

std::string Axis::tick_text(double value) const {
  if (percent) return share_text(value);
  return value >= 1e4 && value < 1e7 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

void Range::add(double value) {
  if (!std::isfinite(value) || (logarithmic_ && value <= 0.0)) return;
  low_ = empty_ ? value : std::min(low_, value);
  high_ = empty_ ? value : std::max(high_, value);
  empty_ = false;
}

Axis Range::axis(const std::string& label) const {
  Axis axis = {.label = label, .low = 0.0, .high = 1.0, .logarithmic = logarithmic_};
  if (logarithmic_) {
    axis.low = empty_ ? 0.1 : low_ / 1.25;
    axis.high = empty_ ? 1.0 : high_ * 1.25;
  } else if (!empty_ && high_ > 0.0) {
    axis.high = high_ * 1.08;
  }
  return axis;
}

std::vector<double> round_ticks(const Axis& axis) {
  if (!axis.logarithmic) return linear_ticks(axis);
  if (axis.high / axis.low < 8.0) return linear_ticks(axis);
  const int first = static_cast<int>(std::floor(std::log10(axis.low)));
  const int last = static_cast<int>(std::ceil(std::log10(axis.high)));
  const int stride = std::max(1, (last - first) / 10);  // of decades
  const bool decades_only = axis.high / axis.low > 2e3;
  std::vector<double> ticks;
  for (int decade = first; decade <= last; ++decade) {
    if ((decade - first) % stride != 0) continue;
    for (const double step : {1.0, 2.0, 5.0}) {
      const double value = step * std::pow(10.0, decade);
      if (value < axis.low || value > axis.high || (decades_only && step > 1.0)) continue;
      ticks.push_back(value);
    }
  }
  return ticks;
}

void Plot::draw_axes(SvgWriter& svg) const {
  const double right = box_.left + box_.width;
  const double bottom = box_.top + box_.height;
  for (const double tick : y_.ticks.empty() ? round_ticks(y_) : y_.ticks) {
    svg.line(box_.left, y(tick), right, y(tick), paints::grid);
    svg.text(box_.left - 8.0, y(tick) + 4.0, y_.tick_text(tick), {.anchor = "end"});
  }
  double last = -std::numeric_limits<double>::infinity();
  std::vector<double> ticks = x_.ticks.empty() ? round_ticks(x_) : x_.ticks;
  std::sort(ticks.begin(), ticks.end());
  for (const double tick : ticks) {
    svg.line(x(tick), bottom, x(tick), bottom + 5.0, paints::frame);
    if (x(tick) - last < 44.0) continue;  // its label would run into the one before
    last = x(tick);
    svg.text(last, bottom + 19.0, x_.tick_text(tick), {.anchor = "middle"});
  }
  svg.frame(box_.left, box_.top, box_.width, box_.height, paints::frame);
  svg.text(box_.left + box_.width / 2.0, bottom + 38.0, x_.label,
           {.anchor = "middle", .paint = paints::soft});
  svg.text(box_.left - 62.0, box_.top + box_.height / 2.0, y_.label,
           {.anchor = "middle", .paint = paints::soft, .upright = false});
}

void Plot::whisker(SvgWriter& svg, double at, double low, double high, const Paint& paint) const {
  const double bottom = y_.has_place(low) ? y(low) : box_.top + box_.height;
  const double top = y_.has_place(high) ? y(high) : box_.top + box_.height;
  svg.line(at, bottom, at, top, paint, 1.2);
  svg.line(at - 4.0, bottom, at + 4.0, bottom, paint, 1.2);
  svg.line(at - 4.0, top, at + 4.0, top, paint, 1.2);
}

double draw_legend(SvgWriter& svg, double left, double top, double width,
                   const std::vector<LegendEntry>& entries) {
  constexpr size_t narrow = 52;  // characters that fit into half of the width
  const bool one_column = std::any_of(entries.begin(), entries.end(),
                                      [](const LegendEntry& entry) { return entry.label.size() > narrow; });
  const size_t columns = one_column ? 1 : 2;
  const size_t rows = (entries.size() + columns - 1) / columns;
  for (size_t i = 0; i < entries.size(); ++i) {
    const LegendEntry& entry = entries[i];
    const double x = left + static_cast<double>(i / rows) * width / 2.0;
    const double y = top + static_cast<double>(i % rows) * row_height;
    if (entry.has_line) svg.line(x, y - 4.0, x + 34.0, y - 4.0, entry.style.paint, 1.8, entry.dash);
    svg.marker(x + 17.0, y - 4.0, entry.style, entry.hollow, "");
    svg.text(x + 44.0, y, shortened(entry.label, one_column ? 2 * narrow : narrow));
  }
  return top + static_cast<double>(rows) * row_height;
}

std::string_view dash_of(size_t index_in_family) {
  static constexpr std::string_view dashes[] = {"", "7 4", "2 3", "9 3 2 3"};
  return dashes[index_in_family % std::size(dashes)];
}

}  // namespace razorscope
