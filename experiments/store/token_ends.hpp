#pragma once

#include <string>
#include <vector>

namespace razorscope {

// Tokens of a text as they are stored: a JSON list of the bytes where each ends. Internal to this folder.

std::string token_ends(const std::vector<std::string>& pieces);
/// The pieces again. SQLite::Exception where the list does not belong to the text.
std::vector<std::string> pieces_of(const std::string& text, const std::string& ends_json);

/// Throws what becomes "the database is damaged" of the file that is being read.
[[noreturn]] void throw_damaged(const std::string& what);

}  // namespace razorscope
