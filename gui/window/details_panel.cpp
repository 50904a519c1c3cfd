#include "gui/window/details_panel.hpp"

namespace razorscope::gui {
namespace {

QString table(const DetailLines& lines) {
  QString html = QStringLiteral("<table cellspacing='0' cellpadding='2'>");
  for (const auto& [name, value] : lines) {
    html += QStringLiteral("<tr><td><b>%1</b>&nbsp;</td><td>%2</td></tr>")
                .arg(name.toHtmlEscaped(), value.toHtmlEscaped());
  }
  return html + QStringLiteral("</table>");
}

}  // namespace

DetailsPanel::DetailsPanel(Explorer& explorer, QWidget* parent) : QTextBrowser(parent), explorer_(explorer) {
  setAccessibleName(tr("About the selected run"));
  setOpenLinks(false);
  connect(&explorer_, &Explorer::selectionChanged, this, &DetailsPanel::showRun);
  connect(&explorer_, &Explorer::snapshotChanged, this, &DetailsPanel::showRun);
  showRun();
}

void DetailsPanel::showRun() {
  const auto stored = explorer_.snapshot();
  shown_ = explorer_.currentRun();
  const Run* run = stored && shown_ ? stored->find(*shown_) : nullptr;
  if (run == nullptr) {
    setPlainText(tr("Select a run in any view to see all about it here."));
    return;
  }
  const DetailLines figures = run_details(*stored, *run);
  write(figures, {});
  explorer_.worker().read(
      stored->path, this,
      [ref = *shown_](Store& store) {
        return provenance_details(store.provenance_of_run(ref.on_device, ref.id));
      },
      [this, ref = *shown_, figures](const DetailLines& origin) {
        if (shown_ == ref) write(figures, origin);
      });
}

void DetailsPanel::write(const DetailLines& figures, const DetailLines& origin) {
  QString html = table(figures);
  if (!origin.empty())
    html += QStringLiteral("<p><b>%1</b></p>").arg(tr("Where it comes from")) + table(origin);
  const size_t others = explorer_.selection().size() - 1;
  if (others > 0) html += QStringLiteral("<p>%1</p>").arg(tr("%L1 other runs are selected.").arg(others));
  setHtml(html);
}

}  // namespace razorscope::gui
