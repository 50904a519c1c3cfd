#include "experiments/store/figure.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_words.hpp"
#include "experiments/store/text_table.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"

namespace razorscope {
namespace {

// All in pixels; the plot's area within a panel.
constexpr double figure_width = 860.0;
constexpr double plot_left = 84.0;
constexpr double plot_right = 836.0;
constexpr double plot_top = 44.0;
constexpr double plot_height = 320.0;
constexpr double line_height = 20.0;
constexpr size_t caption_characters = 125;

/// Okabe and Ito's, which the colour-blind can tell apart; yellow, faint on white, comes last. Policies
/// beyond them repeat the colours with another dash and marker.
constexpr const char* colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                   "#E69F00", "#56B4E9", "#000000", "#F0E442"};
constexpr const char* dashes[] = {"none", "7 4", "2 3", "9 3 2 3"};

struct Style {
  const char* colour;
  const char* dash;
  bool square;
};
Style style_of(size_t index) {
  return {colours[index % std::size(colours)], dashes[index / std::size(colours) % std::size(dashes)],
          index / std::size(colours) % 2 == 1};
}

/// What XML allows in a text: names come from files.
std::string xml_text(const std::string& text) {
  const bool utf8 = first_invalid_utf8(text) == std::string::npos;
  std::string out;
  for (const char c : printable(text, false)) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += utf8 || static_cast<unsigned char>(c) < 0x80 ? c : '?';
    }
  }
  return out;
}

std::vector<std::string> wrapped(const std::string& text) {
  std::vector<std::string> lines(1);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > caption_characters)
      lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
    at = end + 1;
  }
  return lines;
}

/// Where values lie between the two ends of an axis.
struct Axis {
  double low = 0.0;
  double high = 1.0;
  bool logarithmic = false;
  double position(double value) const {
    if (!logarithmic) return (value - low) / (high - low);
    return (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  }
};

Axis share_axis(const CurveGroup& group) {
  return {group.shares.back() * 0.85, group.shares.front() * 1.18, true};
}

/// Of all points with their intervals, where they have a place on the axis.
Axis value_axis(const CurveGroup& group) {
  if (!group.measure.logarithmic) return {0.0, 1.0, false};
  double low = std::numeric_limits<double>::infinity();
  double high = 0.0;
  for (const Curve& curve : group.curves) {
    for (const CurvePoint& point : curve.points) {
      const Interval ends = point.interval.value_or(Interval{point.value, point.value});
      for (const double value : {ends.low, point.value, ends.high}) {
        if (value <= 0.0) continue;
        low = std::min(low, value);
        high = std::max(high, value);
      }
    }
  }
  if (high == 0.0) return {0.1, 1.0, true};
  return {low / 1.25, high * 1.25, true};
}

/// Round numbers within the axis: 1, 2 and 5 of each decade, or decades alone where there are many.
std::vector<double> ticks_of(const Axis& axis) {
  if (!axis.logarithmic) return {0.0, 0.2, 0.4, 0.6, 0.8, 1.0};
  std::vector<double> ticks;
  const bool decades_only = axis.high / axis.low > 2e3;
  for (int decade = static_cast<int>(std::floor(std::log10(axis.low))); std::pow(10.0, decade) <= axis.high;
       ++decade) {
    for (const double step : {1.0, 2.0, 5.0}) {
      const double value = step * std::pow(10.0, decade);
      if (value < axis.low || value > axis.high || (decades_only && step > 1.0)) continue;
      ticks.push_back(value);
    }
  }
  return ticks;
}

class Panel {
 public:
  Panel(const CurveGroup& group, double top)
      : group_(group), top_(top + plot_top), x_(share_axis(group)), y_(value_axis(group)) {}

  std::string draw() {
    title();
    axes();
    for (size_t i = 0; i < group_.curves.size(); ++i) curve(i);
    legend_and_caption();
    return out_;
  }
  double bottom() const { return bottom_; }

 private:
  double x_at(double share) const { return plot_left + x_.position(share) * (plot_right - plot_left); }
  double y_at(double value) const {
    return top_ + (1.0 - std::clamp(y_.position(value), 0.0, 1.0)) * plot_height;
  }
  bool has_place(double value) const { return !y_.logarithmic || value > 0.0; }

  void text(double x, double y, const char* attributes, const std::string& content) {
    out_ +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, attributes, xml_text(content));
  }
  void line(double x1, double y1, double x2, double y2, const char* colour, double width) {
    out_ += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"{}\"/>\n",
        x1, y1, x2, y2, colour, width);
  }

  void title() {
    text(plot_left, top_ - 16.0, "font-size=\"15\" font-weight=\"bold\"",
         fmt::format("{} at equal bytes", group_.measure.name));
  }

  void axes() {
    const double bottom = top_ + plot_height;
    for (const double tick : ticks_of(y_)) {
      line(plot_left, y_at(tick), plot_right, y_at(tick), "#dddddd", 1.0);
      text(plot_left - 8.0, y_at(tick) + 4.0, "text-anchor=\"end\"", fmt::format("{:g}", tick));
    }
    double last = std::numeric_limits<double>::infinity();
    for (const double share : group_.shares) {
      line(x_at(share), bottom, x_at(share), bottom + 5.0, "#333333", 1.0);
      if (last - x_at(share) < 48.0) continue;  // its label would run into the one before
      last = x_at(share);
      text(last, bottom + 20.0, "text-anchor=\"middle\"", share_text(share));
    }
    out_ += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" "
        "stroke=\"#333333\"/>\n",
        plot_left, top_, plot_right - plot_left, plot_height);
    text((plot_left + plot_right) / 2.0, bottom + 40.0, "text-anchor=\"middle\"",
         "physical bytes after the prefix, share of full+f16 (logarithmic)");
    out_ += fmt::format(
        "<text transform=\"translate(18 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
        top_ + plot_height / 2.0,
        xml_text(fmt::format("{}{}", group_.measure.name, y_.logarithmic ? ", logarithmic" : "")));
  }

  void marker(double x, double y, const Style& style) {
    if (style.square) {
      out_ += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"7\" height=\"7\" fill=\"{}\"/>\n", x - 3.5,
                          y - 3.5, style.colour);
    } else {
      out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"/>\n", x, y, style.colour);
    }
  }

  void curve(size_t index) {
    const Style style = style_of(index);
    // Aside of each other, so that whiskers at one share do not hide each other.
    const double aside =
        4.0 * (static_cast<double>(index) - (static_cast<double>(group_.curves.size()) - 1.0) / 2.0);
    const double shift = std::clamp(aside, -18.0, 18.0);
    std::string path;
    for (const CurvePoint& point : group_.curves[index].points) {
      if (!has_place(point.value)) {
        ++left_out_;
        continue;
      }
      path += fmt::format("{:.1f},{:.1f} ", x_at(point.share) + shift, y_at(point.value));
    }
    out_ += fmt::format(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" "
        "stroke-dasharray=\"{}\"/>\n",
        path, style.colour, style.dash);
    for (const CurvePoint& point : group_.curves[index].points) {
      if (!has_place(point.value)) continue;
      const double x = x_at(point.share) + shift;
      if (point.interval) {
        const double low = has_place(point.interval->low) ? y_at(point.interval->low) : top_ + plot_height;
        const double high = y_at(point.interval->high);
        line(x, low, x, high, style.colour, 1.2);
        line(x - 4.0, low, x + 4.0, low, style.colour, 1.2);
        line(x - 4.0, high, x + 4.0, high, style.colour, 1.2);
      }
      marker(x, y_at(point.value), style);
    }
  }

  std::string caption() const {
    std::string caption = group_.heading + ".";
    if (group_.measure.has_intervals)
      caption += " Whiskers: 95 % intervals; without: too few samples for one.";
    if (left_out_ > 0)
      caption += fmt::format(" {} points at 0 have no place on a logarithmic axis.", left_out_);
    return caption;
  }

  void legend_and_caption() {
    double y = top_ + plot_height + 64.0;
    for (size_t i = 0; i < group_.curves.size(); ++i, y += line_height) {
      const Style style = style_of(i);
      out_ += fmt::format(
          "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"1.8\" "
          "stroke-dasharray=\"{}\"/>\n",
          plot_left, y - 4.0, plot_left + 34.0, y - 4.0, style.colour, style.dash);
      marker(plot_left + 17.0, y - 4.0, style);
      text(plot_left + 44.0, y, "", policy_label(group_.curves[i].policy));
    }
    for (const std::string& row : wrapped(caption())) {
      text(plot_left, y + 6.0, "fill=\"#444444\"", row);
      y += line_height;
    }
    bottom_ = y + 6.0;
  }

  const CurveGroup& group_;
  double top_;
  Axis x_;
  Axis y_;
  double bottom_ = 0.0;
  int left_out_ = 0;
  std::string out_;
};

}  // namespace

std::string curves_svg(const std::vector<CurveGroup>& groups) {
  if (groups.empty()) {
    throw InputError(
        "--figure",
        "there are no runs at equal bytes with a known share to draw: add some with --equal-bytes 0.3");
  }
  std::string panels;
  double height = 0.0;
  for (const CurveGroup& group : groups) {
    Panel panel(group, height);
    panels += panel.draw();
    height = panel.bottom() + 12.0;
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
      "{1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\" fill=\"#111111\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{2}</svg>\n",
      figure_width, height, panels);
}

}  // namespace razorscope
