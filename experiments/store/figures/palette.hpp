#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// A colour by its use, on a light and on a dark page: "#rrggbb". In SVG and HTML its classes are f-NAME
/// (fill) and s-NAME (stroke).
struct Paint {
  std::string_view name;
  std::string_view light;
  std::string_view dark;
};

namespace paints {
inline constexpr Paint page = {"page", "#ffffff", "#16181b"};
inline constexpr Paint ink = {"ink", "#111111", "#ececec"};
inline constexpr Paint soft = {"soft", "#444444", "#b8bcc2"};
inline constexpr Paint frame = {"frame", "#555555", "#8b9097"};
inline constexpr Paint grid = {"grid", "#dddddd", "#33373c"};
inline constexpr Paint band = {"band", "#9aa0a6", "#6f757c"};       // what is no policy's: weights
inline constexpr Paint pale_band = {"pale", "#d0d4d8", "#454a50"};  // what lies beside it
inline constexpr Paint link = {"link", "#0b5fa5", "#7fb4e6"};
inline constexpr Paint chosen = {"chosen", "#1f6fb2", "#2f6ea5"};    // selected, below white letters
inline constexpr Paint warning = {"warning", "#a3123a", "#ff8fa6"};  // what does not fit
}  // namespace paints

enum class Marker { circle, square, triangle, diamond, wedge };

/// How a family of policies (those of one selection) is drawn, the same in every figure and view: no two
/// share both colour and marker. The hues are Okabe and Ito's and Tol's, which the colour-blind can tell
/// apart; related selections share a hue.
struct PolicyStyle {
  Paint paint;  // named after the family
  Marker marker;
};

/// By the policy's name, canonical or as a user writes it: only its selection counts. Selections that this
/// program does not know are grey wedges.
const PolicyStyle& policy_style(std::string_view policy_name);

/// Of all families, the unknown ones last, and of all other uses.
const std::vector<PolicyStyle>& policy_styles();
std::vector<Paint> all_paints();

/// From 0 (least, dark blue) to 1 (most, yellow), evenly in lightness, so that it also reads in grey.
std::string sequential_colour(double share);

}  // namespace razorscope
