#include "gui/window/key_list.hpp"

#include <QObject>
#include <utility>
#include <vector>

#include "gui/views/view.hpp"

namespace razorscope::gui {

QString key_list_html() {
  std::vector<std::pair<QString, QString>> keys = {
      {QStringLiteral("Ctrl+O"), QObject::tr("Open a database")},
      {QStringLiteral("Ctrl+F"), QObject::tr("Search runs")},
      {QStringLiteral("Ctrl+E"), QObject::tr("Export what is shown")},
      {QStringLiteral("Ctrl+Z, Ctrl+Shift+Z"), QObject::tr("Undo and redo a change of the filter")},
      {QStringLiteral("Ctrl+S"), QObject::tr("Save view and filter under a name")},
      {QStringLiteral("Ctrl+W"), QObject::tr("Close the database")},
      {QStringLiteral("F5"), QObject::tr("Read the database again")},
      {QStringLiteral("F11"), QObject::tr("Full screen")},
      {QStringLiteral("Ctrl+Q"), QObject::tr("Quit")},
      {QStringLiteral("?, F1"), QObject::tr("This list")},
  };
  int number = 1;
  for (const ViewEntry& view : view_catalogue())
    keys.emplace_back(QStringLiteral("Ctrl+%1").arg(number++), QString::fromUtf8(view.title));
  keys.insert(keys.end(),
              {{QObject::tr("In charts: wheel, + and −"), QObject::tr("Zoom")},
               {QObject::tr("Dragging, arrow keys"), QObject::tr("Move")},
               {QObject::tr("Home, double click"), QObject::tr("Show all")},
               {QObject::tr("Click, Ctrl+click"), QObject::tr("Select a run, add it to the selection")},
               {QObject::tr("Click on the legend"), QObject::tr("Hide and show a series")},
               {QObject::tr("In tables: click, Shift+click on a header"),
                QObject::tr("Order by a column, by one more")},
               {QStringLiteral("Ctrl+C, Ctrl+Shift+C"), QObject::tr("Copy rows as TSV, as Markdown")},
               {QObject::tr("In the token map: arrow keys"), QObject::tr("Move the chosen token")},
               {QObject::tr("+, −, Ctrl+wheel; 0"), QObject::tr("Zoom the text; as it was")}});
  QString html = QStringLiteral("<table cellpadding='3'>");
  for (const auto& [key, what] : keys)
    html += QStringLiteral("<tr><td><b>%1</b></td><td>%2</td></tr>")
                .arg(key.toHtmlEscaped(), what.toHtmlEscaped());
  return html + QStringLiteral("</table>");
}

}  // namespace razorscope::gui
