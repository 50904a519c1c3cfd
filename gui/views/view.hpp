#pragma once

#include <QFlags>
#include <QJsonObject>
#include <QTimer>
#include <QWidget>
#include <vector>

#include "gui/data/explorer.hpp"
#include "gui/widgets/picture.hpp"

namespace razorscope::gui {

/// One of the window's pages.
///
/// Contract. A view learns what changed through update(), and only while it is shown: what happened before
/// comes as one call when it is shown next. It does not know other views: what the user selects goes to the
/// explorer. State goes into sessions and saved views; what of it no longer fits is ignored.
class View : public QWidget {
  Q_OBJECT

 public:
  enum Change { newSnapshot = 1, newFilter = 2, newSelection = 4, newTrial = 8 };
  Q_DECLARE_FLAGS(Changes, Change)

  explicit View(Explorer& explorer, QWidget* parent = nullptr);

  virtual QJsonObject saveState() const { return {}; }
  virtual void restoreState(const QJsonObject& /*state*/) {}

  /// What can be exported of it: a picture and its figures, or, without a picture, text as CSV.
  virtual Picture* picture() { return nullptr; }
  virtual QString csv() const { return {}; }
  std::vector<ExportFormat> exportFormats();
  /// Why it shows nothing that could be exported; "" where it does.
  virtual QString nothingToExport() const { return {}; }
  /// Throws as export_picture does, and std::runtime_error where there is nothing to export.
  void exportTo(const QString& path);

  /// Whether something that it shows is still on its way.
  virtual bool isBusy() const { return update_.isActive() || explorer_.worker().isBusy(); }

 protected:
  virtual void update(Changes changes) = 0;
  void showEvent(QShowEvent* event) override;

  Explorer& explorer() const { return explorer_; }
  /// What a click on a run of a chart does: selects it alone, or with Ctrl beside the others.
  void pick(const RunRef& run, bool toggles);

 private:
  void note(Change change);

  Explorer& explorer_;
  Changes changes_;
  QTimer update_;
};

/// A view by the name that the command line and sessions know it by.
struct ViewEntry {
  const char* key;
  const char* title;
  const char* help;  // one line: the question that it answers
  View* (*make)(Explorer& explorer, QWidget* parent);
};

/// In the order of their keys Ctrl+1 to Ctrl+9. A new view is a file that makes it and a line in
/// catalogue.cpp.
const std::vector<ViewEntry>& view_catalogue();

View* make_tradeoff_view(Explorer& explorer, QWidget* parent);
View* make_runs_view(Explorer& explorer, QWidget* parent);
View* make_heads_view(Explorer& explorer, QWidget* parent);
View* make_tokens_view(Explorer& explorer, QWidget* parent);
View* make_devices_view(Explorer& explorer, QWidget* parent);
View* make_serving_view(Explorer& explorer, QWidget* parent);
View* make_compare_view(Explorer& explorer, QWidget* parent);
View* make_sql_view(Explorer& explorer, QWidget* parent);
View* make_sweep_view(Explorer& explorer, QWidget* parent);

}  // namespace razorscope::gui

Q_DECLARE_OPERATORS_FOR_FLAGS(razorscope::gui::View::Changes)
