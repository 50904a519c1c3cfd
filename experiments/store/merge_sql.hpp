#pragma once

#include <string>
#include <vector>

#include "experiments/store/table_graph.hpp"

// The SQL of a merge: from tables of the database "shard", called theirs, into those of "main".

namespace razorscope {

/// As an identifier.
std::string quoted(const std::string& name);
std::string column_list(const std::vector<std::string>& columns);

/// A temporary table (old, new, wins): ids in the other file, ids here, and whether its row was taken.
std::string ids_of(const std::string& table);

/// Their values of columns, with ids as they are here; to be selected from "… AS theirs".
std::string translated(const TableLinks& table, const std::vector<std::string>& columns);

/// Inserts those of their rows that a condition picks; where a row of the same key is there, it becomes
/// theirs.
std::string upsert(const TableLinks& table, const std::string& where);

/// Whether the row that was put for their id ?1 is now as theirs: for what is returned by an upsert.
std::string wins(const TableLinks& table);

/// Selects id and 1 of a row that is as theirs, of id ?1, in all columns: where nothing else tells rows
/// apart.
std::string identical(const TableLinks& table);

}  // namespace razorscope
