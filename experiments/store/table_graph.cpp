#include "experiments/store/table_graph.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

namespace razorscope {
namespace {

struct Reference {
  std::string table;
  std::string column;
};

struct Table {
  TableLinks links;
  std::vector<std::string> primary_key;
  std::set<std::string> never_null;
  std::map<std::string, Reference> references;  // by column
};

using Tables = std::map<std::string, Table>;

/// Calls row(statement) for each row of a query with one parameter.
template <typename Row>
void for_each(SQLite::Database& database, const char* sql, const std::string& parameter, const Row& row) {
  SQLite::Statement query(database, sql);
  query.bind(1, parameter);
  while (query.executeStep()) row(query);
}

void read_columns(SQLite::Database& database, bool without_rowid, Table& table) {
  std::map<int, std::string> key;
  std::string key_type;
  for_each(database, "SELECT name, type, \"notnull\", pk FROM pragma_table_info(?)", table.links.name,
           [&](SQLite::Statement& row) {
             const std::string column = row.getColumn(0).getString();
             const int place = row.getColumn(3).getInt();
             table.links.columns.push_back(column);
             if (row.getColumn(2).getInt() != 0) table.never_null.insert(column);
             if (place == 0) return;
             key[place] = column;
             key_type = row.getColumn(1).getString();
           });
  for (const auto& [place, column] : key) table.primary_key.push_back(column);
  if (key.size() == 1 && key_type == "INTEGER" && !without_rowid) table.links.id = key.begin()->second;
}

void read_references(SQLite::Database& database, Table& table) {
  for_each(database, "SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list(?) ORDER BY id, seq",
           table.links.name, [&](SQLite::Statement& row) {
             const Reference reference{row.getColumn(1).getString(), row.getColumn(2).getString()};
             table.references.emplace(row.getColumn(0).getString(), reference);
           });
  if (table.references.contains(table.links.id)) table.links.id.clear();  // it is its parent's
}

bool unique_without_nulls(SQLite::Database& database, const Table& table, const std::string& index) {
  bool whole = true;
  for_each(database, "SELECT name FROM pragma_index_info(?)", index, [&](SQLite::Statement& row) {
    whole = whole && table.never_null.contains(row.getColumn(0).getString());
  });
  return whole;
}

void read_keys(SQLite::Database& database, Table& table) {
  table.links.keyed = table.links.id.empty() && !table.primary_key.empty();
  for_each(database, "SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND NOT partial",
           table.links.name, [&](SQLite::Statement& row) {
             if (unique_without_nulls(database, table, row.getColumn(0).getString()))
               table.links.keyed = true;
           });
}

Tables read_tables(SQLite::Database& database) {
  Tables tables;
  for_each(database,
           "SELECT name, wr FROM pragma_table_list WHERE schema = ? AND type = 'table' AND name NOT LIKE "
           "'sqlite\\_%' ESCAPE '\\'",
           "main", [&](SQLite::Statement& row) {
             Table& table = tables[row.getColumn(0).getString()];
             table.links.name = row.getColumn(0).getString();
             read_columns(database, row.getColumn(1).getInt() != 0, table);
             read_references(database, table);
             read_keys(database, table);
           });
  return tables;
}

/// The table whose id a column holds, if need be through columns of other tables; "" where it holds none.
std::string id_in(const Tables& tables, const std::string& name, const std::string& column) {
  const Table& table = tables.at(name);
  if (column == table.links.id) return name;
  const auto reference = table.references.find(column);
  if (reference == table.references.end()) return "";
  const auto& [parent, named] = reference->second;
  const Table& referred = tables.at(parent);
  return id_in(tables, parent, named.empty() ? referred.primary_key.at(0) : named);
}

void link(const Tables& tables, Table& table) {
  for (const auto& [column, reference] : table.references) {
    const std::string parent = id_in(tables, table.links.name, column);
    if (!parent.empty()) table.links.ids[column] = parent;
  }
  if (!table.links.id.empty()) return;
  const auto& candidates = table.primary_key.empty() ? table.links.columns : table.primary_key;
  const auto owner = std::find_if(candidates.begin(), candidates.end(), [&](const std::string& column) {
    return table.links.ids.contains(column);
  });
  if (owner != candidates.end()) table.links.owner = *owner;
}

class Order {
 public:
  explicit Order(const Tables& tables) : tables_(tables) {
    for (const auto& [name, table] : tables_) visit(table);
  }
  std::vector<TableLinks> take() { return std::move(ordered_); }

 private:
  void visit(const Table& table) {
    const std::string& name = table.links.name;
    if (done_.contains(name)) return;
    if (!open_.insert(name).second)
      throw std::logic_error("the table " + name + " refers to itself, if need be through others");
    for (const auto& [column, reference] : table.references) visit(tables_.at(reference.table));
    done_.insert(name);
    ordered_.push_back(table.links);
  }

  const Tables& tables_;
  std::set<std::string> open_;
  std::set<std::string> done_;
  std::vector<TableLinks> ordered_;
};

}  // namespace

std::vector<TableLinks> table_graph(SQLite::Database& database) {
  Tables tables = read_tables(database);
  std::vector<TableLinks> ordered = Order(tables).take();  // before links follow a circle for ever
  for (auto& [name, table] : tables) link(tables, table);
  for (TableLinks& links : ordered) links = tables.at(links.name).links;
  return ordered;
}

}  // namespace razorscope
