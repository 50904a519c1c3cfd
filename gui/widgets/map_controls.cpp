#include "gui/widgets/map_controls.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QSlider>
#include <algorithm>

#include "gui/data/token_words.hpp"

namespace razorscope::gui {
namespace {

constexpr int step_letters = 30;  // of the question, beside the slider

QSlider* make_slider(const char* name, const QString& accessible_name, QWidget* parent) {
  auto* slider = new QSlider(Qt::Horizontal, parent);
  slider->setObjectName(QString::fromLatin1(name));
  slider->setAccessibleName(accessible_name);
  slider->setRange(0, 0);
  slider->setPageStep(1);
  slider->setMinimumWidth(70);
  return slider;
}

}  // namespace

MapControls::MapControls(QWidget* parent)
    : QWidget(parent),
      layer_words_(new QLabel(this)),
      layer_(make_slider("layer", tr("Layer"), this)),
      head_words_(new QLabel(this)),
      head_(make_slider("head", tr("Head"), this)),
      step_words_(new QLabel(this)),
      step_(make_slider("step", tr("Tokens of the question that were read"), this)) {
  const QFontMetrics metrics = fontMetrics();
  layer_words_->setMinimumWidth(metrics.horizontalAdvance(tr("All layers")));
  head_words_->setMinimumWidth(metrics.horizontalAdvance(tr("All heads")));
  step_words_->setFixedWidth(metrics.averageCharWidth() * step_letters);
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(layer_words_);
  layout->addWidget(layer_, 2);
  layout->addWidget(head_words_);
  layout->addWidget(head_, 1);
  layout->addWidget(step_words_);
  layout->addWidget(step_, 2);
  for (QSlider* slider : {layer_, head_, step_}) {
    connect(slider, &QSlider::valueChanged, this, [this] {
      showWords();
      Q_EMIT changed();
    });
  }
  showWords();
}

MapChoice MapControls::choice() const { return {layer_->value() - 1, head_->value() - 1, step_->value()}; }

void MapControls::setChoice(const MapChoice& choice) {
  // The first position is all of them, and numbers from files go up to where one more is too many.
  const auto position = [](const QSlider& slider, int number) {
    return std::clamp(number, -1, slider.maximum() - 1) + 1;
  };
  layer_->setValue(position(*layer_, choice.layer));
  head_->setValue(position(*head_, choice.head));
  step_->setValue(choice.step);
}

void MapControls::setExtent(const MapExtent& extent, const MapChoice& choice,
                            const std::shared_ptr<const AttentionRecord>& record) {
  const QSignalBlocker quiet(this);
  record_ = record;
  layer_->setRange(0, extent.layers);
  head_->setRange(0, extent.heads);
  step_->setRange(0, extent.steps);
  for (QSlider* slider : {layer_, head_, step_}) slider->setEnabled(slider->maximum() > 0);
  setChoice(choice);
  showWords();
}

void MapControls::showWords() {
  const MapChoice of = choice();
  layer_words_->setText(of.layer < 0 ? tr("All layers") : tr("Layer %1").arg(of.layer));
  head_words_->setText(of.head < 0 ? tr("All heads") : tr("Head %1").arg(of.head));
  const QString read = step_words(record_.get(), of.step);
  const QString before = tr("Step %1: ").arg(of.step);
  const QFontMetrics metrics = step_words_->fontMetrics();
  const int room = step_words_->width() - metrics.horizontalAdvance(before) - 4;
  step_words_->setText(before + metrics.elidedText(read, Qt::ElideLeft, room));
  step_words_->setToolTip(read);
  layer_->setAccessibleDescription(layer_words_->text());
  head_->setAccessibleDescription(head_words_->text());
  step_->setAccessibleDescription(before + read);
}

}  // namespace razorscope::gui
