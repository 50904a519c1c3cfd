#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace razorscope {

/// A table's row, as text.
using Cells = std::vector<std::string>;

/// The table, whose first row is its header, with columns aligned: the first to the left, the others to the
/// right. All rows have the same number of cells.
std::string format_table(const std::vector<Cells>& table, bool markdown);
/// The same with the columns to the left that `left` says; those beyond its end go to the right.
std::string format_table(const std::vector<Cells>& table, bool markdown, const std::vector<bool>& left);

/// What may stand in one line of a table: names come from files.
std::string printable(const std::string& text, bool markdown);

/// "131,072".
std::string thousands(int64_t value);

/// A policy by its label, which always names its codec.
std::string policy_cell(const std::string& canonical_name, bool markdown);

/// A line above a table, and an empty one.
std::string format_heading(const std::string& text, bool markdown);
/// A line above several tables, and an empty one.
std::string format_title(const std::string& text, bool markdown);
/// A line below a table.
std::string format_note(const std::string& text, bool markdown);

}  // namespace razorscope
