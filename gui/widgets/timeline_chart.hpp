#pragma once

#include <vector>

#include "experiments/store/figures/palette.hpp"
#include "gui/widgets/chart.hpp"
#include "sim/serving/metrics.hpp"

namespace razorscope::gui {

/// What a serving run's engines did over time: requests that run and wait, KV in use, preemptions, tokens a
/// second, below one another with one axis of time.
class TimelineChart : public Chart {
  Q_OBJECT

 public:
  explicit TimelineChart(const QString& name, QWidget* parent = nullptr);

  /// policy: the colour of the run's policy.
  void setPoints(std::vector<TimelinePoint> points, const Paint& policy);
  const std::vector<TimelinePoint>& points() const { return points_; }
  int stripes() const { return static_cast<int>(stripes_.size()); }

 private:
  void draw();
  void fit();
  QString wordsAt(const QPointF& position) const;
  QString text() const;

  std::vector<TimelinePoint> points_;
  std::vector<size_t> earlier_;  // of each point, the one against which its rates are told
  Paint policy_ = paints::ink;
  std::vector<QCPAxisRect*> stripes_;  // from top to bottom
  std::vector<QCPItemText*> titles_;   // of each
};

}  // namespace razorscope::gui
