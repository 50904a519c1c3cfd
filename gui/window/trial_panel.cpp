#include "gui/window/trial_panel.hpp"

#include <QComboBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QSpinBox>
#include <QVBoxLayout>
#include <algorithm>

#include "gui/data/format.hpp"
#include "gui/widgets/combo_choice.hpp"
#include "gui/widgets/policy_form.hpp"
#include "gui/widgets/wrapped_label.hpp"

namespace razorscope::gui {
namespace {

constexpr double longest_seconds = 1.6;  // beyond it fewer steps are replayed
constexpr int fewest_steps = 4;

}  // namespace

TrialPanel::TrialPanel(Explorer& explorer, QWidget* parent)
    : QWidget(parent),
      explorer_(explorer),
      traces_(new QComboBox(this)),
      prefix_(new QSpinBox(this)),
      form_(new PolicyForm(this)),
      result_(new QLabel(this)) {
  traces_->setAccessibleName(tr("Recorded trace"));
  traces_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  prefix_->setAccessibleName(tr("Prefix in tokens"));
  prefix_->setRange(16, 1'000'000);
  prefix_->setValue(1536);
  prefix_->setKeyboardTracking(false);
  result_->setObjectName(QStringLiteral("trialResult"));
  wrap_words(*result_);
  result_->setTextFormat(Qt::RichText);
  auto* other = new QPushButton(tr("Other…"), this);
  auto* take = new QPushButton(tr("Take the selected run's policy"), this);
  auto* row = new QHBoxLayout;
  row->addWidget(traces_, 1);
  row->addWidget(other);
  auto* top = new QFormLayout;
  top->addRow(tr("Trace"), row);
  top->addRow(tr("Prefix"), prefix_);
  auto* scroll = new QScrollArea(this);
  scroll->setAccessibleName(tr("The policy"));
  scroll->setWidgetResizable(true);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setWidget(form_);
  auto* layout = new QVBoxLayout(this);
  layout->addLayout(top);
  layout->addWidget(take);
  layout->addWidget(scroll, 1);
  layout->addWidget(result_);

  wait_.setSingleShot(true);
  wait_.setInterval(120);
  connect(&wait_, &QTimer::timeout, this, &TrialPanel::replayNow);
  connect(form_, &PolicyForm::changed, this, &TrialPanel::ask);
  connect(prefix_, &QSpinBox::valueChanged, this, [this](int tokens) {
    form_->setLargestTokens(tokens);
    steps_ = wanted_steps_;
    ask();
  });
  connect(traces_, &QComboBox::activated, this, [this] {
    takeReplayOf(trace());
    steps_ = wanted_steps_;
    ask();
  });
  connect(other, &QPushButton::clicked, this, &TrialPanel::chooseTrace);
  connect(take, &QPushButton::clicked, this, &TrialPanel::takeSelectedRun);
  connect(&explorer_, &Explorer::snapshotChanged, this, &TrialPanel::fillTraces);
  fillTraces();
}

TrialPanel::~TrialPanel() { *stop_ = true; }

void TrialPanel::showEvent(QShowEvent* event) {
  QWidget::showEvent(event);
  fillTraces();
}

std::filesystem::path TrialPanel::trace() const { return traces_->currentData().toString().toStdString(); }

void TrialPanel::fillTraces() {
  if (!isVisible()) return;
  worker_.run(
      this, [stored = explorer_.snapshot()] { return known_traces(stored.get()); },
      [this](const std::vector<std::filesystem::path>& known) { showTraces(known); });
}

void TrialPanel::showTraces(std::vector<std::filesystem::path> known) {
  for (const std::filesystem::path& path : chosen_) {
    if (std::find(known.begin(), known.end(), path) == known.end()) known.push_back(path);
  }
  const QString before = traces_->currentData().toString();
  traces_->clear();
  for (const std::filesystem::path& path : known) {
    traces_->addItem(QString::fromStdString(path.stem().string()), QString::fromStdString(path.string()));
    traces_->setItemData(traces_->count() - 1, QString::fromStdString(path.string()), Qt::ToolTipRole);
  }
  const int same = traces_->findData(before);
  if (same >= 0) {
    traces_->setCurrentIndex(same);
  } else {
    takeReplayOf(trace());
  }
  if (!trial_ || same < 0) ask();
}

/// Prefix and steps of a stored replay of the trace, so that what is tried can stand beside it.
void TrialPanel::takeReplayOf(const std::filesystem::path& trace) {
  const auto stored = explorer_.snapshot();
  if (!stored) return;
  for (const TradeoffRow& replay : stored->data.replay) {
    if (replay.trace_path != trace.string()) continue;
    prefix_->setValue(replay.prefix);
    wanted_steps_ = steps_ = replay.steps;
    return;
  }
}

void TrialPanel::chooseTrace() {
  const QString path = QFileDialog::getOpenFileName(this, tr("Choose a recorded trace"), QString(),
                                                    tr("Traces (*.trace *.safetensors);;All files (*)"));
  if (path.isEmpty()) return;
  chosen_.emplace_back(path.toStdString());
  if (traces_->findData(path) < 0) traces_->addItem(QFileInfo(path).completeBaseName(), path);
  traces_->setCurrentIndex(traces_->findData(path));
  takeReplayOf(trace());
  ask();
}

void TrialPanel::takeSelectedRun() {
  const auto stored = explorer_.snapshot();
  const auto current = explorer_.currentRun();
  const Run* run = stored && current ? stored->find(*current) : nullptr;
  if (run == nullptr) {
    result_->setText(tr("No run is selected."));
    return;
  }
  form_->setPolicy(QString::fromStdString(stored->policy(*run)));
  if (run->kind != RunKind::replay) return;
  const TradeoffRow& row = stored->replay(*run);
  choose_data(*traces_, QString::fromStdString(row.trace_path));
  prefix_->setValue(row.prefix);
  wanted_steps_ = steps_ = row.steps;
}

void TrialPanel::ask() {
  if (!isVisible()) return;
  *stop_ = true;
  wait_.start();
}

void TrialPanel::replayNow() {
  if (trace().empty()) {
    result_->setText(
        tr("There is no recorded trace. <tt>razorscope record --model … --text … --out my.trace</tt> makes "
           "one."));
    return;
  }
  if (!form_->problem().isEmpty()) {
    result_->setText(form_->problem().toHtmlEscaped());
    return;
  }
  stop_ = std::make_shared<std::atomic<bool>>(false);
  const TrialRequest request{trace(), form_->policy().toStdString(), prefix_->value(), steps_};
  result_->setText(tr("Replaying %1 …").arg(form_->policy().toHtmlEscaped()));
  worker_.run(
      this, [bench = bench_, request, stop = stop_] { return bench->run(request, *stop); },
      [this, stop = stop_](const Trial& trial) {
        if (!*stop) showTrial(trial);
      },
      [this, stop = stop_](const QString& problem) {
        if (!*stop) result_->setText(problem.toHtmlEscaped());
      });
}

void TrialPanel::showTrial(const Trial& trial) {
  trial_ = trial;
  explorer_.setTrial(trial.row);
  const TradeoffRow& row = trial.row;
  const double share = static_cast<double>(row.physical_bytes) / static_cast<double>(*row.full_f16_bytes);
  QString text =
      tr("<b>Error %1</b> (p99 %2) at <b>%3</b> of the full cache's bytes (%4)<br>")
          .arg(figure_text(row.relative_error_mean, FigureKind::error),
               figure_text(row.relative_error_p99, FigureKind::error), figure_text(share, FigureKind::share),
               figure_text(static_cast<double>(row.physical_bytes), FigureKind::bytes));
  text +=
      tr("lost mass %1, attention KL %2 nats, %3 tokens kept a head<br>")
          .arg(figure_text(row.lost_mass_mean, FigureKind::error), figure_text(row.kl_mean, FigureKind::nats),
               figure_text(row.kept_tokens_mean, FigureKind::count));
  text += tr("%1, prefix %2, %3 queries, in %4 s; not stored")
              .arg(QString::fromStdString(row.text.empty() ? row.model : row.text).toHtmlEscaped())
              .arg(row.prefix)
              .arg(row.steps)
              .arg(trial.seconds, 0, 'f', 1);
  if (row.steps < wanted_steps_)
    text +=
        tr("<br>Fewer queries than the %1 of stored replays, to answer in time: it has no place among them.")
            .arg(wanted_steps_);
  result_->setText(text);
  if (trial.seconds > longest_seconds && steps_ > fewest_steps) steps_ = std::max(fewest_steps, steps_ / 2);
}

}  // namespace razorscope::gui
