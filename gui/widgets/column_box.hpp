#pragma once

#include <QComboBox>
#include <vector>

#include "gui/data/run_columns.hpp"

namespace razorscope::gui {

/// Chooses one of some figures.
class ColumnBox : public QComboBox {
  Q_OBJECT

 public:
  /// keys of run_columns().
  explicit ColumnBox(const std::vector<const char*>& keys, QWidget* parent = nullptr);

  const RunColumn& column() const;
  QString key() const { return currentData().toString(); }
  /// What is not among them changes nothing.
  void choose(const QString& key);

 Q_SIGNALS:
  /// By the user.
  void chosen();
};

}  // namespace razorscope::gui
