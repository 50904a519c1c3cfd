#include "experiments/store/sql_hint.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// The words of a statement: what may be a name.
std::vector<std::string> words_of(const std::string& sql) {
  std::vector<std::string> words(1);
  for (const char c : lower(sql)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  return words;
}

/// What stands after a beginning of the message, without the table that a column was asked of.
std::string after(const std::string& message, const std::string& beginning) {
  if (!message.starts_with(beginning)) return "";
  const std::string name = message.substr(beginning.size());
  return name.substr(name.rfind('.') + 1);
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& names) {
  const std::string near = nearest_name(name, names);
  return near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near);
}

std::string hint_for_column(const std::string& column, const std::string& sql,
                            const std::vector<SqlTable>& tables) {
  const std::vector<std::string> words = words_of(sql);
  std::vector<std::string> here;   // columns of what the statement names
  std::vector<std::string> there;  // what else has the very column
  for (const SqlTable& table : tables) {
    const std::vector<std::string>& columns = table.columns;
    if (std::find(words.begin(), words.end(), table.name) != words.end()) {
      here.insert(here.end(), columns.begin(), columns.end());
    } else if (std::find(columns.begin(), columns.end(), lower(column)) != columns.end()) {
      there.push_back(table.name);
    }
  }
  const std::string hint = did_you_mean(column, here);
  if (there.empty()) return hint;
  return fmt::format("{}; it is a column of {}", hint, fmt::join(there, ", "));
}

}  // namespace

std::string with_hint(const std::string& message, const std::string& sql,
                      const std::vector<SqlTable>& tables) {
  std::vector<std::string> names;
  std::vector<std::string> views;
  for (const SqlTable& table : tables) {
    names.push_back(table.name);
    if (table.is_view) views.push_back(table.name);
  }
  std::string hint;
  if (const std::string table = after(message, "no such table: "); !table.empty())
    hint = did_you_mean(table, names);
  if (const std::string column = after(message, "no such column: "); !column.empty())
    hint = hint_for_column(column, sql, tables);
  return fmt::format("{}{}\nviews: {}\n`razorscope sql --list` tells their columns", message, hint,
                     fmt::join(views, ", "));
}

}  // namespace razorscope
