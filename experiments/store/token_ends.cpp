#include "experiments/store/token_ends.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <nlohmann/json.hpp>
#include <sqlite3.h>

namespace razorscope {

void throw_damaged(const std::string& what) { throw SQLite::Exception(what, SQLITE_CORRUPT); }

std::string token_ends(const std::vector<std::string>& pieces) {
  nlohmann::json ends = nlohmann::json::array();
  size_t end = 0;
  for (const std::string& piece : pieces) ends.push_back(end += piece.size());
  return ends.dump();
}

std::vector<std::string> pieces_of(const std::string& text, const std::string& ends_json) {
  std::vector<std::string> pieces;
  try {
    size_t begin = 0;
    for (const nlohmann::json& element : nlohmann::json::parse(ends_json)) {
      const auto end = element.get<size_t>();
      if (end < begin || end > text.size()) throw_damaged("token ends lie outside of their text");
      pieces.push_back(text.substr(begin, end - begin));
      begin = end;
    }
  } catch (const nlohmann::json::exception&) {
    throw_damaged("token ends are no list of numbers");
  }
  return pieces;
}

}  // namespace razorscope
