#pragma once

#include <string>
#include <vector>

#include "experiments/store/figures/svg.hpp"

namespace razorscope {

/// A part of a page; its body is HTML.
struct HtmlSection {
  std::string id;  // unique on the page
  std::string title;
  std::string body;
};

/// A whole page: title, table of contents, sections. It needs nothing from elsewhere, runs no scripts,
/// follows the reader's choice of light or dark, and prints.
std::string html_page(const std::string& title, const std::string& lead,
                      const std::vector<HtmlSection>& sections);

/// A figure with its caption; `id` is unique on the page.
std::string html_figure(const Figure& figure, const std::string& id);
/// All of them, numbered behind `id`, and what is not drawn.
std::string html_figures(const Figures& figures, const std::string& id);
std::string html_paragraph(const std::string& text);

}  // namespace razorscope
