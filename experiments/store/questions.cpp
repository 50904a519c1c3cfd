#include "experiments/store/questions.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sstream>

#include "models/base/error.hpp"
#include "razorscope_queries.hpp"

namespace razorscope {
namespace {

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

/// What stands after "-- key:", or nothing.
std::string told(const std::string& comment, const std::string& key) {
  return comment.starts_with(key + ":") ? trimmed(comment.substr(key.size() + 1)) : "";
}

/// Reads the comments before a statement; what is left is the statement.
Question question_of(const std::string& where, const std::string& text) {
  Question question;
  std::istringstream lines(text);
  for (std::string raw; std::getline(lines, raw);) {
    const std::string line = trimmed(raw);
    if (!question.sql.empty() || (!line.empty() && !line.starts_with("--"))) {
      question.sql += raw + '\n';
      continue;
    }
    const std::string comment = line.empty() ? "" : trimmed(line.substr(2));
    if (const std::string name = told(comment, "name"); !name.empty()) {
      question = {};  // what stood before were words on the file
      question.name = name;
    } else if (const std::string setting = told(comment, "set"); !setting.empty()) {
      add_setting(where, setting, question.settings);
    } else if (question.question.empty()) {
      question.question = comment;
    }
  }
  question.sql = trimmed(question.sql);
  return question;
}

/// The text cut after each semicolon that ends a statement.
std::vector<std::string> statements_of(const std::string& text) {
  std::vector<std::string> statements;
  size_t begin = 0;
  for (size_t at = text.find(';'); at != std::string::npos; at = text.find(';', at + 1)) {
    std::string statement = text.substr(begin, at + 1 - begin);
    if (sqlite3_complete(statement.c_str()) == 0) continue;  // within a text or a comment
    statements.push_back(std::move(statement));
    begin = at + 1;
  }
  statements.push_back(text.substr(begin));
  return statements;
}

}  // namespace

void add_setting(const std::string& where, const std::string& text, SqlReader::Settings& settings) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw InputError(where, fmt::format("'{}' is not written name=value", text.substr(0, 80)));
  settings[text.substr(0, equals)] = text.substr(equals + 1);
}

std::vector<Question> parse_questions(const std::string& where, const std::string& text) {
  std::vector<Question> questions;
  for (const std::string& statement : statements_of(text)) {
    Question question = question_of(where, statement);
    if (question.sql.empty()) continue;
    const auto same = [&](const Question& other) {
      return !question.name.empty() && other.name == question.name;
    };
    if (std::any_of(questions.begin(), questions.end(), same))
      throw InputError(where, fmt::format("the name '{}' comes twice", question.name));
    questions.push_back(std::move(question));
  }
  if (questions.empty()) throw InputError(where, "holds no SQL statement");
  return questions;
}

const std::vector<Question>& usual_questions() {
  static const std::vector<Question> questions = parse_questions("queries.sql", usual_queries);
  return questions;
}

const Question& find_question(const std::string& where, const std::vector<Question>& questions,
                              const std::string& name) {
  size_t number = 0;
  const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && stop == name.data() + name.size() && number >= 1 && number <= questions.size())
    return questions[number - 1];
  std::vector<std::string> names;
  for (const Question& question : questions) {
    if (question.name == name && !name.empty()) return question;
    if (!question.name.empty()) names.push_back(question.name);
  }
  throw InputError(where,
                   fmt::format("{}, or 1 to {}", unknown_name("question", name, names), questions.size()));
}

}  // namespace razorscope
