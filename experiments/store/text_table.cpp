#include "experiments/store/text_table.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

#include "experiments/store/markup.hpp"
#include "experiments/store/policy_label.hpp"

namespace razorscope {
namespace {

/// Characters, not bytes, of UTF-8.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::vector<size_t> widths_of(const std::vector<Cells>& table) {
  std::vector<size_t> widths(table.front().size());
  for (const Cells& row : table) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  return widths;
}

std::string aligned(const Cells& row, const std::vector<size_t>& widths, const std::vector<bool>& left,
                    std::string_view between) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string padding(widths[i] - width_of(row[i]), ' ');
    if (i > 0) line += between;
    line += i < left.size() && left[i] ? row[i] + padding : padding + row[i];
  }
  return line;
}

std::string text_table(const std::vector<Cells>& table, bool markdown, const std::vector<bool>& left) {
  const std::vector<size_t> widths = widths_of(table);
  std::string out;
  for (size_t i = 0; i < table.size(); ++i) {
    const std::string line = aligned(table[i], widths, left, markdown ? " | " : "  ");
    out += markdown ? fmt::format("| {} |\n", line) : line + '\n';
    if (i > 0) continue;
    Cells rules;
    for (const size_t width : widths) rules.push_back(std::string(width, '-'));
    if (markdown) {
      for (size_t column = 0; column < rules.size(); ++column) {
        if (column >= left.size() || !left[column]) rules[column].back() = ':';
      }
      out += fmt::format("| {} |\n", aligned(rules, widths, left, " | "));
    } else {
      out += aligned(rules, widths, left, "  ") + '\n';
    }
  }
  return out;
}

/// Rows of a table that is shown at once.
constexpr size_t short_table = 40;

std::string html_table(const std::vector<Cells>& table) {
  std::string rows;
  for (size_t i = 0; i < table.size(); ++i) {
    rows += i == 0 ? "<thead><tr>" : "<tr>";
    for (size_t column = 0; column < table[i].size(); ++column) {
      const char* const open = i == 0 ? "<th scope=\"col\">" : column == 0 ? "<th scope=\"row\">" : "<td>";
      const bool heads = i == 0 || column == 0;
      rows += open + escaped(table[i][column]) + (heads ? "</th>" : "</td>");
    }
    rows += i == 0 ? "</tr></thead>\n<tbody>\n" : "</tr>\n";
  }
  const std::string out = "<div class=\"wide\"><table>\n" + rows + "</tbody></table></div>\n";
  if (table.size() <= short_table + 1) return out;
  return fmt::format("<details><summary>{} rows</summary>\n{}</details>\n", table.size() - 1, out);
}

}  // namespace

std::string format_table(const std::vector<Cells>& table, TextStyle style, const std::vector<bool>& left) {
  return style == TextStyle::html ? html_table(table) : text_table(table, style == TextStyle::markdown, left);
}

std::string printable(const std::string& text, TextStyle style) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += '?';
    } else if (style == TextStyle::markdown && c == '|') {
      out += "\\|";
    } else {
      out += c;
    }
  }
  return out;
}

std::string thousands(int64_t value) {
  const std::string digits = std::to_string(value);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string policy_cell(const std::string& canonical_name, TextStyle style) {
  const std::string label = printable(policy_label(canonical_name), style);
  return style == TextStyle::markdown ? fmt::format("`{}`", label) : label;
}

std::string format_heading(const std::string& text, TextStyle style) {
  if (style == TextStyle::html) return fmt::format("<h3>{}</h3>\n", escaped(text));
  return fmt::format("{}{}\n\n", style == TextStyle::markdown ? "### " : "", printable(text, style));
}

std::string format_title(const std::string& text, TextStyle style) {
  if (style == TextStyle::html) return fmt::format("<h2>{}</h2>\n", escaped(text));
  if (style == TextStyle::markdown) return fmt::format("## {}\n\n", printable(text, style));
  return fmt::format("{}\n{}\n\n", printable(text, style), std::string(width_of(text), '='));
}

std::string format_note(const std::string& text, TextStyle style) {
  if (style == TextStyle::html) return fmt::format("<p class=\"note\">{}</p>\n", escaped(text));
  return fmt::format("- {}\n", printable(text, style));
}

std::string format_legend(std::string_view text, TextStyle style) {
  if (style == TextStyle::html) return fmt::format("<p class=\"note\">{}</p>\n", escaped(std::string(text)));
  return fmt::format("{}{}\n", style == TextStyle::markdown ? "- " : "", text);
}

}  // namespace razorscope
