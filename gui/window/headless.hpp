#pragma once

#include <QCommandLineOption>
#include <QString>

class QCommandLineParser;

namespace razorscope::gui {

/// What can be asked for without anybody at the screen.
struct HeadlessOptions {
  QCommandLineOption screenshot;
  QCommandLineOption export_to;
  QCommandLineOption view;
  QCommandLineOption size;
  QCommandLineOption theme;
  QCommandLineOption filter;
  QCommandLineOption state;
  QCommandLineOption select;

  /// Adds them to the parser.
  explicit HeadlessOptions(QCommandLineParser& parser);
  bool isHeadless(const QCommandLineParser& parser) const;
};

/// Opens a database, shows a view, and writes what it shows. Returns the exit status; throws InputError for
/// what makes no sense, and where the database cannot be read.
int run_headless(const QCommandLineParser& parser, const HeadlessOptions& options, const QString& database);

}  // namespace razorscope::gui
