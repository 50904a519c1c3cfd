// The token map on a database that the command line made: the same numbers, and what a user does.
#include <QApplication>
#include <QCheckBox>
#include <QComboBox>
#include <QFile>
#include <QImage>
#include <QJsonDocument>
#include <QProcess>
#include <QSlider>
#include <QTableView>
#include <QTest>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "gui/widgets/theme.hpp"
#include "gui/widgets/token_audit_table.hpp"
#include "gui/widgets/token_text.hpp"
#include "tests/gui/explorer_fixture.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

using namespace gui;

constexpr const char* verdict = "the ending is a disappointment";

/// A database with three explanations of a text, and the document that the program printed of them.
struct ExplainedDatabase {
  TemporaryFolder folder;
  std::filesystem::path path = folder / "results.db";
  nlohmann::json document;

  ExplainedDatabase() {
    const std::string heads =
        folder.write("heads.json", R"({"retrieval_kv_heads": [[1, 2], [2, 0]]})").string();
    const std::string text =
        std::string("The town is old, and the harbour is quiet.\n\nTo say it at once: ") + verdict +
        ", and it is closed.\n\nThe light & <the> rest is good, and Zo\xc3\xab likes the \xe2\x98\x80.\n";
    QProcess program;
    program.start(
        QStringLiteral(RAZORSCOPE_PROGRAM),
        {"explain", "--model", RAZORSCOPE_SOURCE_DIR "/models/language/data/tiny-alibi.gguf", "--string",
         QString::fromStdString(text), "--verdict", verdict, "--policies",
         QString::fromStdString("window:sinks=2,recent=12;h2o:heavy=10,recent=10;"
                                "razor/none:recent=9,heads=\"" +
                                heads + "\""),
         "--fates", "--audit", "disappointment", "--json", "--db", QString::fromStdString(path.string())});
    program.waitForFinished(120'000);
    if (program.exitCode() != 0) throw std::runtime_error(program.readAllStandardError().toStdString());
    document = nlohmann::json::parse(program.readAllStandardOutput().toStdString());
  }

  const nlohmann::json& policy(const std::string& name) const {
    for (const nlohmann::json& each : document.at("policies")) {
      if (each.at("policy").get<std::string>().starts_with(name)) return each;
    }
    throw std::runtime_error("the document has no " + name);
  }
};

const ExplainedDatabase& database() {
  static const ExplainedDatabase made;
  return made;
}

class TokenMapTest : public ::testing::Test {
 protected:
  TokenMapTest() : view_(make_tokens_view(explorer_, nullptr)) {
    view_->resize(1'000, 800);
    view_->show();
  }

  void openDatabase() {
    open(explorer_, database().path);
    settle(*view_);
  }
  TokenText& map() const { return *view_->findChild<TokenText*>(); }
  template <typename Widget>
  Widget& child(const char* name) const {
    return *view_->findChild<Widget*>(QString::fromLatin1(name));
  }
  QList<TokenAuditTable*> audits() const { return view_->findChildren<TokenAuditTable*>(); }
  void move(const char* slider, int value) {
    child<QSlider>(slider).setValue(value);
    settle(*view_);
  }
  /// Fields of the export by column, of each policy and token.
  std::vector<std::map<QString, QString>> csv() const {
    std::vector<std::map<QString, QString>> rows;
    // Pieces hold line ends, which are quoted.
    std::vector<QStringList> lines(1);
    QString field;
    bool quoted = false;
    for (const QChar c : view_->picture()->csv()) {
      if (c == u'"') {
        quoted = !quoted;
      } else if (!quoted && (c == u',' || c == u'\n')) {
        lines.back() += std::exchange(field, {});
        if (c == u'\n') lines.emplace_back();
      } else {
        field += c;
      }
    }
    for (size_t i = 1; i + 1 < lines.size(); ++i) {
      std::map<QString, QString>& row = rows.emplace_back();
      for (qsizetype k = 0; k < lines[0].size(); ++k) row[lines[0][k]] = lines[i].value(k);
    }
    return rows;
  }

  Explorer explorer_;
  std::unique_ptr<View> view_;
};

TEST_F(TokenMapTest, EvictionAndRetrievalHeadsStandSideBySide) {
  openDatabase();
  ASSERT_EQ(map().panels().size(), 2U);
  EXPECT_TRUE(map().panels()[0].policy.startsWith(QStringLiteral("h2o")));
  EXPECT_TRUE(map().panels()[1].policy.startsWith(QStringLiteral("razor")));
  EXPECT_EQ(map().panels()[1].states.whole, 2);
  EXPECT_TRUE(map().legendTexts().contains(QStringLiteral("verdict that retrieval heads hold")));
  const nlohmann::json& h2o = database().policy("h2o");
  const bool positive = h2o.at("log_odds").get<double>() > 0.0;
  EXPECT_EQ(map().panels()[0].answer, positive ? QStringLiteral("joy") : QStringLiteral("disappointment"));
  EXPECT_EQ(map().panels()[0].differs, h2o.at("answer") != database().document.at("full").at("answer"));
  EXPECT_FALSE(map().panels()[0].effect.isEmpty());
}

TEST_F(TokenMapTest, TheExportHasTheNumbersOfTheCommandLine) {
  openDatabase();
  const auto tokens = database().document.at("tokens").get<std::vector<std::string>>();
  std::vector<std::map<QString, QString>> rows = csv();
  ASSERT_EQ(rows.size(), 2 * tokens.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const nlohmann::json& policy = database().policy(i < tokens.size() ? "h2o" : "razor");
    const size_t t = i % tokens.size();
    // The parser above takes a quoted value's own quotes away.
    EXPECT_TRUE(rows[i]["policy"].startsWith(i < tokens.size() ? u"h2o" : u"razor"));
    EXPECT_EQ(rows[i]["held"].toDouble(), policy.at("held")[t].get<double>());
    const auto range = database().document.at("verdict").get<std::vector<size_t>>();
    EXPECT_EQ(rows[i]["verdict"], t >= range[0] && t < range[1] ? QStringLiteral("1") : QStringLiteral("0"));
  }
  move("layer", 2);
  move("head", 4);
  rows = csv();
  static const std::map<char, const char*> names = {{'s', "sink"}, {'w', "window"}, {'h', "heavy"},
                                                    {'k', "kept"}, {'f', "folded"}, {'d', "dropped"}};
  for (size_t i = 0; i < rows.size(); ++i) {
    const nlohmann::json& policy = database().policy(i < tokens.size() ? "h2o" : "razor");
    const char fate = policy.at("fates")[1][3].get<std::string>()[i % tokens.size()];
    EXPECT_EQ(rows[i]["fate"].toStdString(), names.at(fate));
    EXPECT_EQ(rows[i]["layer"], QStringLiteral("1"));
    EXPECT_EQ(rows[i]["head"], QStringLiteral("3"));
  }
}

TEST_F(TokenMapTest, TheAuditIsTheCommandLines) {
  openDatabase();
  const nlohmann::json& words = database().document.at("audit").at("words")[0];
  const int token = words.at("tokens")[0].get<int>();
  map().showToken(token, true);
  QTest::mouseClick(map().viewport(), Qt::LeftButton, {}, map().tokenRect(1, token).center());
  ASSERT_EQ(map().chosen(), token);
  settle(*view_);
  ASSERT_EQ(audits().size(), 2);
  for (const int panel : {0, 1}) {
    const std::string name = panel == 0 ? "h2o" : "razor";
    const auto found = std::find_if(
        words.at("policies").begin(), words.at("policies").end(),
        [&](const nlohmann::json& each) { return each.at("policy").get<std::string>().starts_with(name); });
    const nlohmann::json& heads = found->at("tokens")[0].at("heads");
    const std::vector<HeadAudit>& shown = audits()[panel]->model().audits();
    ASSERT_EQ(shown.size(), heads.size());
    int lost = 0;
    for (size_t h = 0; h < shown.size(); ++h) {
      EXPECT_EQ(shown[h].layer, heads[h].at("layer").get<int>());
      EXPECT_EQ(shown[h].rank, heads[h].at("rank").get<int>());
      EXPECT_EQ(shown[h].accumulated, heads[h].at("accumulated").get<double>());
      EXPECT_EQ(shown[h].asked, heads[h].at("asked").get<double>());
      EXPECT_EQ(shown[h].missed, heads[h].at("missed").get<double>());
      EXPECT_EQ(shown[h].left_step.has_value(), !heads[h].at("left_step").is_null());
      if (!heads[h].at("left_step").is_null() && heads[h].at("left_step") == 0) ++lost;
    }
    EXPECT_TRUE(audits()[panel]->words().contains(QStringLiteral("Lost in %1 of 32 heads").arg(lost)))
        << audits()[panel]->words().toStdString();
  }
}

TEST_F(TokenMapTest, StepsShowWhatIsLostWhileTheQuestionIsRead) {
  openDatabase();
  const double before = map().panels()[0].states.verdict_held;
  EXPECT_EQ(before, database().policy("h2o").at("verdict_held").get<double>());
  const int steps = child<QSlider>("step").maximum();
  EXPECT_EQ(steps, static_cast<int>(database().document.at("audit").at("question_tokens").size()));
  const auto held = [&] {
    int sum = 0;
    for (const TokenState& state : map().panels()[0].states.tokens) sum += state.holding;
    return sum;
  };
  const int at_end = held();
  move("step", steps);
  EXPECT_EQ(at_end - held(), static_cast<int>(database().policy("h2o").at("lost_while_asked").size()));
}

TEST_F(TokenMapTest, AHeadOfTheAuditCanBeLookedAt) {
  openDatabase();
  QTableView& table = audits()[1]->table();
  const QModelIndex index = table.model()->index(3, TokenAuditModel::rank);
  const int layer = index.siblingAtColumn(TokenAuditModel::layer).data().toInt();
  const int head = index.siblingAtColumn(TokenAuditModel::head).data().toInt();
  table.scrollTo(index);
  QTest::mouseClick(table.viewport(), Qt::LeftButton, {}, table.visualRect(index).center());
  settle(*view_);
  EXPECT_EQ(child<QSlider>("layer").value(), layer + 1);
  EXPECT_EQ(child<QSlider>("head").value(), head + 1);
  EXPECT_EQ(map().panels()[0].states.caches, 1);
}

TEST_F(TokenMapTest, ManyMovesOfASliderEndWhereItStands) {
  openDatabase();
  for (int i = 0; i < 50; ++i) child<QSlider>("layer").setValue(1 + i % 4);
  settle(*view_);
  EXPECT_EQ(map().panels()[0].states.caches, 8);
  EXPECT_EQ(csv().front()["layer"], QString::number(child<QSlider>("layer").value() - 1));
}

TEST_F(TokenMapTest, StateComesBack) {
  openDatabase();
  move("layer", 3);
  move("step", 2);
  child<QCheckBox>("attention").setChecked(true);
  QComboBox& right = child<QComboBox>("right");
  for (int i = 0; i < right.count(); ++i) {
    if (right.itemText(i).startsWith(QStringLiteral("window"))) right.setCurrentIndex(i);
  }
  Q_EMIT right.activated(right.currentIndex());
  map().setZoom(1.5);
  map().choose(7);
  settle(*view_);
  const QJsonObject state = view_->saveState();

  Explorer other;
  const std::unique_ptr<View> again(make_tokens_view(other, nullptr));
  again->resize(1'000, 800);
  again->restoreState(state);
  EXPECT_EQ(again->saveState(), state) << "before there is a database";
  again->show();
  open(other, database().path);
  settle(*again);
  EXPECT_EQ(again->saveState(), state);
  EXPECT_EQ(again->findChild<TokenText*>()->panels()[1].policy, map().panels()[1].policy);
  EXPECT_EQ(again->picture()->csv(), view_->picture()->csv());
}

TEST_F(TokenMapTest, StatesThatMakeNoSenseAreNoHarm) {
  openDatabase();
  for (const char* json :
       {R"({"text": 7, "left": [], "layer": 1e9, "head": -50, "step": "x", "token": 99999})",
        R"({"zoom": -3, "token": {}, "attention": "yes", "right": "no such policy"})", "{}"}) {
    view_->restoreState(QJsonDocument::fromJson(json).object());
    settle(*view_);
    ASSERT_EQ(map().panels().size(), 2U) << json;
    EXPECT_GE(map().chosen(), 0);
    EXPECT_LE(child<QSlider>("layer").value(), 4);
  }
}

TEST_F(TokenMapTest, SelectionGoesThroughTheExplorer) {
  openDatabase();
  const Snapshot& snapshot = *explorer_.snapshot();
  const auto window = std::find_if(snapshot.runs.begin(), snapshot.runs.end(), [&](const gui::Run& run) {
    return snapshot.name(run, Facet::family) == QLatin1String("window");
  });
  explorer_.selectOnly(window->ref);
  settle(*view_);
  EXPECT_TRUE(map().panels()[0].policy.startsWith(QStringLiteral("window")));
  EXPECT_TRUE(map().panels()[1].policy.startsWith(QStringLiteral("razor"))) << "stays";
  QComboBox& left = child<QComboBox>("left");
  for (int i = 0; i < left.count(); ++i) {
    if (left.itemText(i).startsWith(QStringLiteral("h2o"))) left.setCurrentIndex(i);
  }
  Q_EMIT left.activated(left.currentIndex());
  settle(*view_);
  ASSERT_EQ(explorer_.selection().size(), 2U);
  EXPECT_TRUE(snapshot.policy(*snapshot.find(*explorer_.currentRun())).starts_with("h2o"));
  EXPECT_TRUE(map().panels()[0].policy.startsWith(QStringLiteral("h2o")));
}

TEST_F(TokenMapTest, SaysWhyThereIsNothing) {
  settle(*view_);
  EXPECT_EQ(map().message(), QStringLiteral("No database is open."));
  const TemporaryFolder folder;
  Store::open_for_writing(folder / "other.db").add_replay(record_of("full"));
  open(explorer_, folder / "other.db");
  settle(*view_);
  EXPECT_TRUE(map().message().contains(QStringLiteral("razorscope explain --model")));
  openDatabase();
  EXPECT_TRUE(map().message().isEmpty());
  explorer_.setFilter({.search = QStringLiteral("no such run")});
  settle(*view_);
  EXPECT_TRUE(map().message().contains(QStringLiteral("filter")));
  EXPECT_TRUE(map().panels().empty());
  explorer_.undoFilter();
  settle(*view_);
  EXPECT_EQ(map().panels().size(), 2U);
}

TEST_F(TokenMapTest, OnePolicyIsShownAlone) {
  openDatabase();
  explorer_.setFilter({.search = QStringLiteral("h2o")});
  settle(*view_);
  EXPECT_EQ(map().panels().size(), 1U);
}

TEST_F(TokenMapTest, PicturesHoldBothPanelsAndTheirAnswers) {
  openDatabase();
  const TemporaryFolder folder;
  const auto written = [&](const char* name) {
    const QString path = QString::fromStdString((folder / name).string());
    view_->exportTo(path);
    QFile file(path);
    EXPECT_TRUE(file.open(QIODevice::ReadOnly));
    return file.readAll();
  };
  const QString svg = QString::fromUtf8(written("a.svg"));
  for (const TokenPanel& panel : map().panels()) {
    EXPECT_TRUE(svg.contains(panel.title.toHtmlEscaped())) << panel.title.toStdString();
    EXPECT_TRUE(svg.contains(panel.odds));
  }
  QString longest;
  for (const std::string& piece : database().document.at("tokens").get<std::vector<std::string>>()) {
    const QString text = QString::fromStdString(piece).trimmed();
    if (text.size() > longest.size()) longest = text;
  }
  const qsizetype times = svg.count(longest + QStringLiteral("</text>"));
  EXPECT_GE(times, 2) << longest.toStdString();
  EXPECT_EQ(times % 2, 0);
  EXPECT_TRUE(written("a.pdf").startsWith("%PDF"));
  EXPECT_EQ(QString::fromUtf8(written("a.csv")), view_->picture()->csv());
  const QImage image = QImage::fromData(written("a.png"));
  EXPECT_EQ(image.size(), view_->picture()->pictureSize() * 2);
}

TEST_F(TokenMapTest, IsDrawnInBothThemes) {
  openDatabase();
  for (const bool dark : {false, true}) {
    view_->setPalette(dark ? dark_palette() : light_palette());
    QApplication::processEvents();
    const QImage image = map().viewport()->grab().toImage();
    EXPECT_EQ(image.pixelColor(2, image.height() - 2), colour(paints::page, dark));
    std::set<QRgb> colours;
    for (int y = 0; y < image.height(); y += 2) {
      for (int x = 0; x < image.width(); x += 2) colours.insert(image.pixel(x, y));
    }
    EXPECT_GT(colours.size(), 30U);
    EXPECT_TRUE(colours.contains(policy_colour(QStringLiteral("h2o"), dark).rgb()));
    EXPECT_TRUE(colours.contains(policy_colour(QStringLiteral("razor"), dark).rgb()));
  }
}

}  // namespace
}  // namespace razorscope::testing
