#pragma once

#include <QWidget>

#include "gui/data/token_map.hpp"

class QLabel;
class QSlider;

namespace razorscope::gui {

/// Sliders for the layer, the head and the step of a token map; the first position of layer and head is all
/// of them. Words beside each say where it stands, at a step what was read of the question.
class MapControls : public QWidget {
  Q_OBJECT

 public:
  explicit MapControls(QWidget* parent = nullptr);

  MapChoice choice() const;
  /// What is beyond the extent is brought into it.
  void setChoice(const MapChoice& choice);
  /// The same without telling of a change. record: of the question; null where there is none.
  void setExtent(const MapExtent& extent, const MapChoice& choice,
                 const std::shared_ptr<const AttentionRecord>& record);

 Q_SIGNALS:
  void changed();

 private:
  void showWords();

  QLabel* layer_words_;
  QSlider* layer_;
  QLabel* head_words_;
  QSlider* head_;
  QLabel* step_words_;
  QSlider* step_;
  std::shared_ptr<const AttentionRecord> record_;
};

}  // namespace razorscope::gui
