#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "experiments/store/figures/palette.hpp"

namespace razorscope {

/// A drawing with what is said about it. All lengths are pixels.
struct Figure {
  std::string title;
  std::string caption;  // what was measured on how much, and how to read it
  double width = 0.0;
  double height = 0.0;
  std::string body;  // SVG elements
};

/// The figures of one kind, a bounded number of them.
struct Figures {
  std::vector<Figure> figures;
  std::string left_out;  // a sentence about what is not drawn; "": all is
};

/// Writes SVG elements. Colours stand in them as on a light page; a style sheet of dark_svg_rules turns them.
class SvgWriter {
 public:
  struct TextStyle {
    std::string_view anchor = "start";  // start, middle, end
    Paint paint = paints::ink;
    double size = 12.0;
    bool bold = false;
    bool upright = true;  // else from bottom to top
  };
  using Points = std::vector<std::pair<double, double>>;

  void text(double x, double y, const std::string& content, const TextStyle& style);
  void text(double x, double y, const std::string& content) { text(x, y, content, TextStyle()); }
  void line(double x1, double y1, double x2, double y2, const Paint& paint, double width = 1.0,
            std::string_view dash = "");
  void polyline(const Points& points, const Paint& paint, double width, std::string_view dash = "");
  void frame(double x, double y, double width, double height, const Paint& paint, double stroke = 1.0);
  /// A filled rectangle; what it stands for shows when it is pointed at.
  void bar(double x, double y, double width, double height, const Paint& paint, const std::string& tooltip);
  void cell(double x, double y, double width, double height, const std::string& colour,
            const std::string& tooltip);
  void outline(double x, double y, double width, double height, const std::string& colour, double stroke);
  void marker(double x, double y, const PolicyStyle& style, bool hollow, const std::string& tooltip,
              double radius = 4.5);
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

/// The text, or its first characters and "…" where it is longer.
std::string shortened(const std::string& text, size_t characters);

/// An SVG document with the figures one below the other, each with title and caption.
std::string svg_document(const Figures& figures);
/// An element for an HTML page, without title and caption in sight. `id` is unique on the page.
std::string svg_element(const Figure& figure, const std::string& id);
/// CSS rules that turn all classes of drawings to the colours of a dark page.
std::string dark_svg_rules();

}  // namespace razorscope
