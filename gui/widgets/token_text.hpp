#pragma once

#include <QAbstractScrollArea>
#include <functional>
#include <vector>

#include "gui/widgets/picture.hpp"
#include "gui/widgets/token_layout.hpp"
#include "gui/widgets/token_panel.hpp"

namespace razorscope::gui {

/// A text under policies side by side: each token coloured by what became of it, the answer below. Tokens are
/// laid out once for a width and a font, and only those that are seen are painted. All panels scroll
/// together.
///
/// Keys: arrows move the chosen token, + and - (and the wheel with Ctrl) zoom, 0 undoes that.
class TokenText : public QAbstractScrollArea, public Picture {
  Q_OBJECT

 public:
  explicit TokenText(QWidget* parent = nullptr);

  /// verdict: tokens [begin, end).
  void setText(std::vector<QString> pieces, int verdict_begin, int verdict_end);
  /// Each has states of all tokens of the text.
  void setPanels(std::vector<TokenPanel> panels);
  const std::vector<TokenPanel>& panels() const { return panels_; }
  /// Shown in place of the text; "": the text.
  void setMessage(const QString& why);
  QString message() const { return message_; }
  void setAttentionShown(bool shown);
  void setCsv(std::function<QString()> csv) { csv_ = std::move(csv); }

  int chosen() const { return chosen_; }  // -1: none
  void choose(int token);
  double zoom() const { return zoom_; }
  void setZoom(double zoom);
  /// Scrolls so that the token is seen, a few lines below the top where `as_first`.
  void showToken(int token, bool as_first);
  QStringList legendTexts() const { return legend_; }

  /// Where a token is drawn in a panel of the viewport; null where it is not.
  QRect tokenRect(size_t panel, int token) const;
  const QString& piece(int token) const { return pieces_[static_cast<size_t>(token)]; }

  /// All of the text, as far as a picture can be high.
  QSize pictureSize() const override;
  void paintPicture(QCPPainter& painter, const QSize& size) override;
  QString csv() const override { return csv_ ? csv_() : QString(); }

 Q_SIGNALS:
  void tokenChosen(int token);
  void zoomChanged();

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void changeEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;

 private:
  /// Where things stand in a picture of some size.
  struct Frame {
    int width = 0;
    int legend = 0;  // heights
    int header = 0;
    int footer = 0;
    bool compact = false;
    double panel_width = 0.0;
    double text_width = 0.0;

    int top() const { return legend + header; }
  };
  /// compact: as much room for the text as can be.
  Frame frameOf(int width, bool compact) const;
  int page(const Frame& frame) const;
  double panelX(const Frame& frame, size_t panel) const;
  double textX(const Frame& frame, size_t panel) const;
  PanelStyle panelStyle(bool compact) const;
  void measure();
  void arrange();
  void paintAll(QPainter& painter, const Frame& frame, const TokenLayout& layout, double scrolled,
                int text_height) const;
  int tokenAt(const QPoint& position, size_t& panel) const;
  void moveBy(int tokens);
  void pick(int token);

  std::vector<QString> pieces_;
  int verdict_begin_ = 0;
  int verdict_end_ = 0;
  std::vector<TokenPanel> panels_;
  QStringList legend_;
  QString message_;
  bool attention_ = false;
  std::function<QString()> csv_;
  int chosen_ = -1;
  int hovered_ = -1;
  double zoom_ = 1.0;
  TokenLayout layout_;
  Frame frame_;
};

}  // namespace razorscope::gui
