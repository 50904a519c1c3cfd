#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// How tables, and what stands around them, are written: aligned for terminals, as Markdown, as HTML.
enum class TextStyle { plain, markdown, html };

/// A table's row, as text.
using Cells = std::vector<std::string>;

/// The table, whose first row is its header. All rows have the same number of cells. `left`: the columns
/// whose cells begin at the left; those beyond its end, figures, end at the right. A long table folds away in
/// HTML.
std::string format_table(const std::vector<Cells>& table, TextStyle style,
                         const std::vector<bool>& left = {true});

/// What may stand in one line of a table: names come from files. (HTML is escaped by format_table.)
std::string printable(const std::string& text, TextStyle style);

/// "131,072".
std::string thousands(int64_t value);

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

}  // namespace razorscope
