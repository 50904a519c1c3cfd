// The widget that shows a text by its tokens.
#include "gui/widgets/token_text.hpp"

#include <QApplication>
#include <QElapsedTimer>
#include <QPainter>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTest>
#include <QToolTip>
#include <algorithm>
#include <gtest/gtest.h>
#include <limits>

#include "gui/widgets/token_style.hpp"

namespace razorscope::testing {
namespace {

using namespace gui;

std::vector<QString> pieces_of(std::initializer_list<const char*> pieces) {
  std::vector<QString> out;
  for (const char* piece : pieces) out.push_back(QString::fromUtf8(piece));
  return out;
}

TokenPanel panel_of(size_t tokens, TokenFate fate, double held) {
  TokenPanel panel;
  panel.policy = QStringLiteral("h2o:budget=2+f16");
  panel.title = panel.policy;
  panel.answer = QStringLiteral("joy");
  panel.states.caches = 10;
  panel.states.tokens.resize(tokens);
  for (TokenState& state : panel.states.tokens) {
    state.fate = fate;
    state.held = held;
    state.holding = static_cast<int>(held * 10.0);
  }
  return panel;
}

TEST(TokenLayoutTest, LinesBreakBetweenWordsAndAtTheTextsOwnEnds) {
  TokenLayout layout;
  layout.setText(pieces_of({"", "One", " wo", "rd", " two", ".", "\n\n", "Next", "\nlast"}), QFont());
  layout.wrap(10'000.0);
  EXPECT_EQ(layout.lines(), 3);
  const auto line_of = [&](int token) { return layout.fragmentsOf(token).front().line; };
  EXPECT_TRUE(layout.fragmentsOf(0).empty()) << "a BOS has no place";
  EXPECT_EQ(line_of(5), 0);
  EXPECT_EQ(line_of(6), 0) << "a line end can be pointed at";
  EXPECT_EQ(line_of(7), 1);
  EXPECT_EQ(layout.fragmentsOf(8).back().line, 2);
  EXPECT_GT(layout.rectOf(layout.fragmentsOf(7).front()).top(), 1.4 * layout.lineHeight()) << "a paragraph";
  const TokenFragment first_half = layout.fragmentsOf(2).front();
  layout.wrap(first_half.x + first_half.width + 1.0);
  EXPECT_EQ(line_of(2), line_of(3)) << "words are not torn apart";
  EXPECT_NE(line_of(1), line_of(2));
  EXPECT_EQ(layout.fragmentsOf(2).front().x, 0.0);
  EXPECT_FALSE(layout.fragmentsOf(2).front().text.startsWith(u' '));
}

TEST(TokenLayoutTest, EveryTokenIsFoundWhereItStands) {
  std::vector<QString> pieces;
  for (int i = 0; i < 500; ++i) pieces.push_back(QStringLiteral(" w%1").arg(i * i));
  TokenLayout layout;
  layout.setText(pieces, QFont());
  layout.wrap(300.0);
  for (int token = 0; token < 500; ++token) {
    const QRectF rect = layout.rectOf(layout.fragmentsOf(token).front());
    EXPECT_LE(rect.right(), 300.0);
    EXPECT_EQ(layout.tokenAt(rect.center()), token);
  }
  EXPECT_EQ(layout.tokenAt({-5.0, 5.0}), -1);
  EXPECT_EQ(layout.tokenAt({5.0, layout.height() + 5.0}), -1);
  const int below = layout.tokenBelow(20, 1);
  EXPECT_EQ(layout.fragmentsOf(below).front().line, layout.fragmentsOf(20).front().line + 1);
  const auto some = layout.fragmentsWithin(100.0, 150.0);
  EXPECT_LT(some.size(), 60U);
  EXPECT_GT(some.size(), 3U);
}

TEST(TokenStyleTest, FewerHeadsArePaler) {
  for (const bool dark : {false, true}) {
    const QColor page = colour(paints::page, dark);
    int before = -1;
    for (const double held : {0.0, 0.1, 0.5, 1.0}) {
      const TokenInk ink = token_ink(TokenFate::heavy, held, dark);
      const int contrast = std::abs(ink.text.lightness() - page.lightness());
      EXPECT_GT(contrast, before);
      EXPECT_GT(contrast, 50) << "what is dropped can still be read";
      before = contrast;
    }
    EXPECT_EQ(token_ink(TokenFate::dropped, 0.0, dark).ground.alpha(), 0);
  }
}

TEST(TokenTextTest, ClicksAndKeysChooseTokens) {
  TokenText text;
  text.resize(700, 420);
  text.setText(pieces_of({"", "One", " two", " three", "\n\n", "Four", " five"}), 3, 5);
  text.setPanels({panel_of(7, TokenFate::heavy, 0.5), panel_of(7, TokenFate::window, 1.0)});
  text.show();
  QSignalSpy chosen(&text, &TokenText::tokenChosen);
  for (const size_t panel : {0U, 1U}) {
    QTest::mouseClick(text.viewport(), Qt::LeftButton, {}, text.tokenRect(panel, 3).center());
    ASSERT_EQ(chosen.size(), 1);
    EXPECT_EQ(chosen.takeFirst().front().toInt(), 3);
  }
  QTest::keyClick(&text, Qt::Key_Right);
  EXPECT_EQ(text.chosen(), 4);
  QTest::keyClick(&text, Qt::Key_Right);
  QTest::keyClick(&text, Qt::Key_Right);
  QTest::keyClick(&text, Qt::Key_Right);
  EXPECT_EQ(text.chosen(), 6) << "it stays at the end";
  QTest::keyClick(&text, Qt::Key_Up);
  EXPECT_LE(text.chosen(), 3);
  QTest::keyClick(&text, Qt::Key_Down);
  EXPECT_GE(text.chosen(), 5);
  while (text.chosen() > 1) QTest::keyClick(&text, Qt::Key_Left);
  QTest::keyClick(&text, Qt::Key_Left);
  EXPECT_EQ(text.chosen(), 1) << "a BOS has no place";
  EXPECT_FALSE(text.accessibleDescription().isEmpty());
  chosen.clear();
  QTest::mouseClick(text.viewport(), Qt::LeftButton, {}, QPoint(3, 3));
  EXPECT_EQ(chosen.size(), 0);
}

TEST(TokenTextTest, ZoomsByKeysAndWheel) {
  TokenText text;
  text.resize(700, 420);
  text.setText(pieces_of({"One", " two"}), 0, 0);
  text.setPanels({panel_of(2, TokenFate::heavy, 0.5)});
  text.show();
  const int before = text.tokenRect(0, 0).width();
  QTest::keyClick(&text, Qt::Key_Plus);
  EXPECT_GT(text.zoom(), 1.0);
  QWheelEvent wheel(QPointF(50, 50), QPointF(50, 50), {}, QPoint(0, 360), Qt::NoButton, Qt::ControlModifier,
                    Qt::NoScrollPhase, false);
  QApplication::sendEvent(text.viewport(), &wheel);
  EXPECT_GT(text.tokenRect(0, 0).width(), before);
  QTest::keyClick(&text, Qt::Key_0);
  EXPECT_EQ(text.zoom(), 1.0);
  text.setZoom(1e9);
  EXPECT_LE(text.zoom(), 4.0);
}

TEST(TokenTextTest, HoveringTellsFateAndScore) {
  TokenText text;
  text.resize(700, 420);
  text.setText(pieces_of({"One", " two"}), 0, 0);
  text.setPanels({panel_of(2, TokenFate::heavy, 0.5)});
  text.show();
  QTest::mouseMove(text.viewport(), text.tokenRect(0, 1).center());
  QApplication::processEvents();
  EXPECT_TRUE(QToolTip::text().contains(QStringLiteral("held by 5 of 10 heads")))
      << QToolTip::text().toStdString();
  EXPECT_TRUE(QToolTip::text().contains(QStringLiteral("“ two”")));
}

TEST(TokenTextTest, OneOutlinesTheVerdictOnlyWhereARetrievalHeadHoldsIt) {
  TokenText text;
  text.resize(700, 420);
  text.setText(pieces_of({"One", " two", " three"}), 1, 2);
  const auto orange = [&] {
    const QImage image = text.viewport()->grab().toImage();
    const QColor wanted = policy_colour(QStringLiteral("razor"), false);
    const QRect around = text.tokenRect(0, 1).adjusted(-4, -2, 4, 2);
    int found = 0;
    for (int y = around.top(); y <= around.bottom(); ++y) {
      for (int x = around.left(); x <= around.right(); ++x) found += image.pixelColor(x, y) == wanted ? 1 : 0;
    }
    return found;
  };
  text.setPalette(light_palette());
  TokenPanel panel = panel_of(3, TokenFate::kept, 0.2);
  text.setPanels({panel});
  text.show();
  EXPECT_EQ(orange(), 0);
  EXPECT_FALSE(text.legendTexts().contains(QStringLiteral("verdict that retrieval heads hold")));
  panel.states.whole = 2;
  text.setPanels({panel});
  EXPECT_GT(orange(), 20);
  EXPECT_TRUE(text.legendTexts().contains(QStringLiteral("verdict that retrieval heads hold")));
}

/// Nanoseconds of the quickest of some repaints of a text of so many tokens.
qint64 repaint_of(int tokens) {
  std::vector<QString> pieces;
  for (int i = 0; i < tokens; ++i)
    pieces.push_back(i % 200 == 199 ? QStringLiteral("\n\n") : QStringLiteral(" w%1").arg(i * 37 % 5'003));
  TokenText text;
  text.resize(1'600, 1'000);
  text.setText(pieces, tokens / 2, tokens - 1);
  TokenPanel panel = panel_of(tokens, TokenFate::heavy, 0.3);
  panel.states.whole = 1;
  text.setPanels({panel, panel});
  text.show();
  text.showToken(tokens * 2 / 3, true);
  qint64 best = std::numeric_limits<qint64>::max();
  for (int i = 0; i < 7; ++i) {
    text.verticalScrollBar()->setValue(text.verticalScrollBar()->value() + 50);
    QImage image(text.viewport()->size(), QImage::Format_RGB32);
    QElapsedTimer clock;
    clock.start();
    text.viewport()->render(&image);
    best = std::min(best, clock.nsecsElapsed());
  }
  return best;
}

// What is out of sight is not painted: a text fifteen times as long takes about as long.
TEST(TokenTextTest, RepaintsALongTextAsAShortOne) { EXPECT_LT(repaint_of(30'000), 4 * repaint_of(2'000)); }

}  // namespace
}  // namespace razorscope::testing
