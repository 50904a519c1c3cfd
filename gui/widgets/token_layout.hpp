#pragma once

#include <QFont>
#include <QPointF>
#include <QRectF>
#include <QString>
#include <span>
#include <vector>

namespace razorscope::gui {

/// A part of a token in one line; tokens with line ends have several. `text` may be empty: of a line end,
/// which has a place so that it can be pointed at.
struct TokenFragment {
  int token = 0;
  int line = 0;
  double x = 0.0;
  double width = 0.0;
  QString text;
};

/// Where the tokens of a text stand: in lines of some width that break between words, as far as tokens begin
/// with their space; line ends of the text are kept, and empty lines are half as high.
///
/// Contract. setText, then wrap, again for every other width. Measuring costs microseconds for each different
/// token, wrapping far less.
class TokenLayout {
 public:
  void setText(const std::vector<QString>& pieces, const QFont& font);
  void wrap(double width);

  const QFont& font() const { return font_; }
  double height() const;
  double lineHeight() const { return line_height_; }
  double ascent() const { return ascent_; }
  int lines() const { return static_cast<int>(tops_.size()); }

  std::span<const TokenFragment> fragments() const { return fragments_; }
  std::span<const TokenFragment> fragmentsOf(int token) const;
  /// Of the lines that are in [top, bottom] in part or as a whole.
  std::span<const TokenFragment> fragmentsWithin(double top, double bottom) const;
  QRectF rectOf(const TokenFragment& fragment) const;
  /// -1: none is there.
  int tokenAt(const QPointF& position) const;
  /// The token that is nearest to the middle of this one, so many lines further down.
  int tokenBelow(int token, int lines) const;

 private:
  struct Part {
    int token = 0;
    int breaks = 0;  // line ends before it
    double width = 0.0;
    QString text;
  };
  void startLine(int breaks);
  int lineAt(double y) const;
  std::span<const TokenFragment> fragmentsOfLine(int line) const;

  QFont font_;
  double line_height_ = 1.0;
  double ascent_ = 0.0;
  double space_ = 0.0;
  std::vector<Part> parts_;
  std::vector<TokenFragment> fragments_;
  std::vector<size_t> first_of_token_;  // and one past the last
  std::vector<size_t> first_of_line_;
  std::vector<double> tops_;  // of lines
};

}  // namespace razorscope::gui
