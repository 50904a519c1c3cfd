#pragma once

#include <string>
#include <vector>

#include "experiments/store/sql_reader.hpp"

namespace razorscope {

/// What SQLite said of a statement, with the nearest name where it does not know one, and the views. Internal
/// to this folder.
std::string with_hint(const std::string& message, const std::string& sql,
                      const std::vector<SqlTable>& tables);

}  // namespace razorscope
