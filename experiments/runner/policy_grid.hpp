#pragma once

#include <string>
#include <vector>

#include "models/base/toml_table.hpp"

namespace razorscope {

/// The policies that the key `policies` of a table asks for, canonical names in order, each once: a string as
/// on the command line ("full;razor"), or an array of such strings and of tables {selection, variant, codec,
/// parameters...} whose lists multiply. What is wrong is noted as the table's fault; then the result is of no
/// use.
std::vector<std::string> read_policies(TomlTable& table, const std::string& key);

}  // namespace razorscope
