#include "experiments/store/sql_reader.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "experiments/store/questions.hpp"
#include "experiments/store/sql_output.hpp"
#include "experiments/store/store.hpp"
#include "models/base/error.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/sql_rows.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

class SqlReaderTest : public ::testing::Test {
 protected:
  SqlReaderTest() { Store::open_for_writing(path_).add_replay(record_of("full")); }

  SqlRows ask(const std::string& sql, const SqlReader::Settings& settings = {}) {
    KeptRows rows;
    SqlReader(path_).ask(sql, settings, rows);
    EXPECT_TRUE(rows.ended());
    return rows.rows();
  }
  void refuse(const std::string& sql, const std::vector<std::string>& fragments,
              const SqlReader::Settings& settings = {}) {
    SCOPED_TRACE(sql);
    expect_message("input", fragments, [&] { ask(sql, settings); });
  }
  std::string shown(SqlFormat format, const std::string& sql, int64_t limit = 0) {
    std::string text;
    SqlReader(path_).ask(sql, {}, *sql_output(format, limit, [&](std::string_view piece) { text += piece; }));
    return text;
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "results.db";
};

TEST_F(SqlReaderTest, GivesValuesOfEveryKind) {
  EXPECT_EQ(ask("SELECT 1, 0.5, 'a', NULL, x'00ff', policy FROM tradeoff -- done"),
            (SqlRows{{"1", "0.5", "a", "-", "2 bytes", "full+f16"}}));
  EXPECT_EQ(ask("SELECT value FROM json_each('[7, 8]');  /* and */ ;"), (SqlRows{{"7"}, {"8"}}));
  EXPECT_EQ(ask("SELECT count(*) > 20 FROM pragma_table_info('tradeoff')"), (SqlRows{{"1"}}));
  EXPECT_EQ(ask("PRAGMA foreign_key_check"), SqlRows());
  EXPECT_EQ(
      ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n"),
      (SqlRows{{"15"}}));
  EXPECT_FALSE(ask("EXPLAIN QUERY PLAN SELECT * FROM pareto").empty());
}

TEST_F(SqlReaderTest, OnlyReads) {
  const std::string elsewhere = (folder_ / "other.db").string();
  for (const std::string& sql : std::vector<std::string>{"DELETE FROM runs",
                                                         "UPDATE runs SET steps = 1",
                                                         "INSERT INTO texts (name) VALUES ('x')",
                                                         "DROP VIEW tradeoff",
                                                         "CREATE TABLE t (x)",
                                                         "CREATE TEMP TABLE t (x)",
                                                         "CREATE TEMP VIEW v AS SELECT 1",
                                                         "ATTACH '" + elsewhere + "' AS o",
                                                         "VACUUM",
                                                         "VACUUM INTO '" + elsewhere + "'",
                                                         "PRAGMA user_version = 9",
                                                         "PRAGMA journal_mode = DELETE",
                                                         "PRAGMA journal_mode",
                                                         "PRAGMA query_only = 0",
                                                         "PRAGMA writable_schema = 1",
                                                         "PRAGMA wal_checkpoint",
                                                         "BEGIN",
                                                         "COMMIT",
                                                         "SAVEPOINT s",
                                                         "REINDEX",
                                                         "ANALYZE",
                                                         "ALTER TABLE texts RENAME TO t",
                                                         "DETACH main",
                                                         "EXPLAIN DELETE FROM runs",
                                                         "WITH x AS (SELECT 1) DELETE FROM runs",
                                                         "SELECT load_extension('x')",
                                                         "REPLACE INTO texts (name) VALUES ('x')"}) {
    refuse(sql, {"not allowed", "only reads"});
  }
  refuse("DELETE FROM runs", {"deleting from the table runs"});
  refuse("PRAGMA journal_mode = DELETE", {"PRAGMA journal_mode"});
  refuse("ATTACH 'x' AS y", {"ATTACH of another file"});
  refuse("CREATE TABLE t (x)", {"changing the schema"});
  EXPECT_FALSE(std::filesystem::exists(elsewhere));
  EXPECT_EQ(ask("SELECT count(*) FROM runs"), (SqlRows{{"1"}}));
}

TEST_F(SqlReaderTest, TakesOneStatement) {
  refuse("SELECT 1; SELECT 2", {"several statements"});
  refuse("SELECT 1; DROP TABLE runs", {"several statements"});
  refuse("SELECT 1; nonsense", {"several statements"});
  refuse("", {"empty"});
  refuse(" -- nothing", {"empty"});
  refuse(std::string("SELECT 1\0 FROM", 14), {"NUL"});
}

TEST_F(SqlReaderTest, NamesWhatWasMeant) {
  refuse("SELECT * FROM tradeof",
         {"no such table: tradeof", "did you mean 'tradeoff'", "views: ", "pareto", "--list"});
  refuse("SELECT polcy FROM tradeoff", {"no such column: polcy", "did you mean 'policy'"});
  refuse("SELECT t.relative_byte FROM tradeoff AS t", {"did you mean 'relative_bytes'"});
  // In double quotes it would be a text in SQLite's own shell.
  refuse("SELECT \"polcy\" FROM tradeoff", {"no such column: polcy", "did you mean 'policy'"});
  refuse("SELECT kl_to_full_nats FROM tradeoff", {"it is a column of", "closed_loop", "pareto"});
  refuse("SELEC 1", {"syntax error", "views: "});
  refuse("SELECT abs(-9223372036854775807 - 1)", {"integer overflow"});
  refuse("SELECT length(zeroblob(100000000))", {"too big"});
  refuse("SELECT json('{')", {"malformed JSON"});
}

TEST_F(SqlReaderTest, GivesParametersTheirValues) {
  EXPECT_EQ(ask("SELECT typeof(:a), typeof($b), typeof(@c), typeof(:d), :a + 1",
                {{"a", "7"}, {"b", "-0.5e3"}, {"c", "7 tokens"}, {"d", "nan"}}),
            (SqlRows{{"integer", "real", "text", "text", "8"}}));
  EXPECT_EQ(ask("SELECT :it", {{"it", "'; DROP TABLE runs; --"}}), (SqlRows{{"'; DROP TABLE runs; --"}}));
  refuse("SELECT :share", {":share", "--set share=value"});
  refuse("SELECT :share", {"--set", "unknown parameter 'shar'", "did you mean 'share'"},
         {{"share", "1"}, {"shar", "2"}});
  refuse("SELECT 1", {"--set", "no parameters"}, {{"a", "2"}});
  refuse("SELECT ?", {":name"}, {{"a", "2"}});
  SqlReader::Settings settings;
  expect_message("input", {"--set", "name=value"}, [&] { add_setting("--set", "share", settings); });
}

TEST_F(SqlReaderTest, StopsInTheMiddleOfAnEndlessStatement) {
  const std::string endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) ";
  SqlReader reader(path_);
  for (const std::string& sql : {endless + "SELECT count(*) FROM n", endless + "SELECT i FROM n"}) {
    KeptRows rows;
    int asked = 0;
    EXPECT_THROW(reader.ask(sql, {}, rows, [&] { return ++asked > 20; }), Interrupted);
    EXPECT_FALSE(rows.ended());
  }
  KeptRows rows;
  reader.ask("SELECT 1", {}, rows);  // as if nothing had been
  EXPECT_EQ(rows.rows(), (SqlRows{{"1"}}));
}

TEST_F(SqlReaderTest, ListsViewsBeforeTables) {
  const std::vector<SqlTable> tables = SqlReader(path_).tables();
  ASSERT_FALSE(tables.empty());
  EXPECT_TRUE(tables.front().is_view);
  EXPECT_FALSE(tables.back().is_view);
  const std::vector<SqlTable> made = schema_tables();
  ASSERT_EQ(made.size(), tables.size());
  for (size_t i = 0; i < made.size(); ++i) {
    EXPECT_EQ(made[i].name, tables[i].name);
    EXPECT_EQ(made[i].columns, tables[i].columns);
  }
}

constexpr const char* odd_rows =
    "SELECT 'a,\"b\"' AS text, 1 AS n, 0.1 AS x, NULL AS none, x'0aFF' AS blob UNION ALL "
    "SELECT 'c' || char(10), 9007199254740993, 1e300 * 1e300, 'z', NULL";

TEST_F(SqlReaderTest, WritesCsv) {
  EXPECT_EQ(shown(SqlFormat::csv, odd_rows),
            "text,n,x,none,blob\n\"a,\"\"b\"\"\",1,0.1,,0aff\n\"c\n\",9007199254740993,inf,z,\n");
  EXPECT_EQ(shown(SqlFormat::csv, "SELECT 1 AS \"a,b\" WHERE 0"), "\"a,b\"\n");
}

TEST_F(SqlReaderTest, WritesOneJsonDocument) {
  const nlohmann::json json = nlohmann::json::parse(shown(SqlFormat::json, odd_rows));
  EXPECT_EQ(json["columns"].dump(), R"(["text","n","x","none","blob"])");
  EXPECT_EQ(json["rows"].size(), 2U);
  EXPECT_EQ(json["rows"][0]["text"], "a,\"b\"");
  EXPECT_EQ(json["rows"][0]["blob"], "0aff");
  EXPECT_TRUE(json["rows"][0]["none"].is_null());
  EXPECT_EQ(json["rows"][1]["n"], 9007199254740993);
  EXPECT_TRUE(json["rows"][1]["x"].is_null());
  EXPECT_EQ(nlohmann::json::parse(shown(SqlFormat::json, "SELECT 1 WHERE 0"))["rows"].size(), 0U);
  const nlohmann::json twice =
      nlohmann::json::parse(shown(SqlFormat::json, "SELECT 1 AS a, 2 AS a, 3 AS a_2"));
  EXPECT_EQ(twice["rows"][0].size(), 3U);
  EXPECT_EQ(nlohmann::json::parse(shown(SqlFormat::json, "SELECT CAST(x'ff' AS TEXT) AS t"))["rows"][0]["t"],
            "\xEF\xBF\xBD");
}

TEST_F(SqlReaderTest, WritesTables) {
  EXPECT_EQ(shown(SqlFormat::table,
                  "SELECT 'ab' AS name, 12345678.0 AS bytes, 1.0 / 3 AS share, NULL AS none UNION ALL "
                  "SELECT 'c', 2, 0.5, NULL"),
            "name     bytes     share  none\n"
            "----  --------  --------  ----\n"
            "ab    12345678  0.333333      \n"
            "c            2       0.5      \n");
  const std::string cut = shown(SqlFormat::table, "SELECT printf('%0200d', 0) || 'x' AS t");
  EXPECT_NE(cut.find("000..."), std::string::npos);
  EXPECT_EQ(cut.find('x'), std::string::npos);
  const std::string some = shown(
      SqlFormat::table,
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25) SELECT i FROM n", 10);
  EXPECT_NE(some.find("\n10\n15 more rows are left out; --limit 0 shows all 25\n"), std::string::npos)
      << some;
}

TEST_F(SqlReaderTest, RefusesFilesAsAReaderDoes) {
  expect_message("input", {"no such file"}, [&] { SqlReader(folder_ / "missing.db"); });
  expect_message("input", {"not a SQLite database"},
                 [&] { SqlReader(folder_.write("x.db", std::string(5000, 'x'))); });
  expect_message("input", {"unknown format 'jsn'", "json"}, [] { sql_format("jsn"); });
  expect_message("input", {"unknown question 'least-eror'", "did you mean 'least-error'"},
                 [] { find_question("--query", usual_questions(), "least-eror"); });
  expect_message("input", {"no SQL statement"}, [] { parse_questions("q.sql", "-- only words\n"); });
  expect_message("input", {"'a' comes twice"},
                 [] { parse_questions("q.sql", "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;"); });
}

}  // namespace
}  // namespace razorscope::testing
