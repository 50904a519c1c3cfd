#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// How tables, and what stands around them, are written: aligned for terminals, as Markdown, as HTML.
enum class TextStyle { plain, markdown, html };

/// A table's row, as text.
using Cells = std::vector<std::string>;

/// The table, whose first row is its header: the first column to the left, the others, figures, to the right.
/// All rows have the same number of cells. A long one folds away in HTML.
std::string format_table(const std::vector<Cells>& table, TextStyle style);

/// What may stand in one line of a table: names come from files. (HTML is escaped by format_table.)
std::string printable(const std::string& text, TextStyle style);

/// A policy by its label, which always names its codec.
std::string policy_cell(const std::string& canonical_name, TextStyle style);

/// A line above a table, and an empty one.
std::string format_heading(const std::string& text, TextStyle style);
/// A line above several tables, and an empty one.
std::string format_title(const std::string& text, TextStyle style);
/// A line below a table.
std::string format_note(const std::string& text, TextStyle style);
/// The same about all tables of a section: what their columns mean.
std::string format_legend(std::string_view text, TextStyle style);

// The same where HTML does not come in.
inline TextStyle text_style(bool markdown) { return markdown ? TextStyle::markdown : TextStyle::plain; }
inline std::string format_table(const std::vector<Cells>& table, bool markdown) {
  return format_table(table, text_style(markdown));
}
inline std::string printable(const std::string& text, bool markdown) {
  return printable(text, text_style(markdown));
}
inline std::string policy_cell(const std::string& canonical_name, bool markdown) {
  return policy_cell(canonical_name, text_style(markdown));
}

}  // namespace razorscope
