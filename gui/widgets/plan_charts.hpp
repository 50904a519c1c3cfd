#pragma once

#include <QWidget>
#include <vector>

#include "gui/data/device_plan.hpp"
#include "gui/widgets/bar_chart.hpp"

namespace razorscope::gui {

/// A plan as bars: memory of a device, time of a decode step, largest batch, largest context; beside each
/// other where there is room.
class PlanCharts : public QWidget {
  Q_OBJECT

 public:
  explicit PlanCharts(QWidget* parent = nullptr);

  void show(const PlanAnswer& answer);
  /// In place of bars; "": bars.
  void setMessage(const QString& why);
  const std::vector<Chart*>& charts() const { return charts_; }
  BarChart& memory() { return *memory_; }
  BarChart& decode() { return *decode_; }
  BarChart& batch() { return *batch_; }
  BarChart& context() { return *context_; }

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  void arrange();

  BarChart* memory_;
  BarChart* decode_;
  BarChart* batch_;
  BarChart* context_;
  std::vector<Chart*> charts_;
  int columns_ = 0;
  int label_width_ = 0;  // pixels of the longest
};

}  // namespace razorscope::gui
