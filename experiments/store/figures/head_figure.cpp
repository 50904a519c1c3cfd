#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/colour_scale.hpp"
#include "experiments/store/figures/head_atlas.hpp"
#include "experiments/store/figures/plot.hpp"
#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_words.hpp"

namespace razorscope {
namespace {

constexpr double width = 860.0;
constexpr double left = 24.0;
constexpr double gap = 26.0;     // between two maps
constexpr double labels = 30.0;  // of the layers
constexpr double map_top = 56.0;
constexpr size_t most_cells_with_tooltips = 6000;

/// One for all maps of an atlas.
ColourScale scale_of(const HeadAtlas& atlas) {
  std::vector<double> errors;
  for (const HeadAtlas::Map& map : atlas.maps) {
    for (const HeadErrors& head : map.heads) errors.push_back(head.relative_error);
  }
  return error_scale(errors);
}

class HeadFigure {
 public:
  explicit HeadFigure(const HeadAtlas& atlas) : atlas_(atlas), scale_(scale_of(atlas)) {
    for (const HeadAtlas::Map& map : atlas.maps) {
      cells_ += map.heads.size();
      for (const HeadErrors& head : map.heads) {
        layers_ = std::max(layers_, head.layer + 1);
        heads_ = std::max(heads_, head.query_head + 1);
      }
    }
    columns_ = std::min<size_t>(atlas.maps.size(), heads_ > 24 ? 2 : 3);
    const double map_width =
        (width - left - 24.0 - static_cast<double>(columns_ - 1) * gap) / static_cast<double>(columns_);
    cell_width_ = std::min(26.0, (map_width - labels) / heads_);
    cell_height_ = std::clamp(420.0 / layers_, 4.0, 22.0);
    column_width_ = std::max(map_width, labels + cell_width_ * heads_);
  }

  Figure draw() {
    const double row_height = map_top + cell_height_ * layers_ + 46.0;
    for (size_t i = 0; i < atlas_.maps.size(); ++i) {
      draw_map(atlas_.maps[i], left + static_cast<double>(i % columns_) * (column_width_ + gap),
               static_cast<double>(i / columns_) * row_height);
    }
    const auto rows = static_cast<double>((atlas_.maps.size() + columns_ - 1) / columns_);
    const double bottom = draw_scale(rows * row_height);
    return {.title = "Head atlas: relative error by layer and query head",
            .caption = caption(),
            .width = width,
            .height = bottom,
            .body = svg_.take()};
  }

 private:
  void draw_map(const HeadAtlas::Map& map, double x, double y) {
    const PolicyStyle& style = policy_style(map.run.policy);
    const auto characters = static_cast<size_t>((column_width_ - 14.0) / 6.6);
    svg_.marker(x + 5.0, y + 16.0, style, false, "");
    svg_.text(x + 14.0, y + 20.0, shortened(policy_label(map.run.policy), characters), {.bold = true});
    svg_.text(
        x + 14.0, y + 38.0,
        fmt::format("{} MiB ({} % of f16), mean {}", mebibytes(static_cast<double>(map.run.physical_bytes)),
                    percent_of_full(static_cast<double>(map.run.physical_bytes), map.run),
                    figure_text(map.run.relative_error_mean)),
        {.paint = paints::soft});
    const double cells_left = x + labels;
    const double top = y + map_top;
    for (const HeadErrors& head : map.heads) {
      const bool retrieval = atlas_.retrieval_heads.contains({head.layer, head.kv_head});
      svg_.cell(cells_left + head.query_head * cell_width_, top + head.layer * cell_height_, cell_width_,
                cell_height_, sequential_colour(scale_.share(head.relative_error)),
                cells_ > most_cells_with_tooltips
                    ? ""
                    : fmt::format("layer {}, query head {} (KV head {}): relative error {}, lost mass {}{}",
                                  head.layer, head.query_head, head.kv_head, figure_text(head.relative_error),
                                  figure_text(head.lost_mass), retrieval ? "; retrieval head" : ""));
    }
    for (const HeadErrors& head : map.heads) {
      if (!atlas_.retrieval_heads.contains({head.layer, head.kv_head})) continue;
      // White within red: seen on either end of the scale.
      const double cell_left = cells_left + head.query_head * cell_width_;
      const double cell_top = top + head.layer * cell_height_;
      svg_.outline(cell_left + 0.8, cell_top + 0.8, cell_width_ - 1.6, cell_height_ - 1.6, "#d1002f", 1.6);
    }
    svg_.frame(cells_left, top, cell_width_ * heads_, cell_height_ * layers_, paints::frame);
    const int layer_stride = std::max(1, static_cast<int>(std::ceil(13.0 / cell_height_)));
    for (int layer = 0; layer < layers_; layer += layer_stride) {
      svg_.text(cells_left - 5.0, top + (layer + 0.5) * cell_height_ + 4.0, fmt::to_string(layer),
                {.anchor = "end", .paint = paints::soft, .size = 11.0});
    }
    const double bottom = top + cell_height_ * layers_;
    const int head_stride = std::max(1, static_cast<int>(std::ceil(18.0 / cell_width_)));
    for (int head = 0; head < heads_; head += head_stride) {
      svg_.text(cells_left + (head + 0.5) * cell_width_, bottom + 14.0, fmt::to_string(head),
                {.anchor = "middle", .paint = paints::soft, .size = 11.0});
    }
    svg_.text(cells_left + cell_width_ * heads_ / 2.0, bottom + 29.0, "query head",
              {.anchor = "middle", .paint = paints::soft});
    svg_.text(x + 6.0, top + cell_height_ * layers_ / 2.0, "layer",
              {.anchor = "middle", .paint = paints::soft, .upright = false});
  }

  double draw_scale(double top) {
    constexpr double length = 300.0;
    constexpr int steps = 60;
    for (int i = 0; i < steps; ++i) {
      svg_.cell(left + i * length / steps, top + 8.0, length / steps + 0.5, 14.0,
                sequential_colour((i + 0.5) / steps), "");
    }
    svg_.frame(left, top + 8.0, length, 14.0, paints::frame);
    const Axis axis = {.label = "", .low = scale_.low, .high = scale_.high, .logarithmic = true};
    double last = -1e9;
    for (const double tick :
         scale_.high > scale_.low ? round_ticks(axis) : std::vector<double>{scale_.high}) {
      const double x = left + axis.position(tick) * length;
      svg_.line(x, top + 22.0, x, top + 26.0, paints::frame);
      if (x - last < 40.0) continue;
      last = x;
      svg_.text(x, top + 39.0, fmt::format("{:.3g}", tick), {.anchor = "middle", .size = 11.0});
    }
    svg_.text(left + length + 20.0, top + 19.0, "relative error (logarithmic), one scale for all maps");
    if (!atlas_.retrieval_heads.empty()) {
      svg_.outline(left + length + 20.0, top + 29.0, 16.0, 12.0, "#d1002f", 1.6);
      svg_.text(left + length + 44.0, top + 39.0, "retrieval head");
    }
    return top + 50.0;
  }

  std::string caption() const {
    const TradeoffRow& run = atlas_.maps.front().run;
    std::string caption = fmt::format(
        "{}; {}. Shown: of each family of policies the run whose bytes lie nearest to the "
        "median of all that compress, at most six families, those with the smallest mean "
        "error; {} of {} runs are left out.",
        subject_text(run), n_text(run), atlas_.runs - atlas_.maps.size(), atlas_.runs);
    if (atlas_.probe_id) {
      caption += fmt::format(
          " Outlined: retrieval heads of probe {}, the 14 % of KV heads with the highest induction "
          "scores and the 1 % with the highest echo scores.",
          *atlas_.probe_id);
    } else {
      caption += " No probe of this model is stored, so no retrieval heads are outlined.";
    }
    return caption;
  }

  const HeadAtlas& atlas_;
  ColourScale scale_;
  size_t cells_ = 0;
  int layers_ = 0;
  int heads_ = 0;
  size_t columns_ = 1;
  double cell_width_ = 0.0;
  double cell_height_ = 0.0;
  double column_width_ = 0.0;
  SvgWriter svg_;
};

}  // namespace

Figures head_figures(const HeadAtlases& all) {
  Figures out;
  out.left_out = left_out_text(all.left_out);
  for (const HeadAtlas& atlas : all.atlases) out.figures.push_back(HeadFigure(atlas).draw());
  return out;
}

}  // namespace razorscope
