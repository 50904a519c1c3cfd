#pragma once

#include <QColor>
#include <vector>

#include "gui/data/token_map.hpp"
#include "gui/widgets/theme.hpp"

class QPainter;
class QRectF;

namespace razorscope::gui {

class TokenLayout;

/// A fate's colour. Fates share hues with the policies that they are typical of.
const Paint& fate_paint(TokenFate fate);
/// All fates that hold a token, then those that do not, as a legend lists them.
const std::vector<TokenFate>& fates_in_order();

/// How a token is drawn: the fewer heads hold it, the paler.
struct TokenInk {
  QColor text;
  QColor ground;  // fully transparent where nothing holds it
};
TokenInk token_ink(TokenFate fate, double held, bool dark);

/// What of the tokens is shown beside their state.
struct TokenLook {
  int verdict_begin = 0;
  int verdict_end = 0;
  int chosen = -1;  // token
  bool attention = false;
  bool dark = false;
};

/// Draws the tokens that lie in `visible`, which is in the layout's coordinates, as the painter's are. A bar
/// beside the lines marks the verdict; it is outlined where a chosen head holds the whole text.
void paint_tokens(QPainter& painter, const TokenLayout& layout, const TokenStates& states,
                  const TokenLook& look, const QRectF& visible);

}  // namespace razorscope::gui
