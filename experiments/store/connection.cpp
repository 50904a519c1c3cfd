#include "experiments/store/connection.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <system_error>
#include <thread>

#include "experiments/store/file_system.hpp"
#include "experiments/store/schema.hpp"
#include "models/base/error.hpp"

namespace razorscope {
namespace {

// Another process may be making the file just now: it is empty, then a blank database, for a moment.
constexpr std::chrono::milliseconds being_made{500};

/// An absolute path, which SQLite never takes for a URI or for one of its special names.
std::string sqlite_name(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).string();
}

/// "file:" URI of a path, with what has a meaning in URIs escaped.
std::string sqlite_uri(const std::filesystem::path& path, const char* query) {
  std::string uri = "file:";
  for (const char c : sqlite_name(path)) {
    if (c == '?' || c == '#' || c == '%') {
      uri += fmt::format("%{:02X}", static_cast<unsigned>(c));
    } else {
      uri += c;
    }
  }
  return uri + query;
}

std::string reason(int code, const char* message, std::chrono::milliseconds patience) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "the disk is full; nothing of this was stored";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fmt::format("another process kept it locked for {} s; nothing of this was stored",
                         std::chrono::duration<double>(patience).count());
    case SQLITE_READONLY:
      return "the file or its folder is read-only";
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "the file cannot be opened: it or its folder is missing, not permitted, or not writable";
    case SQLITE_IOERR:
      return fmt::format("reading or writing failed ({}); nothing of this was stored", message);
    case SQLITE_CORRUPT:
      return fmt::format("the database is damaged ({})", message);
    default:
      return message;
  }
}

}  // namespace

Connection::Connection(const std::filesystem::path& path, Access access, std::chrono::milliseconds patience)
    : path_(path), access_(access), patience_(patience) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path_, unknown)) {
    throw InputError(path_.string(), "is a folder, not a results database");
  }
  // SQLite would wait for the other end of a pipe.
  if (std::filesystem::exists(path_, unknown) && !std::filesystem::is_regular_file(path_, unknown))
    throw InputError(path_.string(), "is a device or a pipe, not a results database");
  if (access_ == Access::read_only) {
    if (!std::filesystem::exists(path_, unknown)) throw InputError(path_.string(), "there is no such file");
    const auto deadline = std::chrono::steady_clock::now() + being_made;
    while (std::filesystem::file_size(path_, unknown) == 0) {
      if (std::chrono::steady_clock::now() >= deadline)
        throw InputError(path_.string(), "is an empty file: no results were stored in it");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  guarded([&] {
    open();
    if (access_ == Access::read_only) wait_until_made();
    {
      // One moment: another process may be making the file between two questions.
      const SQLite::Transaction transaction(*database_);
      check_identity();
    }
    if (access_ == Access::read_write) {
      migrate();  // first: a new file is nothing, or a whole database, to whoever reads it meanwhile
      enable_write_ahead_log();
    }
  });
}

void Connection::fail(const SQLite::Exception& problem) const {
  if (problem.getErrorCode() == SQLITE_NOTADB) throw InputError(path_.string(), "is not a SQLite database");
  throw std::runtime_error(
      fmt::format("{}: {}", path_.string(), reason(problem.getErrorCode(), problem.what(), patience_)));
}

void Connection::open() {
  const auto milliseconds = static_cast<int>(patience_.count());
  if (access_ == Access::read_only) {
    database_.emplace(sqlite_name(path_), SQLite::OPEN_READONLY, milliseconds);
    try {
      number("PRAGMA user_version");  // the first read: opening alone touches nothing
    } catch (const SQLite::Exception& problem) {
      if (problem.getErrorCode() != SQLITE_CANTOPEN && problem.getErrorCode() != SQLITE_READONLY) throw;
      open_immutable();
    }
    return;
  }
  const std::filesystem::path folder = std::filesystem::absolute(path_).parent_path();
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) {
    throw std::runtime_error(
        fmt::format("{}: cannot make the folder {}: {}", path_.string(), folder.string(), problem.message()));
  }
  database_.emplace(sqlite_name(path_), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, milliseconds);
  if (sqlite3_db_readonly(database_->getHandle(), "main") != 0) {
    throw std::runtime_error(
        fmt::format("{}: the file is read-only, and results are to be stored in it", path_.string()));
  }
  database_->exec("PRAGMA foreign_keys = ON");
}

/// A file in a folder that we may not write to, where the index of the write-ahead log cannot be made.
/// Without a log, nobody is writing, and the file can be read as it is; but not what a killed writer left
/// half written on a network's file system, where a journal stands for the log.
void Connection::open_immutable() {
  std::error_code unknown;
  if (std::filesystem::exists(path_.string() + "-journal", unknown)) {
    throw std::runtime_error(
        fmt::format("{}: beside it lies the journal of a write that was cut short (-journal): the next "
                    "command that stores something in it "
                    "undoes that write",
                    path_.string()));
  }
  if (std::filesystem::exists(path_.string() + "-wal", unknown)) {
    throw std::runtime_error(fmt::format(
        "{}: beside it lies an unfinished write-ahead log (-wal), and the folder is read-only: copy both "
        "files to a folder that can be written to",
        path_.string()));
  }
  database_.emplace(sqlite_uri(path_, "?immutable=1"), SQLite::OPEN_READONLY | SQLite::OPEN_URI);
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(database_->getHandle()) == 0; }

int64_t Connection::number(const char* sql) { return database_->execAndGet(sql).getInt64(); }

bool Connection::is_blank() {
  return number("PRAGMA application_id") == 0 && number("PRAGMA user_version") == 0 &&
         number("SELECT count(*) FROM sqlite_schema") == 0;
}

void Connection::wait_until_made() {
  const auto deadline = std::chrono::steady_clock::now() + being_made;
  while (is_blank()) {
    if (std::chrono::steady_clock::now() >= deadline)
      throw InputError(path_.string(), "is an empty database: no results were stored in it");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Connection::check_identity() {
  const int64_t application = number("PRAGMA application_id");
  const int64_t version = number("PRAGMA user_version");
  const auto refuse = [&](const std::string& problem) { throw InputError(path_.string(), problem); };
  if (application != store_application_id) {
    if (access_ == Access::read_write && is_blank()) return;
    refuse("is a SQLite database of another application, not a results database of razorscope");
  }
  if (version > schema_version()) {
    refuse(fmt::format(
        "has schema version {}, and this razorscope knows versions up to {}: use a newer razorscope", version,
        schema_version()));
  }
  if (version < schema_version() && access_ == Access::read_only) {
    throw OlderSchemaError(
        path_.string(),
        fmt::format("has schema version {}, and this razorscope reads version {}: store a result in it to "
                    "bring it up to date",
                    version, schema_version()));
  }
}

/// SQLite may refuse the switch at once, whatever its timeout, while another process is about to do the same.
/// The log's index is memory that all processes share, and those of two machines cannot.
void Connection::enable_write_ahead_log() {
  if (lies_on_network(path_)) return;
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  while (true) {
    try {
      database_->execAndGet(
          "PRAGMA journal_mode = WAL");  // without effect where the file system cannot do it
      return;
    } catch (const SQLite::Exception& problem) {
      if (problem.getErrorCode() != SQLITE_BUSY || std::chrono::steady_clock::now() >= deadline) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void Connection::migrate() {
  if (number("PRAGMA user_version") == schema_version()) return;
  SQLite::Transaction transaction(*database_, SQLite::TransactionBehavior::IMMEDIATE);
  check_identity();  // again: another process may have been first
  const int64_t version = number("PRAGMA user_version");
  for (auto next = static_cast<size_t>(version); next < schema_migrations().size(); ++next) {
    database_->exec(schema_migrations()[next]);
  }
  database_->exec(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", store_application_id,
                              schema_version()));
  transaction.commit();
}

}  // namespace razorscope
