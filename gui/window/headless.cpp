#include "gui/window/headless.hpp"

#include <QApplication>
#include <QCommandLineParser>
#include <QElapsedTimer>
#include <QJsonDocument>
#include <QPixmap>
#include <QRegularExpression>
#include <QThread>
#include <stdexcept>

#include "gui/window/main_window.hpp"
#include "gui/window/option_checks.hpp"
#include "models/base/error.hpp"

namespace razorscope::gui {
namespace {

constexpr int most_patience = 60'000;  // milliseconds

QJsonObject json_of(const QCommandLineParser& parser, const QCommandLineOption& option) {
  if (!parser.isSet(option)) return {};
  QJsonParseError problem;
  const QJsonDocument document = QJsonDocument::fromJson(parser.value(option).toUtf8(), &problem);
  const std::string name = "--" + option.names().constFirst().toStdString();
  if (document.isNull()) throw InputError(name, "is no JSON: " + problem.errorString().toStdString());
  if (!document.isObject()) throw InputError(name, "is no JSON object, such as '{}'");
  return document.object();
}

QSize size_of(const QString& text) {
  static const QRegularExpression form(QStringLiteral("^(\\d{2,5})x(\\d{2,5})$"));
  const QRegularExpressionMatch match = form.match(text);
  const QSize size(match.captured(1).toInt(), match.captured(2).toInt());
  if (!match.hasMatch() || size.width() < 200 || size.height() < 200 || size.width() > 8192 ||
      size.height() > 8192)
    throw InputError("--size",
                     "'" + text.toStdString() + "' is no size; allowed: WIDTHxHEIGHT, each from 200 to 8192");
  return size;
}

Session::Theme theme_of(const QString& name) {
  if (name == QLatin1String("light")) return Session::Theme::light;
  if (name == QLatin1String("dark")) return Session::Theme::dark;
  throw InputError("--theme", unknown_name("theme", name.toStdString(), {"light", "dark"}));
}

std::vector<RunRef> runs_of(const QString& text) {
  std::vector<RunRef> runs;
  for (const QString& word : text.split(u',', Qt::SkipEmptyParts)) {
    const bool on_device = word.startsWith(u'd');
    bool ok = false;
    const qlonglong id = word.mid(on_device ? 1 : 0).toLongLong(&ok);
    if (!ok)
      throw InputError("--select", "'" + word.toStdString() +
                                       "' is no run; allowed: ids, with a d before those on devices: 3,4,d7");
    runs.push_back({on_device, id});
  }
  return runs;
}

/// Lets the program work until all that is shown is there.
void settle(const MainWindow& window) {
  QElapsedTimer clock;
  clock.start();
  int quiet = 0;
  while (quiet < 3) {
    QApplication::processEvents(QEventLoop::AllEvents, 20);
    QApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    quiet = window.isSettled() ? quiet + 1 : 0;
    if (clock.elapsed() > most_patience) throw std::runtime_error("the view was not ready within a minute");
    if (quiet == 0) QThread::msleep(5);
  }
}

}  // namespace

HeadlessOptions::HeadlessOptions(QCommandLineParser& parser)
    : screenshot(QStringLiteral("screenshot"), QStringLiteral("Write a picture of the window and end."),
                 QStringLiteral("PNG")),
      export_to(QStringLiteral("export"),
                QStringLiteral(
                    "Write what the view shows and end: a picture as .png, .svg or .pdf, figures as .csv."),
                QStringLiteral("FILE")),
      view(QStringLiteral("view"), QStringLiteral("Which view."), QStringLiteral("NAME"), QString()),
      size(QStringLiteral("size"), QStringLiteral("Of the window, for pictures."), QStringLiteral("WxH"),
           QStringLiteral("1280x820")),
      theme(QStringLiteral("theme"), QStringLiteral("Colours: light or dark."), QStringLiteral("NAME"),
            QStringLiteral("light")),
      filter(QStringLiteral("filter"),
             QStringLiteral(
                 "Which runs, as JSON: '{\"facets\": {\"family\": [\"razor\"]}, \"search\": \"q8_0\"}'."),
             QStringLiteral("JSON")),
      state(QStringLiteral("state"), QStringLiteral("The view's settings, as JSON, as sessions keep them."),
            QStringLiteral("JSON")),
      select(QStringLiteral("select"), QStringLiteral("Runs to select: 3,4,d7 (d: of those on devices)."),
             QStringLiteral("IDS")) {
  QStringList names;
  for (const ViewEntry& entry : view_catalogue()) names += QString::fromUtf8(entry.key);
  view.setDescription(QStringLiteral("Which view: %1.").arg(names.join(QStringLiteral(", "))));
  parser.addOptions({screenshot, export_to, view, size, theme, filter, state, select});
}

bool HeadlessOptions::isHeadless(const QCommandLineParser& parser) const {
  return parser.isSet(screenshot) || parser.isSet(export_to);
}

int run_headless(const QCommandLineParser& parser, const HeadlessOptions& options, const QString& database) {
  if (database.isEmpty() && parser.isSet(options.export_to))
    throw InputError("DATABASE", "is missing: which results?");
  const QSize size = size_of(parser.value(options.size));
  const QJsonObject state = json_of(parser, options.state);
  const QJsonObject typed_filter = json_of(parser, options.filter);
  check_filter(typed_filter);
  const RunFilter filter = RunFilter::fromJson(typed_filter);
  const std::vector<RunRef> selected = runs_of(parser.value(options.select));
  if (parser.isSet(options.screenshot)) export_format(parser.value(options.screenshot), {ExportFormat::png});

  MainWindow window;
  window.applyTheme(theme_of(parser.value(options.theme)));
  if (parser.isSet(options.view)) window.showView(parser.value(options.view));
  window.resize(size);
  window.show();
  if (window.size() != size) {
    throw InputError("--size", "the window needs at least " + std::to_string(window.width()) + "x" +
                                   std::to_string(window.height()));
  }
  if (!database.isEmpty()) {
    window.explorer().open(database);
    settle(window);
    if (window.explorer().state() == Explorer::State::failed)
      throw InputError(window.explorer().problem().toStdString(), "nothing was written");
  }
  if (const auto stored = window.explorer().snapshot()) {
    check_filter_names(filter, *stored);
    check_runs(selected, *stored);
  }
  window.explorer().setFilter(filter);
  window.explorer().select(selected);
  View* const view = window.currentView();
  if (view != nullptr && !state.isEmpty()) {
    check_state(state, *view);
    view->restoreState(state);
  }
  settle(window);
  if (view != nullptr) check_state_taken(state, *view);
  if (parser.isSet(options.export_to)) view->exportTo(parser.value(options.export_to));
  if (parser.isSet(options.screenshot)) export_pixmap(window.grab(), parser.value(options.screenshot));
  return 0;
}

}  // namespace razorscope::gui
