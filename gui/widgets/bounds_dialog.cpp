#include "gui/widgets/bounds_dialog.hpp"

#include <QDialog>
#include <QDialogButtonBox>
#include <QDoubleValidator>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <cmath>

#include "gui/data/format.hpp"

namespace razorscope::gui {

std::optional<FigureBounds> ask_bounds(const QString& figure, const FigureBounds& now, QWidget* parent) {
  QDialog dialog(parent);
  dialog.setWindowTitle(QDialog::tr("Filter"));
  auto* form = new QFormLayout(&dialog);
  form->addRow(new QLabel(figure));
  const auto field = [&](const QString& name, double value) {
    auto* edit = new QLineEdit(full_precision(value), &dialog);
    auto* validator = new QDoubleValidator(edit);
    validator->setLocale(QLocale::c());
    edit->setValidator(validator);
    edit->setPlaceholderText(QDialog::tr("no limit"));
    edit->setAccessibleName(name);
    form->addRow(name, edit);
    return edit;
  };
  QLineEdit* low = field(QDialog::tr("At least"), now.low);
  QLineEdit* high = field(QDialog::tr("At most"), now.high);
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, &dialog);
  QObject::connect(buttons, &QDialogButtonBox::accepted, &dialog, &QDialog::accept);
  QObject::connect(buttons, &QDialogButtonBox::rejected, &dialog, &QDialog::reject);
  form->addRow(buttons);
  if (dialog.exec() != QDialog::Accepted) return std::nullopt;
  FigureBounds bounds;
  if (!low->text().isEmpty()) bounds.low = QLocale::c().toDouble(low->text());
  if (!high->text().isEmpty()) bounds.high = QLocale::c().toDouble(high->text());
  return bounds;
}

}  // namespace razorscope::gui
