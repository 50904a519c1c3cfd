#pragma once

#include <QJsonObject>
#include <QSettings>
#include <QStringList>

#include "gui/data/run_filter.hpp"

namespace razorscope::gui {

/// A view, its state and a filter under a name.
struct SavedView {
  QString name;
  QString view;  // its key
  QJsonObject state;
  RunFilter filter;
};

/// What is kept from one start of the program to the next, in the user's configuration folder. What is there
/// and cannot be understood is as if it were not there.
class Session {
 public:
  enum class Theme { system, light, dark };

  QStringList recentFiles() const;
  void noteFile(const QString& path);

  QByteArray windowGeometry() const { return settings_.value("window/geometry").toByteArray(); }
  QByteArray windowState() const { return settings_.value("window/state").toByteArray(); }
  void setWindow(const QByteArray& geometry, const QByteArray& state);

  QString lastFile() const { return settings_.value("last/file").toString(); }
  QString lastView() const { return settings_.value("last/view").toString(); }
  RunFilter lastFilter() const;
  void setLast(const QString& file, const QString& view, const RunFilter& filter);

  QJsonObject viewState(const QString& view) const;
  void setViewState(const QString& view, const QJsonObject& state);

  Theme theme() const;
  void setTheme(Theme theme);

  std::vector<SavedView> savedViews() const;
  /// One of the same name is replaced.
  void saveView(const SavedView& view);
  void forgetView(const QString& name);

 private:
  QSettings settings_{QStringLiteral("Razorscope"), QStringLiteral("Explorer")};
};

}  // namespace razorscope::gui
