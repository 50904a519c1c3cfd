#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

namespace razorscope {

/// Something that is wrong in a file, and the line that it stands in, from 1.
struct FileFault {
  int line = 1;
  std::string message;
};

/// Numbers that a key may have, both ends included. The unit ends the message: "bytes/s (1 GB/s is 1e9)".
struct NumberRange {
  double lowest = 0.0;
  double highest = 0.0;
  std::string_view unit;
};

enum class Presence { required, optional };

/// The root table of a TOML file; nullopt where the file is too large, not text or not TOML, which is noted
/// as a fault. InputError where it cannot be read at all or is empty.
std::optional<toml::table> parse_toml_file(const std::filesystem::path& path, std::vector<FileFault>& faults);

/// Reads one table of a file key by key and notes all that is wrong, so that users see every fault at once. A
/// key is declared by asking for it: what nobody asked for is unknown. Each getter gives nullopt where the
/// key is missing, which is a fault if it is required, or where its value is faulty.
class TomlTable {
 public:
  /// `owner` begins every message ("device 'L40S'"). Neither `table` nor `faults` is owned.
  TomlTable(const toml::table& table, std::string owner, std::vector<FileFault>& faults);

  std::optional<std::string> text(const std::string& key, Presence presence);
  std::optional<std::string> choice(const std::string& key, const std::vector<std::string>& allowed,
                                    Presence presence);
  std::optional<std::vector<std::string>> texts(const std::string& key, Presence presence);
  std::optional<bool> flag(const std::string& key, Presence presence);
  std::optional<double> number(const std::string& key, const NumberRange& range, Presence presence);
  std::optional<TomlTable> table(const std::string& key, Presence presence);
  std::vector<TomlTable> tables(const std::string& key, Presence presence);
  /// The value as it is, of whatever type; null where the key is missing.
  const toml::node* node(const std::string& key, Presence presence) { return value(key, presence); }

  /// Notes the keys that nobody asked for, each with the nearest of those that were.
  void refuse_unknown_keys();

  bool has(const std::string& key) const { return table_->contains(key); }
  /// Of the key, or of the table's own header where it has no such key.
  int line(const std::string& key) const;
  int line() const;
  void set_owner(std::string owner) { owner_ = std::move(owner); }
  /// Notes that the key's value is wrong.
  void fault(const std::string& key, const std::string& problem);

 private:
  const toml::node* value(const std::string& key, Presence presence);
  std::string wrong_type(const toml::node& node, std::string_view wanted) const;

  const toml::table* table_;
  std::string owner_;
  std::string path_;  // of keys, with a dot at its end: "attention.bf16."
  std::vector<FileFault>* faults_;
  std::vector<std::string> asked_;
};

}  // namespace razorscope
