#include <algorithm>
#include <fmt/format.h>

#include "experiments/store/figures/bar_figures.hpp"
#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/plot.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"
#include "experiments/store/report_words.hpp"

namespace razorscope {
namespace {

constexpr double width = 860.0;
constexpr double left = 320.0;
constexpr double length = 500.0;
constexpr double row_height = 24.0;

Figure draw(const std::vector<TaskRow>& all) {
  const std::vector<TaskRow> rows(all.begin(),
                                  all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), most_bars)));
  const TaskRow& first = rows.front();
  SvgWriter svg;
  const auto x_at = [](double share) { return left + share * length; };
  const double bottom = 6.0 + row_height * static_cast<double>(rows.size());
  for (const double tick : {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}) {
    svg.line(x_at(tick), 4.0, x_at(tick), bottom, paints::grid);
    svg.text(x_at(tick), bottom + 18.0, fmt::format("{:g}", tick), {.anchor = "middle"});
  }
  svg.line(x_at(first.full_accuracy), 2.0, x_at(first.full_accuracy), bottom, paints::ink, 1.4, "5 3");
  svg.text(left + length / 2.0, bottom + 37.0, "accuracy (share of questions answered rightly)",
           {.anchor = "middle", .paint = paints::soft});
  double y = 6.0 + row_height / 2.0;
  for (const TaskRow& row : rows) {
    const PolicyStyle& style = policy_style(row.policy);
    svg.text(
        left - 14.0, y + 4.0,
        shortened(fmt::format("{}, {} %", policy_label(row.policy), percent_of_full(row.physical_bytes, row)),
                  48),
        {.anchor = "end"});
    svg.line(x_at(row.interval.low), y, x_at(row.interval.high), y, style.paint, 2.0);
    for (const double end : {row.interval.low, row.interval.high})
      svg.line(x_at(end), y - 4.0, x_at(end), y + 4.0, style.paint, 1.4);
    svg.marker(
        x_at(row.accuracy), y, style, false,
        fmt::format("{}: {:.3f} {}, {} of {}; {} MiB", policy_label(row.policy), row.accuracy,
                    interval_text(row.interval, 3), row.correct, row.n, mebibytes(row.physical_bytes)));
    y += row_height;
  }
  std::string caption = fmt::format("{}, {}; {}. Percent: bytes of full+f16's. Dashed: full+f32.",
                                    subject_text(first), comparison_text(first), n_text(first));
  if (all.size() > rows.size())
    caption += fmt::format(" Drawn: the {} policies of {} with most bytes.", rows.size(), all.size());
  return {.title = fmt::format("{}: accuracy with its 95 % Wilson interval", first.task),
          .caption = caption,
          .width = width,
          .height = bottom + 44.0,
          .body = svg.take()};
}

}  // namespace

Figures task_figures(const std::vector<TaskRow>& rows) {
  std::vector<std::vector<TaskRow>> groups = task_groups(rows);
  std::erase_if(groups, [](const std::vector<TaskRow>& group) { return !group.front().model_can; });
  Figures out;
  out.left_out =
      left_out_text(keep_heaviest(groups, most_figures, [](const auto& group) { return group.size(); }));
  for (const std::vector<TaskRow>& group : groups) out.figures.push_back(draw(group));
  return out;
}

}  // namespace razorscope
