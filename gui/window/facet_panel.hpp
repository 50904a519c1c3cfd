#pragma once

#include <QTreeView>

#include "gui/data/facet_model.hpp"

namespace razorscope::gui {

/// What runs are sorted into, with counts; checking narrows the filter. A double click leaves one name alone.
class FacetPanel : public QTreeView {
  Q_OBJECT

 public:
  explicit FacetPanel(Explorer& explorer, QWidget* parent = nullptr);

 private:
  void unfold();
  void hideEmpty();

  FacetModel* model_;
};

}  // namespace razorscope::gui
