#include "experiments/store/sql_reader.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <new>
#include <optional>
#include <sqlite3.h>

#include "experiments/store/connection.hpp"
#include "experiments/store/schema.hpp"
#include "experiments/store/sql_guard.hpp"
#include "experiments/store/sql_hint.hpp"
#include "models/base/error.hpp"

namespace razorscope {
namespace {

constexpr const char* where = "SQL";

struct Finalizer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalizer>;

std::vector<SqlTable> tables_of(SQLite::Database& database) {
  SQLite::Statement statement(database,
                              "SELECT things.name, things.type, columns.name FROM sqlite_schema AS things "
                              "JOIN pragma_table_info(things.name) AS columns "
                              "WHERE things.type IN ('view', 'table') AND things.name NOT LIKE 'sqlite%' "
                              "ORDER BY things.type DESC, things.name, columns.cid");
  std::vector<SqlTable> tables;
  while (statement.executeStep()) {
    const std::string name = statement.getColumn(0).getString();
    if (tables.empty() || tables.back().name != name)
      tables.push_back({name, statement.getColumn(1).getString() == "view", {}});
    tables.back().columns.push_back(statement.getColumn(2).getString());
  }
  return tables;
}

template <typename T>
std::optional<T> read_whole(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end ? std::optional<T>(value) : std::nullopt;
}

void bind(sqlite3_stmt* statement, int index, const std::string& text) {
  if (const auto integer = read_whole<int64_t>(text)) {
    sqlite3_bind_int64(statement, index, *integer);
  } else if (const auto number = read_whole<double>(text); number && std::isfinite(*number)) {
    sqlite3_bind_double(statement, index, *number);
  } else {
    sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }
}

/// Every parameter gets a value, and every value a parameter.
void bind_settings(sqlite3_stmt* statement, const SqlReader::Settings& settings) {
  std::vector<std::string> names;
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) {
    const char* name = sqlite3_bind_parameter_name(statement, i);
    if (name == nullptr || name[0] == '?')
      throw InputError(where, "a parameter is written :name, and --set name=value gives its value");
    names.emplace_back(name + 1);
    const auto found = settings.find(names.back());
    if (found == settings.end())
      throw InputError(where,
                       fmt::format("the parameter :{0} has no value: add --set {0}=value", names.back()));
    bind(statement, i, found->second);
  }
  for (const auto& [name, value] : settings) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    throw InputError("--set", names.empty() ? fmt::format("{}: the statement has no parameters", name)
                                            : unknown_name("parameter", name, names));
  }
}

SqlValue value_of(sqlite3_stmt* statement, int column) {
  const auto size = [&] { return static_cast<size_t>(sqlite3_column_bytes(statement, column)); };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return static_cast<int64_t>(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return std::string_view(text, size());
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement, column));
      return std::span<const std::byte>(bytes, size());
    }
    default:
      return std::monostate();
  }
}

/// While it lives, SQLite asks `stop` every so often and gives SQLITE_INTERRUPT once it is true.
class StopWatch {
 public:
  StopWatch(sqlite3* connection, const std::function<bool()>& stop) : connection_(connection) {
    constexpr int instructions = 10'000;  // some 0.1 ms
    sqlite3_progress_handler(
        connection_, instructions,
        [](void* asked) { return (*static_cast<const std::function<bool()>*>(asked))() ? 1 : 0; },
        const_cast<std::function<bool()>*>(&stop));
  }
  ~StopWatch() { sqlite3_progress_handler(connection_, 0, nullptr, nullptr); }
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;

 private:
  sqlite3* connection_;
};

}  // namespace

std::vector<SqlTable> schema_tables() {
  SQLite::Database database(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  for (const std::string& migration : schema_migrations()) database.exec(migration);
  return tables_of(database);
}

SqlReader::SqlReader(const std::filesystem::path& path)
    : connection_(
          std::make_unique<Connection>(path, Connection::Access::read_only, std::chrono::seconds(10))),
      guard_(std::make_unique<SqlGuard>(connection_->database().getHandle())) {}

SqlReader::~SqlReader() = default;

std::vector<SqlTable> SqlReader::tables() {
  return connection_->guarded([&] { return tables_of(connection_->database()); });
}

void SqlReader::fail(const std::string& sql) {
  sqlite3* handle = connection_->database().getHandle();
  const int code = sqlite3_errcode(handle);
  const std::string message = sqlite3_errmsg(handle);
  if (!guard_->refused().empty())
    throw InputError(where, guard_->refused() + " is not allowed: `razorscope sql` only reads");
  switch (code) {
    case SQLITE_INTERRUPT:
      throw Interrupted();
    case SQLITE_NOMEM:
      throw std::bad_alloc();
    case SQLITE_ERROR:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
      throw InputError(where, with_hint(message, sql, tables()));
    default:
      throw SQLite::Exception(handle, code);
  }
}

void SqlReader::ask(const std::string& sql, const Settings& settings, SqlSink& sink,
                    const std::function<bool()>& stop) {
  sqlite3* handle = connection_->database().getHandle();
  if (sql.find('\0') != std::string::npos) throw InputError(where, "holds a NUL character");
  const auto prepare = [&](const char* text, const char** rest) {
    sqlite3_stmt* made = nullptr;
    const int code = sqlite3_prepare_v3(handle, text, -1, 0, &made, rest);
    return std::pair(Statement(made), code);
  };
  connection_->guarded([&] {
    const StopWatch watch(handle, stop);
    guard_->forget();
    const char* rest = nullptr;
    const auto [statement, code] = prepare(sql.c_str(), &rest);
    if (code != SQLITE_OK) fail(sql);
    if (!statement) throw InputError(where, "is empty: a SELECT is wanted");
    // Comments and blanks make no statement.
    if (const auto [next, problem] = prepare(rest, nullptr); next || problem != SQLITE_OK)
      throw InputError(where, "holds several statements: one at a time");
    bind_settings(statement.get(), settings);

    std::vector<std::string> names;
    for (int i = 0; i < sqlite3_column_count(statement.get()); ++i)
      names.emplace_back(sqlite3_column_name(statement.get(), i));
    sink.columns(names);
    std::vector<SqlValue> values(names.size());
    int step = SQLITE_ROW;
    while ((step = sqlite3_step(statement.get())) == SQLITE_ROW) {
      if (stop()) throw Interrupted();
      for (size_t i = 0; i < values.size(); ++i) values[i] = value_of(statement.get(), static_cast<int>(i));
      sink.row(values);
    }
    if (step != SQLITE_DONE) fail(sql);
    sink.end();
  });
}

}  // namespace razorscope
