#include "experiments/store/merge_sql.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace razorscope {
namespace {

std::string translated(const TableLinks& table, const std::string& column) {
  const std::string value = "theirs." + quoted(column);
  const auto parent = table.ids.find(column);
  if (parent == table.ids.end()) return value;
  return fmt::format("(SELECT new FROM {} WHERE old = {})", ids_of(parent->second), value);
}

std::vector<std::string> columns_but_id(const TableLinks& table) {
  std::vector<std::string> columns = table.columns;
  std::erase(columns, table.id);
  return columns;
}

bool has_state(const TableLinks& table) {
  return std::find(table.columns.begin(), table.columns.end(), "state") != table.columns.end();
}

/// How far a state has come: larger is further.
std::string progress_of(const std::string& state) {
  return fmt::format("instr('pending running failed done', {})", state);
}

/// What becomes of a column of a row that is in both files.
std::string assignment(const TableLinks& table, const std::string& column) {
  const std::string mine = quoted(table.name) + '.' + quoted(column);
  std::string value = "excluded." + quoted(column);
  if (column == "context_tokens") value = fmt::format("max({}, {})", mine, value);
  if (column == "full_f16_bytes") value = fmt::format("coalesce({}, {})", value, mine);
  if (column == "created_utc") value = fmt::format("min({}, {})", mine, value);
  if (has_state(table)) {
    value = fmt::format("CASE WHEN {} >= {} THEN {} ELSE {} END", progress_of("excluded.state"),
                        progress_of(quoted(table.name) + ".state"), value, mine);
  }
  return fmt::format("{} = {}", quoted(column), value);
}

}  // namespace

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string column_list(const std::vector<std::string>& columns) {
  std::vector<std::string> names;
  for (const std::string& column : columns) names.push_back(quoted(column));
  return fmt::to_string(fmt::join(names, ", "));
}

std::string ids_of(const std::string& table) { return "temp." + quoted("ids of " + table); }

std::string translated(const TableLinks& table, const std::vector<std::string>& columns) {
  std::vector<std::string> values;
  for (const std::string& column : columns) values.push_back(translated(table, column));
  return fmt::to_string(fmt::join(values, ", "));
}

std::string upsert(const TableLinks& table, const std::string& where) {
  const std::vector<std::string> columns = columns_but_id(table);
  std::vector<std::string> assignments;
  for (const std::string& column : columns) assignments.push_back(assignment(table, column));
  return fmt::format(
      "INSERT INTO main.{0} ({1}) SELECT {2} FROM shard.{0} AS theirs WHERE {3} ON CONFLICT DO UPDATE SET "
      "{4}",
      quoted(table.name), column_list(columns), translated(table, columns), where,
      fmt::join(assignments, ", "));
}

std::string wins(const TableLinks& table) {
  if (!has_state(table)) return "1";
  return fmt::format("state IS (SELECT state FROM shard.{} WHERE {} = ?1)", quoted(table.name),
                     quoted(table.id));
}

std::string identical(const TableLinks& table) {
  std::vector<std::string> same;
  for (const std::string& column : columns_but_id(table))
    same.push_back(fmt::format("mine.{} IS {}", quoted(column), translated(table, column)));
  return fmt::format(
      "SELECT mine.{0}, 1 FROM main.{1} AS mine JOIN shard.{1} AS theirs ON {2} WHERE theirs.{0} = ?1",
      quoted(table.id), quoted(table.name), fmt::join(same, " AND "));
}

}  // namespace razorscope
