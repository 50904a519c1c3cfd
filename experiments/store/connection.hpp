#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <type_traits>

namespace razorscope {

/// An open store: a SQLite file that was checked to be ours and brought up to date. Internal to this folder.
class Connection {
 public:
  enum class Access { read_only, read_write };

  /// Read-write: makes the file and its folders where they are missing, and migrates an older schema.
  /// InputError where the file is not a database, another application's, or of a schema that this program
  /// does not know; std::runtime_error where it cannot be opened or stays locked for longer than `patience`.
  Connection(const std::filesystem::path& path, Access access, std::chrono::milliseconds patience);

  const std::filesystem::path& path() const { return path_; }
  Access access() const { return access_; }
  SQLite::Database& database() { return *database_; }

  /// Runs the task; what SQLite reports becomes a std::runtime_error that names the file and a reason.
  template <typename Task>
  auto guarded(const Task& task) {
    try {
      return task();
    } catch (const SQLite::Exception& problem) {
      fail(problem);
    }
  }

  /// The same as one transaction, which begins immediately: one that reads first and writes later cannot wait
  /// for another writer. Within another's task it is a part of that transaction.
  template <typename Task>
  auto transact(const Task& task) {
    return guarded([&] {
      if (in_transaction()) return task();
      SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
      if constexpr (std::is_void_v<decltype(task())>) {
        task();
        transaction.commit();
      } else {
        auto result = task();
        transaction.commit();
        return result;
      }
    });
  }

 private:
  void open();
  void open_immutable();
  bool is_blank();
  void wait_until_made();
  void check_identity();
  void migrate();
  void enable_write_ahead_log();
  int64_t number(const char* sql);
  bool in_transaction() const;
  [[noreturn]] void fail(const SQLite::Exception& problem) const;

  std::filesystem::path path_;
  Access access_;
  std::chrono::milliseconds patience_;
  std::optional<SQLite::Database> database_;
};

/// Binds a value to a statement's parameter, numbered from 1. An empty optional is NULL.
template <typename T>
void bind_value(SQLite::Statement& statement, int index, const T& value) {
  if constexpr (std::is_integral_v<T>) {
    statement.bind(index, static_cast<int64_t>(value));
  } else {
    statement.bind(index, value);
  }
}
template <typename T>
void bind_value(SQLite::Statement& statement, int index, const std::optional<T>& value) {
  if (value) {
    bind_value(statement, index, *value);
  } else {
    statement.bind(index);
  }
}

/// Binds all values in order, from parameter 1.
template <typename... Values>
void bind_all(SQLite::Statement& statement, const Values&... values) {
  int index = 0;
  (bind_value(statement, ++index, values), ...);
}

/// Runs "INSERT … RETURNING id" with the values.
template <typename... Values>
int64_t insert_returning_id(SQLite::Database& database, const char* sql, const Values&... values) {
  SQLite::Statement statement(database, sql);
  bind_all(statement, values...);
  statement.executeStep();
  return statement.getColumn(0).getInt64();
}

}  // namespace razorscope
