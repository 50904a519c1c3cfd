#include <QApplication>
#include <QCommandLineParser>
#include <cstdio>
#include <exception>

#include "gui/widgets/theme.hpp"
#include "gui/window/headless.hpp"
#include "gui/window/main_window.hpp"
#include "models/base/error.hpp"

namespace {

using namespace razorscope;
using namespace razorscope::gui;

/// Without a display, and where nobody looks, Qt draws into memory.
void choose_platform(bool headless) {
  const bool has_display =
      qEnvironmentVariableIsSet("DISPLAY") || qEnvironmentVariableIsSet("WAYLAND_DISPLAY");
  if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM") && headless && !has_display)
    qputenv("QT_QPA_PLATFORM", "offscreen");
}

/// What Qt says without a screen, and QCustomPlot of windows without room, is no news for a user.
void drop_chatter(QtMsgType type, const QMessageLogContext& context, const QString& message) {
  for (const char* known : {"propagateSizeHints", "XDG_RUNTIME_DIR not set", "Exceeded maximum expected"}) {
    if (message.contains(QLatin1String(known))) return;
  }
  std::fprintf(stderr, "%s\n", qFormatLogMessage(type, context, message).toUtf8().constData());
}

bool mentions(int argc, char** argv, const char* option) {
  for (int i = 1; i < argc; ++i) {
    if (QByteArray(argv[i]).startsWith(option)) return true;
  }
  return false;
}

int run(QApplication& application) {
  QCommandLineParser parser;
  parser.setApplicationDescription(
      QStringLiteral("Explores a Razorscope results database.\n\n"
                     "  razorscope-gui results.db\n"
                     "  razorscope-gui --screenshot tradeoff.png --view tradeoff results.db\n"
                     "  razorscope-gui --export front.csv --view tradeoff results.db"));
  parser.addHelpOption();
  parser.addVersionOption();
  const HeadlessOptions options(parser);
  parser.addPositionalArgument(QStringLiteral("DATABASE"), QStringLiteral("results of the command line"),
                               QStringLiteral("[DATABASE]"));
  if (!parser.parse(QApplication::arguments())) {
    const QStringList unknown = parser.unknownOptionNames();
    throw InputError(unknown.isEmpty() ? "command line" : "--" + unknown.front().toStdString(),
                     parser.errorText().toStdString() + "; --help lists the options");
  }
  parser.process(application);  // --help and --version
  const QStringList files = parser.positionalArguments();
  if (files.size() > 1) throw InputError("DATABASE", "one file at a time");
  if (options.isHeadless(parser)) return run_headless(parser, options, files.value(0));

  MainWindow window;
  window.restoreSession(files.isEmpty());
  if (parser.isSet(options.view)) window.showView(parser.value(options.view));
  if (!files.isEmpty()) window.openFile(files.front());
  window.show();
  return QApplication::exec();
}

}  // namespace

int main(int argc, char** argv) {
  qInstallMessageHandler(drop_chatter);
  choose_platform(mentions(argc, argv, "--screenshot") || mentions(argc, argv, "--export") ||
                  mentions(argc, argv, "--help") || mentions(argc, argv, "--version"));
  QApplication application(argc, argv);
  QApplication::setApplicationName(QStringLiteral("razorscope-gui"));
  QApplication::setApplicationVersion(QStringLiteral(RAZORSCOPE_VERSION));
  QApplication::setOrganizationName(QStringLiteral("Razorscope"));
  QApplication::setStyle(make_style());
  try {
    return run(application);
  } catch (const InputError& problem) {
    std::fprintf(stderr, "razorscope-gui: %s\n", problem.what());
    return 2;
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "razorscope-gui: %s\n", problem.what());
    return 1;
  }
}
