#include "experiments/store/text_table.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

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

}  // namespace

std::string format_table(const std::vector<Cells>& table, bool markdown) {
  return format_table(table, markdown, {true});
}

std::string format_table(const std::vector<Cells>& table, bool markdown, const std::vector<bool>& left) {
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

std::string printable(const std::string& text, bool markdown) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += '?';
    } else if (markdown && c == '|') {
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

std::string policy_cell(const std::string& canonical_name, bool markdown) {
  const std::string label = printable(policy_label(canonical_name), markdown);
  return markdown ? fmt::format("`{}`", label) : label;
}

std::string format_heading(const std::string& text, bool markdown) {
  return fmt::format("{}{}\n\n", markdown ? "### " : "", printable(text, markdown));
}

std::string format_title(const std::string& text, bool markdown) {
  if (markdown) return fmt::format("## {}\n\n", printable(text, markdown));
  return fmt::format("{}\n{}\n\n", printable(text, markdown), std::string(width_of(text), '='));
}

std::string format_note(const std::string& text, bool markdown) {
  return fmt::format("- {}\n", printable(text, markdown));
}

}  // namespace razorscope
