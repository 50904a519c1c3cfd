#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <cstdint>
#include <memory>
#include <optional>

#include "experiments/store/records.hpp"

namespace razorscope {

// The table explanation_attention. Internal to this folder; within a transaction or task of the caller.

/// The id of the record's attention, which is written unless it is there as it is; nothing where it has none.
std::optional<int64_t> attention_id(SQLite::Database& database, const ExplainRecord& record);

/// SQLite::Exception where it is damaged or missing.
std::shared_ptr<const AttentionRecord> read_attention(SQLite::Database& database, int64_t id);

}  // namespace razorscope
