#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <map>
#include <string>
#include <vector>

namespace razorscope {

/// How a table's rows are told apart and hang on those of other tables, read from the schema itself: for what
/// has to treat tables alike that it does not know.
struct TableLinks {
  std::string name;
  std::vector<std::string> columns;
  std::string id;      // an INTEGER PRIMARY KEY that means nothing outside its file; "": none
  std::string owner;   // of a table without an id: the column whose row its rows belong to; "": none
  bool keyed = false;  // some unique key never is NULL
  std::map<std::string, std::string> ids;  // column -> the table whose id it holds
};

/// All tables, each after those that it refers to. std::logic_error where tables refer to each other in a
/// circle.
std::vector<TableLinks> table_graph(SQLite::Database& database);

}  // namespace razorscope
