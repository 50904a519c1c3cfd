#include "experiments/store/figures/svg.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "experiments/store/markup.hpp"

namespace razorscope {
namespace {

constexpr double line_height = 18.0;
constexpr double margin = 24.0;
constexpr double pixels_per_character = 6.4;  // of 12 pixel text, on average

std::string tooltip_element(const std::string& text) {
  return text.empty() ? "" : fmt::format("<title>{}</title>", escaped(text));
}

std::string fill(const Paint& paint) {
  return fmt::format("class=\"f-{}\" fill=\"{}\"", paint.name, paint.light);
}

std::string stroke(const Paint& paint, double width, std::string_view dash) {
  return fmt::format("class=\"s-{}\" stroke=\"{}\" stroke-width=\"{:g}\"{}", paint.name, paint.light, width,
                     dash.empty() ? "" : fmt::format(" stroke-dasharray=\"{}\"", dash));
}

std::vector<std::string> wrapped(const std::string& text, size_t characters) {
  std::vector<std::string> lines(1);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > characters) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
    at = end + 1;
  }
  return lines;
}

std::string path_of(Marker marker, double x, double y, double r) {
  switch (marker) {
    case Marker::square:
      return fmt::format("M{:.1f} {:.1f}h{:g}v{:g}h{:g}z", x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r,
                         -1.8 * r);
    case Marker::triangle:
      return fmt::format("M{:.1f} {:.1f}l{:g} {:g}h{:g}z", x, y - 1.1 * r, 1.1 * r, 1.9 * r, -2.2 * r);
    case Marker::wedge:
      return fmt::format("M{:.1f} {:.1f}l{:g} {:g}h{:g}z", x, y + 1.1 * r, 1.1 * r, -1.9 * r, -2.2 * r);
    default:
      return fmt::format("M{:.1f} {:.1f}l{:g} {:g}l{:g} {:g}l{:g} {:g}z", x, y - 1.25 * r, 1.25 * r, 1.25 * r,
                         -1.25 * r, 1.25 * r, -1.25 * r, -1.25 * r);
  }
}

std::string labels(const Figure& figure, const std::string& id) {
  return fmt::format("<title id=\"{0}-title\">{1}</title>\n<desc id=\"{0}-description\">{2}</desc>\n", id,
                     escaped(figure.title), escaped(figure.caption));
}

}  // namespace

void SvgWriter::text(double x, double y, const std::string& content, const TextStyle& style) {
  const std::string place = style.upright
                                ? fmt::format("x=\"{:.1f}\" y=\"{:.1f}\"", x, y)
                                : fmt::format("transform=\"translate({:.1f} {:.1f}) rotate(-90)\"", x, y);
  out_ += fmt::format("<text {} {}{}{}{}>{}</text>\n", place, fill(style.paint),
                      style.anchor == "start" ? "" : fmt::format(" text-anchor=\"{}\"", style.anchor),
                      style.size == 12.0 ? "" : fmt::format(" font-size=\"{:g}\"", style.size),
                      style.bold ? " font-weight=\"bold\"" : "", escaped(content));
}

void SvgWriter::line(double x1, double y1, double x2, double y2, const Paint& paint, double width,
                     std::string_view dash) {
  out_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2,
                      stroke(paint, width, dash));
}

void SvgWriter::polyline(const Points& points, const Paint& paint, double width, std::string_view dash) {
  std::string path;
  for (const auto& [x, y] : points) path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", x, y);
  out_ += fmt::format("<polyline points=\"{}\" fill=\"none\" {}/>\n", path, stroke(paint, width, dash));
}

void SvgWriter::frame(double x, double y, double width, double height, const Paint& paint,
                      double stroke_width) {
  out_ +=
      fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" {}/>\n",
                  x, y, width, height, stroke(paint, stroke_width, ""));
}

void SvgWriter::bar(double x, double y, double width, double height, const Paint& paint,
                    const std::string& tooltip) {
  out_ += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" {}>{}</rect>\n", x,
                      y, width, height, fill(paint), tooltip_element(tooltip));
}

void SvgWriter::cell(double x, double y, double width, double height, const std::string& colour,
                     const std::string& tooltip) {
  out_ += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\">{}</rect>\n", x, y,
      width, height, colour, tooltip_element(tooltip));
}

void SvgWriter::outline(double x, double y, double width, double height, const std::string& colour,
                        double stroke) {
  out_ += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" stroke=\"{}\" "
      "stroke-width=\"{:g}\"/>\n",
      x, y, width, height, colour, stroke);
}

void SvgWriter::marker(double x, double y, const PolicyStyle& style, bool hollow, const std::string& tooltip,
                       double radius) {
  const Paint& inside = hollow ? paints::page : style.paint;
  const std::string look = fmt::format("class=\"f-{} s-{}\" fill=\"{}\" stroke=\"{}\" stroke-width=\"1.4\"",
                                       inside.name, style.paint.name, inside.light, style.paint.light);
  const std::string title = tooltip_element(tooltip);
  if (style.marker == Marker::circle) {
    out_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:g}\" {}>{}</circle>\n", x, y, radius - 0.5,
                        look, title);
  } else {
    out_ += fmt::format("<path d=\"{}\" {}>{}</path>\n", path_of(style.marker, x, y, radius), look, title);
  }
}

std::string shortened(const std::string& text, size_t characters) {
  if (text.size() <= characters) return text;
  size_t end = characters - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;  // within a character
  return fmt::format("{}…", text.substr(0, end));
}

std::string svg_document(const Figures& all) {
  std::string body;
  double width = 0.0;
  double top = margin;
  for (const Figure& figure : all.figures) width = std::max(width, figure.width);
  const auto most_characters = static_cast<size_t>((width - 2.0 * margin) / pixels_per_character);
  SvgWriter writer;
  const auto paragraph = [&](const std::string& text) {
    for (const std::string& row : wrapped(text, most_characters)) {
      writer.text(margin, top, row, {.paint = paints::soft});
      top += line_height;
    }
  };
  for (const Figure& figure : all.figures) {
    writer.text(margin, top + 6.0, figure.title, {.size = 15.0, .bold = true});
    top += 20.0;
    body += writer.take() + fmt::format("<g transform=\"translate(0 {:.1f})\">\n{}</g>\n", top, figure.body);
    top += figure.height + line_height;
    paragraph(figure.caption);
    top += margin;
  }
  if (!all.left_out.empty()) paragraph(all.left_out);
  body += writer.take();
  Figure whole = {.title = "", .caption = "", .width = width, .height = top, .body = {}};
  for (const Figure& figure : all.figures) {
    whole.title += (whole.title.empty() ? "" : "; ") + figure.title;
    whole.caption += (whole.caption.empty() ? "" : " ") + figure.caption;
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
      "{1:.0f}\" role=\"img\" aria-labelledby=\"figure-title figure-description\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n{2}<rect width=\"100%\" height=\"100%\" fill=\"{3}\"/>\n{4}</svg>\n",
      whole.width, whole.height, labels(whole, "figure"), paints::page.light, body);
}

std::string svg_element(const Figure& figure, const std::string& id) {
  return fmt::format(
      "<svg viewBox=\"0 0 {0:.0f} {1:.0f}\" style=\"max-width:{0:.0f}px\" role=\"img\" "
      "aria-labelledby=\"{2}-title {2}-description\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n{3}{4}</svg>\n",
      figure.width, figure.height, id, labels(figure, id), figure.body);
}

std::string dark_svg_rules() {
  std::string rules;
  for (const Paint& paint : all_paints())
    rules += fmt::format(".f-{0}{{fill:{1}}}.s-{0}{{stroke:{1}}}\n", paint.name, paint.dark);
  return rules;
}

}  // namespace razorscope
