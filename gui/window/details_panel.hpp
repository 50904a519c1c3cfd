#pragma once

#include <QTextBrowser>

#include "gui/data/explorer.hpp"
#include "gui/data/run_details.hpp"

namespace razorscope::gui {

/// All about the current run, beside whichever view it was selected in.
class DetailsPanel : public QTextBrowser {
  Q_OBJECT

 public:
  explicit DetailsPanel(Explorer& explorer, QWidget* parent = nullptr);

 private:
  void showRun();
  void write(const DetailLines& figures, const DetailLines& origin);

  Explorer& explorer_;
  std::optional<RunRef> shown_;
};

}  // namespace razorscope::gui
