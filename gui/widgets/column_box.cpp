#include "gui/widgets/column_box.hpp"

#include "gui/widgets/combo_choice.hpp"

namespace razorscope::gui {

ColumnBox::ColumnBox(const std::vector<const char*>& keys, QWidget* parent) : QComboBox(parent) {
  for (const char* key : keys) {
    const RunColumn& column = run_columns()[static_cast<size_t>(run_column(QLatin1String(key)))];
    addItem(column.heading(), QString::fromUtf8(column.key));
    setItemData(count() - 1, QString::fromUtf8(column.help), Qt::ToolTipRole);
  }
  connect(this, &QComboBox::activated, this, &ColumnBox::chosen);
}

const RunColumn& ColumnBox::column() const { return run_columns()[static_cast<size_t>(run_column(key()))]; }

void ColumnBox::choose(const QString& key) { choose_data(*this, key); }

}  // namespace razorscope::gui
