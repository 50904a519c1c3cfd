#include "experiments/store/sql_guard.hpp"

#include <fmt/format.h>
#include <map>
#include <set>
#include <sqlite3.h>
#include <string_view>

namespace razorscope {
namespace {

constexpr int largest_value = 64 << 20;

/// Those that tell of the schema and change nothing, whatever they are given.
bool describes(std::string_view pragma) {
  static const std::set<std::string_view> allowed = {
      "foreign_key_check", "foreign_key_list", "function_list", "index_info",     "index_list",
      "index_xinfo",       "integrity_check",  "quick_check",   "table_info",     "table_list",
      "table_xinfo",       "collation_list",   "database_list", "compile_options"};
  return allowed.contains(pragma);
}

/// "writing to the table runs".
std::string deed(int action, const std::string& first) {
  static const std::map<int, const char*> names = {{SQLITE_INSERT, "writing to the table"},
                                                   {SQLITE_UPDATE, "writing to the table"},
                                                   {SQLITE_DELETE, "deleting from the table"},
                                                   {SQLITE_ATTACH, "ATTACH of another file"},
                                                   {SQLITE_DETACH, "DETACH"},
                                                   {SQLITE_PRAGMA, "PRAGMA"},
                                                   {SQLITE_TRANSACTION, "a transaction:"},
                                                   {SQLITE_SAVEPOINT, "a savepoint:"},
                                                   {SQLITE_FUNCTION, "the function"}};
  const auto found = names.find(action);
  if (found == names.end()) return "changing the schema";
  if (action == SQLITE_ATTACH || action == SQLITE_DETACH) return found->second;
  return fmt::format("{} {}", found->second, first);
}

}  // namespace

SqlGuard::SqlGuard(sqlite3* connection) : connection_(connection) {
  sqlite3_set_authorizer(connection_, &SqlGuard::authorize, this);
  sqlite3_db_config(connection_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_limit(connection_, SQLITE_LIMIT_LENGTH, largest_value);
}

SqlGuard::~SqlGuard() { sqlite3_set_authorizer(connection_, nullptr, nullptr); }

int SqlGuard::authorize(void* guard, int action, const char* first, const char* second, const char*,
                        const char*) {
  const std::string one = first != nullptr ? first : "";
  const std::string two = second != nullptr ? second : "";
  // Table-valued functions are set up as if the schema changed; of what really changes it, more is refused.
  const bool sets_up = action == SQLITE_UPDATE && (one == "sqlite_master" || one == "sqlite_schema");
  const bool allowed =
      sets_up || action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_RECURSIVE ||
      (action == SQLITE_FUNCTION && two != "load_extension" && two != "fts3_tokenizer") ||
      (action == SQLITE_PRAGMA &&
       (describes(one) || (second == nullptr &&
                           (one == "user_version" || one == "schema_version" || one == "application_id"))));
  if (allowed) return SQLITE_OK;
  // An INSERT into sqlite_schema is how CREATE begins: the first thing that is refused is what is told.
  auto& refused = static_cast<SqlGuard*>(guard)->refused_;
  if (refused.empty()) {
    const bool schema = one.starts_with("sqlite_") && action != SQLITE_FUNCTION;
    refused = schema ? "changing the schema" : deed(action, action == SQLITE_FUNCTION ? two : one);
  }
  return SQLITE_DENY;
}

}  // namespace razorscope
