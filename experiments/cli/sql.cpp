#include <CLI/CLI.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "experiments/cli/commands.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/store/questions.hpp"
#include "experiments/store/sql_output.hpp"
#include "experiments/store/sql_reader.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string db;
  std::string sql;
  std::string format = "table";
  std::string file;
  std::string query;
  std::vector<std::string> settings;
  std::optional<int64_t> limit;
  bool list = false;
};

void write_out(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return;
  if (interrupted()) throw Interrupted();
  throw std::runtime_error("standard output cannot be written to");
}

std::vector<Question> questions_of(const Options& options) {
  return options.file.empty() ? usual_questions()
                              : parse_questions(options.file, read_utf8_file(options.file));
}

/// The statement with the values of its parameters.
Question asked(const Options& options) {
  const bool from_file = !options.file.empty() || !options.query.empty();
  if (from_file == !options.sql.empty())
    throw InputError(
        "usage",
        "one statement is wanted: as an argument, or by --query NAME of the usual questions, or by "
        "--file FILE with --query NAME or number; --list shows what there is");
  Question question;
  question.sql = options.sql;
  if (from_file) {
    const std::vector<Question> questions = questions_of(options);
    const bool only_one = options.query.empty() && questions.size() == 1;
    question = only_one ? questions.front() : find_question("--query", questions, options.query);
  }
  for (const std::string& setting : options.settings) add_setting("--set", setting, question.settings);
  return question;
}

void print_list(const std::vector<SqlTable>& tables, const std::vector<Question>& questions) {
  for (const SqlTable& table : tables)
    fmt::print("{} {}\n    {}\n", table.is_view ? "view " : "table", table.name,
               fmt::join(table.columns, ", "));
  fmt::print("\nquestions, for --query:\n");
  for (size_t i = 0; i < questions.size(); ++i) {
    const Question& question = questions[i];
    fmt::print("{:>3}  {}\n     {}\n", i + 1, question.name, question.question);
    for (const auto& [name, value] : question.settings) fmt::print("     --set {}={}\n", name, value);
  }
}

void list(const Options& options, const std::filesystem::path& db) {
  // What there would be is worth knowing before a first result is stored.
  const bool stored = !options.db.empty() || std::filesystem::exists(db);
  const std::vector<SqlTable> tables = stored ? SqlReader(db).tables() : schema_tables();
  const std::vector<Question> questions = questions_of(options);
  if (!options.common.json) {
    print_list(tables, questions);
    return;
  }
  nlohmann::json document = {{"views", nlohmann::json::object()},
                             {"tables", nlohmann::json::object()},
                             {"questions", nlohmann::json::array()}};
  for (const SqlTable& table : tables)
    document[table.is_view ? "views" : "tables"][table.name] = table.columns;
  for (const Question& question : questions) {
    document["questions"].push_back({{"name", question.name},
                                     {"question", question.question},
                                     {"settings", question.settings},
                                     {"sql", question.sql}});
  }
  print_json(document);
}

void run(const Options& options) {
  const std::filesystem::path db = results_database(options.db);
  const SqlFormat format = options.common.json ? SqlFormat::json : sql_format(options.format);
  if (options.list) {
    list(options, db);
    return;
  }
  constexpr int64_t shown_of_a_table = 1000;
  const int64_t limit = options.limit.value_or(format == SqlFormat::table ? shown_of_a_table : 0);
  const Question question = asked(options);
  SqlReader reader(db);
  reader.ask(question.sql, question.settings, *sql_output(format, limit, write_out), interrupted);
}

}  // namespace

void add_sql(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, "sql", "answers to SQL from a results database, which is only read",
                  "razorscope sql \"SELECT policy, relative_bytes, relative_error_mean FROM pareto\"\n"
                  "  razorscope sql --query least-error --set share=0.15 --format csv\n"
                  "  razorscope sql --list    # views and tables with their columns, questions for --query");
  command->add_option("sql", options->sql, "one SELECT; :name is a parameter");
  add_database_option(*command, options->db);
  command->add_option("--format", options->format, "table, csv or json")->capture_default_str();
  command->add_option("--query", options->query,
                      "the name or number of a usual question, or of a statement in --file");
  command->add_option("--file", options->file,
                      "SQL statements, with names where `-- name: NAME` stands above one");
  command->add_option("--set", options->settings, "name=value of a parameter; may be several")
      ->allow_extra_args(false);
  command
      ->add_option("--limit", options->limit,
                   "rows that are shown; 0 = all; default 1000 of a table, else all")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--list", options->list, "views and tables with their columns, and the questions");
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace razorscope::cli
