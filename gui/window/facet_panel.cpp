#include "gui/window/facet_panel.hpp"

#include <QHeaderView>

namespace razorscope::gui {
namespace {

constexpr int most_unfolded = 12;  // names of a facet

}  // namespace

FacetPanel::FacetPanel(Explorer& explorer, QWidget* parent)
    : QTreeView(parent), model_(new FacetModel(explorer, this)) {
  setObjectName(QStringLiteral("facets"));
  setAccessibleName(tr("Filter runs by what they have in common"));
  setModel(model_);
  setUniformRowHeights(true);
  setRootIsDecorated(true);
  setExpandsOnDoubleClick(false);
  header()->setStretchLastSection(false);
  header()->setSectionResizeMode(FacetModel::nameColumn, QHeaderView::Stretch);
  header()->setSectionResizeMode(FacetModel::countColumn, QHeaderView::ResizeToContents);
  connect(model_, &QAbstractItemModel::modelReset, this, &FacetPanel::unfold);
  connect(model_, &QAbstractItemModel::dataChanged, this, &FacetPanel::hideEmpty);
  connect(this, &QTreeView::doubleClicked, model_, &FacetModel::chooseOnly);
  unfold();
}

void FacetPanel::unfold() {
  for (int row = 0; row < model_->rowCount(); ++row) {
    const QModelIndex facet = model_->index(row, 0);
    setFirstColumnSpanned(row, {}, true);
    setExpanded(facet, model_->rowCount(facet) <= most_unfolded);
  }
  hideEmpty();
}

/// "none" is no choice where every run has such a thing.
void FacetPanel::hideEmpty() {
  for (int row = 0; row < model_->rowCount(); ++row) {
    const QModelIndex facet = model_->index(row, 0);
    const int last = model_->rowCount(facet) - 1;
    const QModelIndex none = model_->index(last, FacetModel::nameColumn, facet);
    const bool is_choice = none.siblingAtColumn(FacetModel::countColumn).data().toInt() > 0 ||
                           none.data(Qt::CheckStateRole).toInt() == Qt::Checked;
    setRowHidden(last, facet, !is_choice);
  }
}

}  // namespace razorscope::gui
