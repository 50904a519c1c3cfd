#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/store/connection.hpp"
#include "experiments/store/records.hpp"

namespace razorscope {

// Writing what results of every kind share. Internal to this folder; within a transaction of the caller.
// Rows that several runs share are found by whatever makes them unique, else made.

int64_t provenance_id(SQLite::Database& database, const Provenance& provenance);
int64_t model_id(SQLite::Database& database, const ModelDescription& model);
int64_t policy_id(SQLite::Database& database, const Policy& policy);
/// Nothing where neither name nor hash is known.
std::optional<int64_t> text_id(SQLite::Database& database, const TextDescription& text);

/// What a row of `runs` has that RunRecord does not tell.
struct RunColumns {
  std::string kind;  // replay, eval, task
  std::string config_hash;
  std::optional<int64_t> trace;
  int64_t model = 0;
  int prefix = 0;
  int steps = 0;
  uint64_t seed = 0;
  std::string settings_json = "{}";
};

/// Inserts the run and gives its id, or renews the one with the same config_hash.
int64_t insert_run(SQLite::Database& database, const RunRecord& record, const RunColumns& columns);

/// Makes `texts` those of the run.
void insert_run_texts(SQLite::Database& database, int64_t run, const std::vector<TextDescription>& texts);

/// Removes the run's rows from a table that has several for each.
void delete_rows_of_run(SQLite::Database& database, const char* table, int64_t run);

}  // namespace razorscope
