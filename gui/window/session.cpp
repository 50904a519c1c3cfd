#include "gui/window/session.hpp"

#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>

namespace razorscope::gui {
namespace {

constexpr qsizetype most_recent = 8;

QByteArray text_of(const QJsonObject& json) { return QJsonDocument(json).toJson(QJsonDocument::Compact); }
QJsonObject object_of(const QVariant& text) { return QJsonDocument::fromJson(text.toByteArray()).object(); }

QJsonObject to_json(const SavedView& view) {
  return {{QStringLiteral("name"), view.name},
          {QStringLiteral("view"), view.view},
          {QStringLiteral("state"), view.state},
          {QStringLiteral("filter"), view.filter.toJson()}};
}

}  // namespace

QStringList Session::recentFiles() const { return settings_.value("recent").toStringList(); }

void Session::noteFile(const QString& path) {
  QStringList files = recentFiles();
  const QString absolute = QFileInfo(path).absoluteFilePath();
  files.removeAll(absolute);
  files.prepend(absolute);
  settings_.setValue("recent", files.mid(0, most_recent));
}

void Session::setWindow(const QByteArray& geometry, const QByteArray& state) {
  settings_.setValue("window/geometry", geometry);
  settings_.setValue("window/state", state);
}

RunFilter Session::lastFilter() const {
  return RunFilter::fromJson(object_of(settings_.value("last/filter")));
}

void Session::setLast(const QString& file, const QString& view, const RunFilter& filter) {
  settings_.setValue("last/file", file.isEmpty() ? QString() : QFileInfo(file).absoluteFilePath());
  settings_.setValue("last/view", view);
  settings_.setValue("last/filter", text_of(filter.toJson()));
}

QJsonObject Session::viewState(const QString& view) const {
  return object_of(settings_.value(QStringLiteral("views/%1").arg(view)));
}

void Session::setViewState(const QString& view, const QJsonObject& state) {
  settings_.setValue(QStringLiteral("views/%1").arg(view), text_of(state));
}

Session::Theme Session::theme() const {
  const QString name = settings_.value("theme").toString();
  if (name == QLatin1String("dark")) return Theme::dark;
  return name == QLatin1String("light") ? Theme::light : Theme::system;
}

void Session::setTheme(Theme theme) {
  settings_.setValue("theme", theme == Theme::dark ? "dark" : theme == Theme::light ? "light" : "system");
}

std::vector<SavedView> Session::savedViews() const {
  std::vector<SavedView> views;
  const QJsonArray list = QJsonDocument::fromJson(settings_.value("saved").toByteArray()).array();
  for (const QJsonValue& value : list) {
    const QJsonObject entry = value.toObject();
    views.push_back({entry[QLatin1String("name")].toString(), entry[QLatin1String("view")].toString(),
                     entry[QLatin1String("state")].toObject(),
                     RunFilter::fromJson(entry[QLatin1String("filter")].toObject())});
  }
  return views;
}

void Session::saveView(const SavedView& view) {
  QJsonArray list;
  for (const SavedView& other : savedViews()) {
    if (other.name != view.name) list.append(to_json(other));
  }
  list.append(to_json(view));
  settings_.setValue("saved", QJsonDocument(list).toJson(QJsonDocument::Compact));
}

void Session::forgetView(const QString& name) {
  QJsonArray list;
  for (const SavedView& view : savedViews()) {
    if (view.name != name) list.append(to_json(view));
  }
  settings_.setValue("saved", QJsonDocument(list).toJson(QJsonDocument::Compact));
}

}  // namespace razorscope::gui
