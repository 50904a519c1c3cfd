#include "gui/views/view.hpp"

#include <stdexcept>

namespace razorscope::gui {

View::View(Explorer& explorer, QWidget* parent)
    : QWidget(parent), explorer_(explorer), changes_(Changes(newSnapshot | newFilter | newSelection)) {
  update_.setSingleShot(true);
  connect(&update_, &QTimer::timeout, this, [this] {
    if (isVisible()) update(std::exchange(changes_, {}));
  });
  connect(&explorer, &Explorer::snapshotChanged, this, [this] { note(newSnapshot); });
  connect(&explorer, &Explorer::filterChanged, this, [this] { note(newFilter); });
  connect(&explorer, &Explorer::selectionChanged, this, [this] { note(newSelection); });
  connect(&explorer, &Explorer::trialChanged, this, [this] { note(newTrial); });
}

void View::note(Change change) {
  changes_ |= change;
  if (isVisible()) update_.start(0);
}

void View::showEvent(QShowEvent* event) {
  QWidget::showEvent(event);
  if (changes_) update_.start(0);
}

void View::pick(const RunRef& run, bool toggles) {
  if (toggles) {
    explorer_.toggle(run);
  } else {
    explorer_.selectOnly(run);
  }
}

std::vector<ExportFormat> View::exportFormats() {
  if (picture() == nullptr) return {ExportFormat::csv};
  return {ExportFormat::png, ExportFormat::svg, ExportFormat::pdf, ExportFormat::csv};
}

void View::exportTo(const QString& path) {
  const ExportFormat format = export_format(path, exportFormats());
  if (const QString why = nothingToExport(); !why.isEmpty())
    throw std::runtime_error("nothing was written to " + path.toStdString() + ": " + why.toStdString());
  Picture* const drawn = picture();
  if (drawn != nullptr) {
    export_picture(*drawn, path, format);
  } else {
    export_text(csv(), path);
  }
}

}  // namespace razorscope::gui
