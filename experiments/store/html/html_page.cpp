#include "experiments/store/html/html_page.hpp"

#include <fmt/format.h>
#include <string_view>

#include "experiments/store/markup.hpp"

namespace razorscope {
namespace {

constexpr std::string_view style = R"css(
:root { color-scheme: light dark; --page: #fff; --ink: #16181b; --soft: #50565d; --line: #d5d8dc; --stripe: #f4f5f7; --link: #0057a8 }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0.5rem 0 0.25rem }
h2 { font-size: 1.4rem; margin: 2.75rem 0 1rem; padding-top: 0.75rem; border-top: 2px solid var(--line) }
h3 { font-size: 1rem; margin: 1.75rem 0 0.5rem; font-weight: 600 }
a { color: var(--link) }
nav ul { margin: 0.25rem 0; padding-left: 1.25rem }
figure { margin: 1.5rem 0 2rem }
svg { display: block; width: 100%; height: auto }
figcaption { margin-top: 0.5rem; color: var(--soft); font-size: 0.875rem; max-width: 54rem }
figcaption strong { color: var(--ink) }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums }
th, td { padding: 0.25rem 0.6rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left }
thead th { border-bottom: 2px solid var(--soft); white-space: nowrap }
tbody th { font-weight: 500; overflow-wrap: break-word; max-width: 26rem }
tbody tr:nth-child(even) { background: var(--stripe) }
td { white-space: nowrap }
.lead, .note { color: var(--soft); max-width: 54rem }
.note { font-size: 0.875rem; margin: 0.5rem 0 }
summary { cursor: pointer; margin: 0.5rem 0 }
)css";

constexpr std::string_view dark_style =
    ":root { --page: #16181b; --ink: #ececec; --soft: #b8bcc2; --line: #3a3f45; --stripe: #1e2125; --link: "
    "#7fbcff }\n";

constexpr std::string_view print_style = R"css(
@media print {
  body { max-width: none; padding: 0; font-size: 11px }
  nav { display: none }
  figure, tr { break-inside: avoid }
  h2, h3 { break-after: avoid }
  .wide { overflow: visible }
  table { font-size: 9px }
  details::details-content { content-visibility: visible; block-size: auto }
}
)css";

}  // namespace

std::string html_page(const std::string& title, const std::string& lead,
                      const std::vector<HtmlSection>& sections) {
  std::string contents;
  std::string body;
  for (const HtmlSection& section : sections) {
    contents += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, escaped(section.title));
    body += fmt::format("<section aria-labelledby=\"{0}\">\n<h2 id=\"{0}\">{1}</h2>\n{2}</section>\n",
                        section.id, escaped(section.title), section.body);
  }
  // Paper is light, whatever the screen is.
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n<title>{0}</title>\n<style>{1}"
      "@media screen and (prefers-color-scheme: dark) {{\n{2}{3}}}\n{4}</style>\n</head>\n<body>\n<header>\n"
      "<h1>{0}</h1>\n<p class=\"lead\">{5}</p>\n</header>\n<nav "
      "aria-label=\"Contents\">\n<ul>\n{6}</ul>\n</nav>\n"
      "<main>\n{7}</main>\n</body>\n</html>\n",
      escaped(title), style, dark_style, dark_svg_rules(), print_style, escaped(lead), contents, body);
}

std::string html_figure(const Figure& figure, const std::string& id) {
  return fmt::format("<figure id=\"{}\">\n{}<figcaption><strong>{}.</strong> {}</figcaption>\n</figure>\n",
                     id, svg_element(figure, id), escaped(figure.title), escaped(figure.caption));
}

std::string html_figures(const Figures& figures, const std::string& id) {
  std::string out;
  for (size_t i = 0; i < figures.figures.size(); ++i)
    out += html_figure(figures.figures[i], fmt::format("{}-{}", id, i + 1));
  return figures.left_out.empty() ? out : out + html_paragraph(figures.left_out);
}

std::string html_paragraph(const std::string& text) {
  return fmt::format("<p class=\"note\">{}</p>\n", escaped(text));
}

}  // namespace razorscope
