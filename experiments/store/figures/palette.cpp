#include "experiments/store/figures/palette.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>

namespace razorscope {
namespace {

constexpr Paint blue(std::string_view name) { return {name, "#0072b2", "#56b4e9"}; }
constexpr Paint orange(std::string_view name) { return {name, "#d55e00", "#ff8a3d"}; }
constexpr Paint green(std::string_view name) { return {name, "#009e73", "#2fd0a1"}; }
constexpr Paint pink(std::string_view name) { return {name, "#c7639a", "#e79ac4"}; }
constexpr Paint amber(std::string_view name) { return {name, "#b27d00", "#f0c040"}; }
constexpr Paint wine(std::string_view name) { return {name, "#882255", "#d76c9f"}; }
constexpr Paint indigo(std::string_view name) { return {name, "#6a51c8", "#a99cf2"}; }
constexpr Paint olive(std::string_view name) { return {name, "#7d7d1e", "#c9c95a"}; }
constexpr Paint grey(std::string_view name) { return {name, "#777777", "#a5a5a5"}; }

/// Channels at even distances.
constexpr int ramp[][3] = {{0, 32, 76},     {0, 57, 111},    {69, 78, 107},  {108, 110, 114},
                           {140, 136, 118}, {178, 166, 110}, {218, 196, 90}, {255, 234, 70}};

}  // namespace

const std::vector<PolicyStyle>& policy_styles() {
  static const std::vector<PolicyStyle> styles = {
      {{"full", "#000000", "#ffffff"}, Marker::circle},
      {orange("razor"), Marker::circle},
      {wine("duo"), Marker::diamond},
      {blue("occam"), Marker::square},
      {green("window"), Marker::triangle},
      {pink("h2o"), Marker::circle},
      {pink("tova"), Marker::diamond},
      {amber("snapkv"), Marker::square},
      {amber("pyramidkv"), Marker::triangle},
      {amber("adakv"), Marker::diamond},
      {indigo("expected"), Marker::wedge},
      {olive("keydiff"), Marker::square},
      {olive("knorm"), Marker::diamond},
      {olive("lagkv"), Marker::triangle},
      {grey("random"), Marker::square},
      {grey("oracle"), Marker::diamond},
      {grey("other"), Marker::wedge},
  };
  return styles;
}

const PolicyStyle& policy_style(std::string_view policy_name) {
  const std::string_view family = policy_name.substr(0, policy_name.find_first_of("/:+"));
  const std::vector<PolicyStyle>& styles = policy_styles();
  const auto found = std::find_if(styles.begin(), styles.end(),
                                  [&](const PolicyStyle& style) { return style.paint.name == family; });
  return found == styles.end() ? styles.back() : *found;
}

std::vector<Paint> all_paints() {
  std::vector<Paint> all = {paints::page, paints::ink,       paints::soft, paints::frame,  paints::grid,
                            paints::band, paints::pale_band, paints::link, paints::chosen, paints::warning};
  for (const PolicyStyle& style : policy_styles()) all.push_back(style.paint);
  return all;
}

std::string sequential_colour(double share) {
  const double at = std::clamp(share, 0.0, 1.0) * static_cast<double>(std::size(ramp) - 1);
  const auto below = std::min(static_cast<size_t>(at), std::size(ramp) - 2);
  const double part = at - static_cast<double>(below);
  const auto channel = [&](int i) {
    return static_cast<int>(std::lround(ramp[below][i] + part * (ramp[below + 1][i] - ramp[below][i])));
  };
  return fmt::format("#{:02x}{:02x}{:02x}", channel(0), channel(1), channel(2));
}

}  // namespace razorscope
