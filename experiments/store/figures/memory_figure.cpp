#include <algorithm>
#include <fmt/format.h>

#include "experiments/store/figures/bar_figures.hpp"
#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/plot.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"

namespace razorscope {
namespace {

constexpr double width = 860.0;
constexpr double left = 300.0;    // of the bars; labels stand before them
constexpr double length = 450.0;  // what does not fit is said behind them
constexpr double row_height = 26.0;
constexpr double bar_height = 17.0;

struct Part {
  const char* name;
  double bytes;
  Paint paint;
};

std::vector<Part> parts_of(const CapacityRow& row) {
  return {{"weights", row.weights_bytes / row.tp, paints::band},
          {"activations and other", row.non_kv_bytes, paints::pale_band},
          {"KV", row.kv_bytes_per_sequence_rank * row.batch, policy_style(row.policy).paint}};
}

double bytes_of(const CapacityRow& row) {
  double sum = 0.0;
  for (const Part& part : parts_of(row)) sum += part.bytes;
  return sum;
}

Figure draw(const std::vector<CapacityRow>& all) {
  const std::vector<CapacityRow> rows(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), most_bars)));
  SvgWriter svg;
  Range range(false);
  for (const CapacityRow& row : rows) {
    range.add(bytes_of(row) / 1e9);
    range.add(row.memory_bytes / 1e9);
  }
  const Axis axis = range.axis("GB of a device");
  const double bottom = 6.0 + row_height * static_cast<double>(rows.size());
  const auto x_at = [&](double bytes) { return left + axis.position(bytes / 1e9) * length; };
  for (const double tick : round_ticks(axis)) {
    svg.line(x_at(tick * 1e9), 4.0, x_at(tick * 1e9), bottom + 4.0, paints::grid);
    svg.text(x_at(tick * 1e9), bottom + 18.0, axis.tick_text(tick), {.anchor = "middle"});
  }
  svg.text(left + length / 2.0, bottom + 37.0, axis.label, {.anchor = "middle", .paint = paints::soft});
  double y = 6.0;
  for (const CapacityRow& row : rows) {
    const double middle = y + bar_height / 2.0;
    svg.marker(left - 10.0, middle, policy_style(row.policy), false, "");
    svg.text(left - 20.0, middle + 4.0,
             shortened(fmt::format("{}: {}", row.device, policy_label(row.policy)), 44), {.anchor = "end"});
    double at = 0.0;
    for (const Part& part : parts_of(row)) {
      svg.bar(x_at(at), y, x_at(at + part.bytes) - x_at(at), bar_height, part.paint,
              fmt::format("{} on {}, {}: {:.2f} GB of {:.1f}", policy_label(row.policy), row.device,
                          part.name, part.bytes / 1e9, row.memory_bytes / 1e9));
      at += part.bytes;
    }
    svg.line(x_at(row.memory_bytes), y - 3.0, x_at(row.memory_bytes), y + bar_height + 3.0,
             row.fits ? paints::ink : paints::warning, 2.5);
    if (!row.fits)
      svg.text(x_at(at) + 6.0, middle + 4.0, "does not fit", {.paint = paints::warning, .bold = true});
    y += row_height;
  }
  double x = left;
  for (const auto& [name, paint] : {std::pair("weights", paints::band),
                                    {"activations and other", paints::pale_band},
                                    {"KV, in the policy's colour", paints::soft}}) {
    svg.bar(x, bottom + 50.0, 14.0, 12.0, paint, "");
    svg.text(x + 20.0, bottom + 61.0, name);
    x += 170.0;
  }
  std::string caption =
      subject_text(rows.front()) +
      ". What one device holds at the end of the output; the upright stroke: its memory, of which the "
      "engine takes its share.";
  if (all.size() > rows.size())
    caption += fmt::format(" Drawn: the first {} plans of {}.", rows.size(), all.size());
  return {.title = "Memory of a device",
          .caption = caption,
          .width = width,
          .height = bottom + 70.0,
          .body = svg.take()};
}

}  // namespace

Figures memory_figures(const std::vector<CapacityRow>& rows) {
  std::vector<std::vector<CapacityRow>> groups = capacity_groups(rows);
  Figures out;
  out.left_out =
      left_out_text(keep_heaviest(groups, most_figures, [](const auto& group) { return group.size(); }));
  for (const std::vector<CapacityRow>& group : groups) out.figures.push_back(draw(group));
  return out;
}

}  // namespace razorscope
