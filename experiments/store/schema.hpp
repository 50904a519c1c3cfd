#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/base/error.hpp"

namespace razorscope {

/// A database that an older program made, which opening it for writing would bring up to date.
class OlderSchemaError : public InputError {
 public:
  using InputError::InputError;
};

/// Marks a SQLite file as one of ours (PRAGMA application_id): "RZSC".
inline constexpr int32_t store_application_id = 0x525A5343;

/// SQL that brings a store from schema version i (the index) to i + 1; version 0 is an empty file. To change
/// the schema, append an entry; those that were released are never edited. Each runs within one transaction,
/// with foreign keys on.
const std::vector<std::string>& schema_migrations();

/// The version that this program reads and writes (PRAGMA user_version).
int schema_version();

}  // namespace razorscope
