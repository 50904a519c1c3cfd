#include "experiments/store/merge.hpp"

#include <SQLiteCpp/Backup.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <system_error>
#include <unistd.h>

#include "experiments/store/connection.hpp"
#include "experiments/store/merge_sql.hpp"
#include "experiments/store/store.hpp"
#include "experiments/store/table_graph.hpp"
#include "models/base/error.hpp"

namespace razorscope {
namespace {

/// The other file as a database of the connection, called shard: a temporary copy of one moment.
class Attached {
 public:
  Attached(SQLite::Database& into, Connection& from) : into_(into) {
    into_.exec("ATTACH '' AS shard");
    try {
      from.guarded([&] { copy(from); });
    } catch (...) {
      detach();
      throw;
    }
  }
  ~Attached() { detach(); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  void copy(Connection& from) {
    SQLite::Backup backup(into_, "shard", from.database(), "main");
    const int code = backup.executeStep(-1);
    if (code != SQLITE_DONE) throw SQLite::Exception("the file is busy", code);
    const std::string verdict = into_.execAndGet("PRAGMA shard.quick_check(1)").getString();
    if (verdict != "ok") throw SQLite::Exception(verdict, SQLITE_CORRUPT);
    if (SQLite::Statement(into_, "PRAGMA shard.foreign_key_check").executeStep())
      throw SQLite::Exception("a row refers to one that is missing", SQLITE_CORRUPT);
  }
  void detach() noexcept { into_.tryExec("DETACH shard"); }

  SQLite::Database& into_;
};

/// Within one transaction.
class Merge {
 public:
  Merge(SQLite::Database& database, const std::filesystem::path& from)
      : database_(database), from_(from), tables_(table_graph(database)) {}

  MergeCounts run() {
    for (const TableLinks& table : tables_) check_layout(table);
    const int64_t before = rows();
    for (const TableLinks& table : tables_) {
      if (!table.id.empty()) {
        merge_numbered(table);
      } else if (!table.owner.empty()) {
        merge_owned(table);
      } else {
        merge_plain(table);
      }
    }
    for (const TableLinks& table : tables_) database_.exec("DROP TABLE IF EXISTS " + ids_of(table.name));
    counts_.added = rows() - before;
    return counts_;
  }

 private:
  /// Both files are of one schema version, but anybody may have altered a table.
  void check_layout(const TableLinks& table) {
    SQLite::Statement query(database_, "SELECT name FROM pragma_table_info(?, 'shard')");
    query.bind(1, table.name);
    std::vector<std::string> columns;
    while (query.executeStep()) columns.push_back(query.getColumn(0).getString());
    if (columns != table.columns)
      throw InputError(from_.string(), fmt::format("its table {} has other columns", table.name));
  }

  int64_t rows() {
    int64_t sum = 0;
    for (const TableLinks& table : tables_) sum += count(table);
    return sum;
  }
  int64_t count(const TableLinks& table) {
    return database_.execAndGet("SELECT count(*) FROM main." + quoted(table.name)).getInt64();
  }

  /// Rows that others refer to: one by one, since each has to tell its id.
  void merge_numbered(const TableLinks& table) {
    const std::string id = quoted(table.id);
    database_.exec(
        fmt::format("CREATE TABLE {} (old INTEGER PRIMARY KEY, new INTEGER NOT NULL, wins INTEGER NOT NULL)",
                    ids_of(table.name)));
    SQLite::Statement theirs(database_,
                             fmt::format("SELECT {0} FROM shard.{1} ORDER BY {0}", id, quoted(table.name)));
    SQLite::Statement same(database_, identical(table));
    SQLite::Statement put(database_,
                          fmt::format("{} RETURNING {}, {}", upsert(table, id + " = ?1"), id, wins(table)));
    SQLite::Statement note(database_, fmt::format("INSERT INTO {} VALUES (?, ?, ?)", ids_of(table.name)));
    int64_t last =
        database_.execAndGet(fmt::format("SELECT coalesce(max({}), 0) FROM main.{}", id, quoted(table.name)))
            .getInt64();
    while (theirs.executeStep()) {
      const int64_t old = theirs.getColumn(0).getInt64();
      std::optional<Placed> placed;
      if (!table.keyed) placed = ask(same, old);
      if (!placed) placed = ask(put, old);
      if (placed->id > last) {  // SQLite numbers a new row after all others
        last = placed->id;
      } else {
        ++(placed->wins ? counts_.replaced : counts_.kept);
      }
      bind_all(note, old, placed->id, placed->wins);
      note.exec();
      note.reset();
    }
  }

  struct Placed {
    int64_t id = 0;
    bool wins = true;
  };
  static std::optional<Placed> ask(SQLite::Statement& statement, int64_t old) {
    statement.reset();
    bind_all(statement, old);
    if (!statement.executeStep()) return std::nullopt;
    const Placed placed{statement.getColumn(0).getInt64(), statement.getColumn(1).getInt() != 0};
    statement.reset();
    return placed;
  }

  /// Rows without an id, which go with the row that they belong to.
  void merge_owned(const TableLinks& table) {
    const std::string owner = quoted(table.owner);
    const std::string parents = ids_of(table.ids.at(table.owner));
    database_.exec(fmt::format("DELETE FROM main.{} WHERE {} IN (SELECT new FROM {} WHERE wins)",
                               quoted(table.name), owner, parents));
    // Or replace: two rows of the other file may have become one here.
    database_.exec(fmt::format(
        "INSERT OR REPLACE INTO main.{0} ({1}) SELECT {2} FROM shard.{0} AS theirs "
        "WHERE {3} IN (SELECT old FROM {4} WHERE wins)",
        quoted(table.name), column_list(table.columns), translated(table, table.columns), owner, parents));
  }

  /// Rows that stand alone.
  void merge_plain(const TableLinks& table) {
    if (table.keyed) {
      const int64_t before = count(table);
      counts_.replaced += database_.exec(upsert(table, "true")) - (count(table) - before);
      return;
    }
    database_.exec(
        fmt::format("INSERT INTO main.{0} ({1}) SELECT {1} FROM shard.{0} EXCEPT SELECT {1} FROM main.{0}",
                    quoted(table.name), column_list(table.columns)));
  }

  SQLite::Database& database_;
  const std::filesystem::path& from_;
  std::vector<TableLinks> tables_;
  MergeCounts counts_;
};

/// Where the file or its folder cannot be written to, nobody can be in the middle of writing either.
Connection open_source(const std::filesystem::path& from) {
  std::error_code unknown;
  if (!std::filesystem::exists(from, unknown)) throw InputError(from.string(), "there is no such file");
  const bool writable = access(from.c_str(), W_OK) == 0 &&
                        access(std::filesystem::absolute(from).parent_path().c_str(), W_OK) == 0;
  return {from, writable ? Connection::Access::read_write : Connection::Access::read_only,
          Store::default_patience};
}

}  // namespace

MergeCounts& MergeCounts::operator+=(const MergeCounts& other) {
  added += other.added;
  replaced += other.replaced;
  kept += other.kept;
  return *this;
}

MergeCounts merge_database(Connection& into, const std::filesystem::path& from) {
  std::error_code unknown;
  if (std::filesystem::equivalent(into.path(), from, unknown))
    throw InputError(from.string(), "is the database to merge into");
  Connection source = open_source(from);
  return into.guarded([&] {
    const Attached shard(into.database(), source);
    return into.transact([&] { return Merge(into.database(), from).run(); });
  });
}

MergeCounts merge_database(const std::filesystem::path& into, const std::filesystem::path& from) {
  Connection connection(into, Connection::Access::read_write, Store::default_patience);
  return merge_database(connection, from);
}

}  // namespace razorscope
