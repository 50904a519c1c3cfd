#pragma once

#include <string>
#include <vector>

#include "experiments/store/figures/svg.hpp"

namespace razorscope {

/// Where values lie between the two ends of an axis.
struct Axis {
  std::string label;  // with its unit
  double low = 0.0;
  double high = 1.0;
  bool logarithmic = false;
  bool percent = false;            // ticks are shares, written in percent
  std::vector<double> ticks = {};  // none: round numbers

  double position(double value) const;
  bool has_place(double value) const { return !logarithmic || value > 0.0; }
  std::string tick_text(double value) const;
};

/// Grows a range by the values that have a place on an axis.
class Range {
 public:
  explicit Range(bool logarithmic) : logarithmic_(logarithmic) {}
  void add(double value);
  /// With some room around the values; from 0 where it is linear. Any range where there were none.
  Axis axis(const std::string& label) const;

 private:
  bool logarithmic_;
  bool empty_ = true;
  double low_ = 0.0;
  double high_ = 0.0;
};

/// Round numbers within the axis: 1, 2 and 5 of each decade, decades alone where there are many, steps of 1,
/// 2, 2.5 or 5 where it is linear or spans less than a decade.
std::vector<double> round_ticks(const Axis& axis);

/// A frame with two axes, into which values are drawn.
class Plot {
 public:
  struct Box {
    double left = 0.0;
    double top = 0.0;
    double width = 0.0;
    double height = 0.0;
  };
  Plot(const Box& box, Axis x, Axis y) : box_(box), x_(std::move(x)), y_(std::move(y)) {}

  void draw_axes(SvgWriter& svg) const;
  double x(double value) const { return box_.left + x_.position(value) * box_.width; }
  double y(double value) const { return box_.top + (1.0 - y_.position(value)) * box_.height; }
  bool has_place(double x, double y) const { return x_.has_place(x) && y_.has_place(y); }
  /// A vertical whisker with caps; an end that has no place lies on the frame.
  void whisker(SvgWriter& svg, double x, double low, double high, const Paint& paint) const;
  const Axis& y_axis() const { return y_; }

 private:
  Box box_;
  Axis x_;
  Axis y_;
};

/// A line of a legend.
struct LegendEntry {
  PolicyStyle style;
  std::string label;
  bool hollow = false;
  bool has_line = true;
  std::string_view dash = {};
};

/// Draws the entries in one or two columns and returns where they end.
double draw_legend(SvgWriter& svg, double left, double top, double width,
                   const std::vector<LegendEntry>& entries);

/// How the n-th policy of one family in a figure is told from the first: by its dash, and every other one by
/// a hollow marker.
std::string_view dash_of(size_t index_in_family);

}  // namespace razorscope
