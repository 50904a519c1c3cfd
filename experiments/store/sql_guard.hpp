#pragma once

#include <string>

struct sqlite3;

namespace razorscope {

/// Keeps a connection from doing anything but read the database that it has open: no writing, no attaching of
/// other files, no PRAGMA but those that describe the schema. Beside that, double quotes name columns and are
/// no texts (a misspelt column would else be a text without a word), and no value is larger than 64 MiB.
/// Internal to this folder.
///
///   SqlGuard guard(handle);
///   ... sqlite3_prepare_v3 gives SQLITE_AUTH ... guard.refused() says what was not allowed
class SqlGuard {
 public:
  /// Owns nothing; has to outlive what is prepared on the connection.
  explicit SqlGuard(sqlite3* connection);
  ~SqlGuard();
  SqlGuard(const SqlGuard&) = delete;
  SqlGuard& operator=(const SqlGuard&) = delete;

  /// What the last statement that was refused would have done; "" where none was.
  const std::string& refused() const { return refused_; }
  void forget() { refused_.clear(); }

 private:
  static int authorize(void* guard, int action, const char* first, const char* second, const char*,
                       const char*);

  sqlite3* connection_;
  std::string refused_;
};

}  // namespace razorscope
