#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "experiments/cli/policy_options.hpp"
#include "experiments/store/records.hpp"
#include "experiments/store/store.hpp"

namespace razorscope::cli {

/// Fills in what all runs of one command share but their model: seed, command line, start, provenance.
void describe_command(RunRecord& record, uint64_t seed, Compute compute);

/// Fills in what a planned policy is compared under. full_f16_bytes: after the same prefix, where known.
void describe_policy(RunRecord& record, const PlannedPolicy& plan, std::optional<size_t> full_f16_bytes);

/// Stores the records in one transaction, and gives the report's rows of them. A run of the same
/// configuration is replaced.
template <typename Record, typename Row>
std::vector<Row> store_records(Store& store, const std::vector<Record>& records,
                               int64_t (Store::*add)(const Record&), std::vector<Row> (Store::*read)()) {
  std::set<int64_t> ids;
  store.together([&] {
    for (const Record& record : records) ids.insert((store.*add)(record));
  });
  std::vector<Row> rows = (store.*read)();
  std::erase_if(rows, [&](const Row& row) { return !ids.contains(row.run_id); });
  return rows;
}

/// Null where there is nothing.
template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

/// A text by its file's name and content; "" for one that was given as it is.
TextDescription describe_text(const std::string& file, const std::string& text);

}  // namespace razorscope::cli
