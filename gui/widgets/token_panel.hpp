#pragma once

#include <QFont>
#include <QString>
#include <QStringList>
#include <vector>

#include "gui/data/token_map.hpp"

class QPainter;
class QRectF;

namespace razorscope::gui {

/// One policy's text and what the model answers after it, in words.
struct TokenPanel {
  QString policy;  // its canonical name, for its colour
  QString title;
  QString note;      // what it holds
  QString question;  // what the answer completes
  QString answer;
  QString odds;          // "99.1 %"
  QString reference;     // what the full cache answers
  bool differs = false;  // from that
  QString effect;        // of the verdict
  TokenStates states;
};

TokenPanel token_panel(const StoredExplanation& stored, TokenStates states);

/// What the legend of these panels says: the fates that there are, and the marks.
QStringList token_legend(const std::vector<TokenPanel>& panels, bool has_verdict, bool attention);

struct PanelStyle {
  QFont font;
  bool dark = false;
  bool compact = false;  // where there is little room: lines are cut, and the question is left out
};

// Each draws into a place, from its top, and returns the height that it takes; without a painter it only
// measures.

int paint_token_legend(QPainter* painter, const QStringList& texts, const PanelStyle& style,
                       const QRectF& place);
/// Policy, bytes, and what is held of the verdict.
int paint_panel_header(QPainter* painter, const TokenPanel& panel, const PanelStyle& style,
                       const QRectF& place);
/// Question, answer, full's answer, and what the verdict does to it; with a frame as high as the place.
int paint_panel_answer(QPainter* painter, const TokenPanel& panel, const PanelStyle& style,
                       const QRectF& place);

}  // namespace razorscope::gui
