#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "experiments/store/sql_reader.hpp"

namespace razorscope {

enum class SqlFormat { table, csv, json };

/// By its name. InputError in the name of --format.
SqlFormat sql_format(const std::string& name);

/// Writes an answer, through `write`, a piece at a time.
///   table  columns aligned, texts cut at 100 characters, figures to 6 digits; NULL is an empty cell
///   csv    RFC 4180 with a header, lines end in a newline; NULL is an empty field
///   json   {"columns": [name, ...], "rows": [{name: value, ...}, ...]}; NULL, and what is no finite number,
///   is
///          null; a name that comes twice gets a number
/// Blobs are hexadecimal. Only a table is kept in memory. `limit`: rows that are shown, and the others
/// counted only; 0: all.
std::unique_ptr<SqlSink> sql_output(SqlFormat format, int64_t limit,
                                    std::function<void(std::string_view)> write);

}  // namespace razorscope
