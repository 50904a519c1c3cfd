#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/store/sql_reader.hpp"

namespace razorscope {

/// A statement that is worth keeping. In a file of SQL each statement may have comments before it:
///   -- name: least-error
///   -- Which policies have the least error at a share of the bytes?
///   -- set: share=0.3
///   SELECT ... WHERE equal_bytes_share = :share;
struct Question {
  std::string name;              // "" where the file gives none
  std::string question;          // the first other comment
  SqlReader::Settings settings;  // of its parameters, unless they are told otherwise
  std::string sql;
};

/// The statements of a file, in its order. InputError where there is none, a name comes twice, or a setting
/// is not name=value.
std::vector<Question> parse_questions(const std::string& where, const std::string& text);

/// Those that this program brings: queries.sql.
const std::vector<Question>& usual_questions();

/// By name, or by number from 1. InputError with the names that there are.
const Question& find_question(const std::string& where, const std::vector<Question>& questions,
                              const std::string& name);

/// "name=value". InputError in the name of `where`.
void add_setting(const std::string& where, const std::string& text, SqlReader::Settings& settings);

}  // namespace razorscope
