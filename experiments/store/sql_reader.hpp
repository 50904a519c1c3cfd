#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace razorscope {

class Connection;
class SqlGuard;

/// NULL, an integer, a number, a text or a blob; the last two are valid until the next row.
using SqlValue = std::variant<std::monostate, int64_t, double, std::string_view, std::span<const std::byte>>;

/// Takes an answer row by row. Order of calls: columns, row for each row, end.
class SqlSink {
 public:
  virtual ~SqlSink() = default;
  virtual void columns(const std::vector<std::string>& names) = 0;
  virtual void row(std::span<const SqlValue> values) = 0;
  virtual void end() = 0;
};

/// A table or view with its columns, in their order.
struct SqlTable {
  std::string name;
  bool is_view = false;
  std::vector<std::string> columns;
};

/// Views, then tables; each by name. Of a database that this program would make.
std::vector<SqlTable> schema_tables();

/// Answers SQL of a user on a results database, which it can only read.
///
///   SqlReader reader("results.db");
///   reader.ask("SELECT policy FROM tradeoff WHERE relative_bytes < :share", {{"share", "0.3"}}, sink);
class SqlReader {
 public:
  /// Values of a statement's parameters by their names: integers and numbers where they read as such.
  using Settings = std::map<std::string, std::string>;

  /// InputError as Store::open_read_only.
  explicit SqlReader(const std::filesystem::path& path);
  ~SqlReader();
  SqlReader(const SqlReader&) = delete;
  SqlReader& operator=(const SqlReader&) = delete;

  /// Runs one statement. Memory does not grow with the rows. InputError for what is no such statement,
  /// writes, or lacks a parameter: it tells SQLite's reason, the nearest name where one is unknown, and the
  /// views. Interrupted soon after `stop` gave true; it may be asked at any moment, and does not throw.
  void ask(
      const std::string& sql, const Settings& settings, SqlSink& sink,
      const std::function<bool()>& stop = [] { return false; });

  std::vector<SqlTable> tables();

 private:
  [[noreturn]] void fail(const std::string& sql);

  std::unique_ptr<Connection> connection_;
  std::unique_ptr<SqlGuard> guard_;
};

}  // namespace razorscope
