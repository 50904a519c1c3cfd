#include "experiments/store/figures/pareto_figure.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/plot.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_words.hpp"

namespace razorscope {
namespace {

constexpr double width = 860.0;
constexpr Plot::Box box = {.left = 84.0, .top = 12.0, .width = 752.0, .height = 340.0};
constexpr double mebibyte = 1024.0 * 1024.0;

std::string size_text(const ParetoGroup& group, double bytes) {
  if (!group.full_f16_bytes) return fmt::format("{} MiB", mebibytes(bytes));
  return fmt::format("{} MiB, {} of full+f16", mebibytes(bytes), share_text(bytes / *group.full_f16_bytes));
}

std::string value_text(const ParetoGroup& group, const ParetoPoint& point) {
  const std::string value = figure_text(point.value);
  return group.measure.has_intervals ? value + " " + figure_interval_text(point.interval) : value;
}

class ParetoFigure {
 public:
  explicit ParetoFigure(ParetoGroup group)
      : all_(group.points.size()),
        group_(bounded(std::move(group))),
        plot_(box, bytes_axis(), value_axis()) {}

  Figure draw() {
    plot_.draw_axes(svg_);
    draw_front();
    // The front's markers last, so that none hides them.
    for (const bool front : {false, true}) {
      for (const ParetoPoint& point : group_.points) {
        if (point.on_front() == front) draw_point(point);
      }
    }
    number_front();
    std::vector<LegendEntry> legend;
    for (const PolicyStyle& style : policy_styles()) {
      if (families_[style.paint.name] == 0) continue;
      legend.push_back({.style = style,
                        .label = fmt::format("{} ({} runs)", style.paint.name, families_[style.paint.name]),
                        .has_line = false});
    }
    const double bottom = draw_legend(svg_, box.left, box.top + box.height + 66.0, box.width, legend);
    return {.title = fmt::format("Pareto front: {} against bytes", group_.measure.name),
            .caption = caption(),
            .width = width,
            .height = bottom,
            .body = svg_.take()};
  }

 private:
  static ParetoGroup bounded(ParetoGroup group) {
    if (group.points.size() <= most_points) return group;
    // Every n-th of the front and of the others, which are in the order of their bytes.
    const size_t front = group.front().size();
    const size_t front_stride = front / (most_points / 2) + 1;
    const size_t stride = (group.points.size() - front) / (most_points / 2) + 1;
    std::vector<ParetoPoint> kept;
    size_t beaten = 0;
    for (const ParetoPoint& point : group.points) {
      const bool wanted =
          point.on_front() ? (point.front_number - 1) % front_stride == 0 : beaten++ % stride == 0;
      if (wanted) kept.push_back(point);
    }
    group.points = std::move(kept);
    return group;
  }

  double x_value(const ParetoPoint& point) const {
    return point.bytes / group_.full_f16_bytes.value_or(mebibyte);
  }

  Axis bytes_axis() const {
    Range range(true);
    for (const ParetoPoint& point : group_.points) range.add(x_value(point));
    Axis axis =
        range.axis(group_.full_f16_bytes ? "physical bytes after the prefix, share of full+f16 (logarithmic)"
                                         : "physical bytes after the prefix, MiB (logarithmic)");
    axis.percent = group_.full_f16_bytes.has_value();
    return axis;
  }

  Axis value_axis() const {
    const std::string label =
        fmt::format("{}{}", group_.measure.name, group_.measure.logarithmic ? ", logarithmic" : "");
    if (!group_.measure.logarithmic) return {.label = label, .low = 0.0, .high = 1.0};
    Range range(true);
    for (const ParetoPoint& point : group_.points) {
      range.add(point.value);
      if (!point.on_front() || !point.interval) continue;
      range.add(point.interval->low);
      range.add(point.interval->high);
    }
    return range.axis(label);
  }

  void draw_front() {
    SvgWriter::Points steps;
    for (const ParetoPoint& point : group_.points) {
      if (!point.on_front() || !plot_.has_place(x_value(point), point.value)) continue;
      const double x = plot_.x(x_value(point));
      if (!steps.empty()) steps.emplace_back(x, steps.back().second);
      steps.emplace_back(x, plot_.y(point.value));
    }
    if (steps.empty()) return;
    steps.emplace_back(box.left + box.width, steps.back().second);
    svg_.polyline(steps, paints::ink, 1.3, "5 3");
  }

  void draw_point(const ParetoPoint& point) {
    if (!plot_.has_place(x_value(point), point.value)) {
      ++without_place_;
      return;
    }
    const PolicyStyle& style = policy_style(point.policy);
    ++families_[style.paint.name];
    const double x = plot_.x(x_value(point));
    if (point.on_front() && point.interval)
      plot_.whisker(svg_, x, point.interval->low, point.interval->high, style.paint);
    svg_.marker(x, plot_.y(point.value), style, !point.on_front(),
                fmt::format("{}: {}; {}", policy_label(point.policy), value_text(group_, point),
                            size_text(group_, point.bytes)),
                point.on_front() ? 5.5 : 4.0);
  }

  void number_front() {
    double last = -1e9;
    for (const ParetoPoint& point : group_.points) {
      if (!point.on_front()) continue;
      const double x = plot_.x(x_value(point));
      if (!plot_.has_place(x_value(point), point.value) || x - last < 14.0) continue;
      last = x;
      svg_.text(x + 6.0, plot_.y(point.value) - 7.0, fmt::to_string(point.front_number),
                {.paint = paints::ink, .size = 11.0, .bold = true});
    }
  }

  std::string caption() const {
    std::string caption =
        group_.heading + ". Filled: on the front, numbered as in its table; hollow: beaten in both.";
    if (group_.measure.has_intervals) caption += " Whiskers: 95 % intervals of the front.";
    if (without_place_ > 0)
      caption += fmt::format(" {} runs with 0 have no place on a logarithmic axis.", without_place_);
    if (all_ > group_.points.size())
      caption += fmt::format(
          " Drawn: {1} of {0} runs, of the front and of the others evenly by their order in bytes.", all_,
          group_.points.size());
    return caption;
  }

  size_t all_;
  ParetoGroup group_;
  Plot plot_;
  SvgWriter svg_;
  std::map<std::string_view, size_t> families_;
  int without_place_ = 0;
};

}  // namespace

Figures pareto_figures(std::vector<ParetoGroup> groups) {
  Figures out;
  out.left_out = left_out_text(
      keep_heaviest(groups, most_figures, [](const ParetoGroup& group) { return group.points.size(); }));
  for (ParetoGroup& group : groups) out.figures.push_back(ParetoFigure(std::move(group)).draw());
  return out;
}

std::string front_table(const ParetoGroup& group, TextStyle style) {
  std::vector<Cells> table = {{"number", "policy", "run", "MiB", "% of f16", group.measure.name}};
  if (group.measure.has_intervals) table.front().emplace_back("95 %");
  for (const ParetoPoint& point : group.front()) {
    Cells& row = table.emplace_back();
    row = {fmt::to_string(point.front_number),
           policy_cell(point.policy, style),
           fmt::to_string(point.run_id),
           mebibytes(point.bytes),
           group.full_f16_bytes ? fmt::format("{:.1f}", 100.0 * point.bytes / *group.full_f16_bytes) : "-",
           figure_text(point.value)};
    if (group.measure.has_intervals) row.push_back(figure_interval_text(point.interval));
  }
  return format_heading(fmt::format("Pareto front, {} of {} runs: {}", table.size() - 1, group.points.size(),
                                    group.heading),
                        style) +
         format_table(table, style);
}

}  // namespace razorscope
