#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QVBoxLayout>
#include <map>
#include <set>

#include "gui/data/head_interval_shelf.hpp"
#include "gui/data/tradeoff_points.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/column_box.hpp"
#include "gui/widgets/kept_zoom.hpp"
#include "gui/widgets/scatter_chart.hpp"

namespace razorscope::gui {
namespace {

constexpr QLatin1String all_subjects("all");  // in sessions
constexpr size_t most_fronts = 6;             // more of them would hide the points

/// Runs as points: what they hold in bytes to the right, what they lose upwards, a colour and a marker a
/// family of policies, and the front of those that no other one beats.
class TradeoffView final : public View {
 public:
  TradeoffView(Explorer& explorer, QWidget* parent)
      : View(explorer, parent),
        chart_(new ScatterChart(QStringLiteral("Trade-off"), this)),
        figure_(new ColumnBox({"relative_error_mean", "relative_error_p99", "relative_error_max",
                               "lost_mass_mean", "kl_mean", "output_error_mean", "regret_mean", "kl_to_full",
                               "nll_difference", "nll", "top1_agreement", "accuracy"},
                              this)),
        bytes_(new ColumnBox({"bytes_physical_relative", "compression", "bytes_per_token", "bytes_physical",
                              "bytes_logical", "bytes_nominal", "kept_tokens_mean"},
                             this)),
        subject_(new QComboBox(this)),
        front_(new QCheckBox(tr("Front"), this)),
        note_(new QLabel(this)) {
    setObjectName(QStringLiteral("tradeoff"));
    figure_->setAccessibleName(tr("Figure, upwards"));
    bytes_->setAccessibleName(tr("Bytes, to the right"));
    subject_->setAccessibleName(tr("Measured on"));
    subject_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    front_->setChecked(true);
    front_->setToolTip(tr("Connect the runs that no comparable run beats in both"));
    chart_->setLogarithmic(Qt::Horizontal, true);

    auto* choices = new QHBoxLayout;
    choices->addWidget(new QLabel(tr("Show")));
    choices->addWidget(figure_);
    choices->addWidget(new QLabel(tr("against")));
    choices->addWidget(bytes_);
    choices->addWidget(new QLabel(tr("on")));
    choices->addWidget(subject_, 1);
    choices->addWidget(front_);
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(choices);
    layout->addWidget(chart_, 1);
    layout->addWidget(note_);

    connect(figure_, &ColumnBox::chosen, this, [this] { fill(true, true); });
    connect(bytes_, &ColumnBox::chosen, this, [this] { fill(true, true); });
    connect(subject_, &QComboBox::activated, this, [this] { fill(false, true); });
    connect(front_, &QCheckBox::toggled, this, [this] { fill(false, false); });
    connect(chart_, &ScatterChart::drawnChanged, this, &TradeoffView::tell);
    connect(chart_, &ScatterChart::logarithmicChanged, this, [this] {
      if (chart_->isLogarithmic(Qt::Vertical) != usual_log_y_) chosen_log_y_ = true;
    });
    chart_->setDescribe([this](const SeriesPoint& point) { return words(point); });
    connect(chart_, &ScatterChart::runClicked, this, &TradeoffView::pick);
  }

  Picture* picture() override { return chart_; }

  QJsonObject saveState() const override {
    QJsonObject state = {{QStringLiteral("figure"), figure_->key()},
                         {QStringLiteral("bytes"), bytes_->key()},
                         {QStringLiteral("subject"), chosenSubject()},
                         {QStringLiteral("front"), front_->isChecked()},
                         {QStringLiteral("logX"), chart_->isLogarithmic(Qt::Horizontal)}};
    state[QLatin1String("logY")] =
        chosen_log_y_ ? QJsonValue(chart_->isLogarithmic(Qt::Vertical)) : QJsonValue();
    return state;
  }

  void restoreState(const QJsonObject& state) override {
    figure_->choose(state[QLatin1String("figure")].toString());
    bytes_->choose(state[QLatin1String("bytes")].toString());
    wanted_subject_ = state[QLatin1String("subject")].toString();
    front_->setChecked(state[QLatin1String("front")].toBool(true));
    chart_->setLogarithmic(Qt::Horizontal, state[QLatin1String("logX")].toBool(true));
    chosen_log_y_ = state[QLatin1String("logY")].isBool();
    if (chosen_log_y_) chart_->setLogarithmic(Qt::Vertical, state[QLatin1String("logY")].toBool());
    fill(true, true);
  }

 protected:
  void update(Changes changes) override {
    if (changes & newSnapshot) {
      if (const auto stored = explorer().snapshot()) head_intervals_.expire(stored->path);
      chooseWhatThereIs();
    }
    if (changes & (newSnapshot | newFilter | newTrial)) fill(true, !shown_before_);
    chart_->setSelected(explorer().selection());
  }

 private:
  QString chosenSubject() const {
    return subject_->count() > 0 && subject_->currentData().toInt() < 0 ? QString(all_subjects)
                                                                        : subject_->currentText();
  }

  /// A database without replays has other figures to show.
  void chooseWhatThereIs() {
    const auto stored = explorer().snapshot();
    if (!stored) return;
    const auto has_runs = [&] {
      return !tradeoff_subjects(*stored, explorer().visibleRuns(), bytes_->column(), figure_->column())
                  .empty();
    };
    const int before = figure_->currentIndex();
    for (int i = 0; !has_runs() && i < figure_->count(); ++i) figure_->setCurrentIndex(i);
    if (!has_runs()) figure_->setCurrentIndex(before);
  }

  /// subjects: whether what can be chosen may have changed.
  void fill(bool subjects, bool fit) {
    const auto stored = explorer().snapshot();
    if (!stored || explorer().visibleRuns().empty()) {
      runs_ = 0;
      chart_->setSeries({}, false);
      shown_before_ = false;
      chart_->setMessage(!stored ? tr("No database is open.") : tr("The filter leaves no run."));
      return;
    }
    if (subjects) fillSubjects(*stored);
    std::vector<TradeoffPoint> points =
        tradeoff_points(*stored, explorer().visibleRuns(), subject_->currentData().toInt(), bytes_->column(),
                        figure_->column());
    addHeadIntervals(*stored, points);
    chart_->setMessage(points.empty()
                           ? tr("None of these runs has both a figure “%1” and a figure “%2”.\nChoose "
                                "another figure, or change the filter.")
                                 .arg(figure_->column().heading(), bytes_->column().heading())
                           : QString());
    if (fit && !chosen_log_y_) {
      usual_log_y_ = spread_over_decades(points);
      chart_->setLogarithmic(Qt::Vertical, usual_log_y_);
    }
    chart_->setAxisLabels(bytes_->column().heading(), figure_->column().heading());
    chart_->setCaption(subject_->currentData().toInt() < 0 ? QString() : subject_->currentText());
    runs_ = points.size();
    chart_->setSeries(seriesOf(*stored, points), fit);
    shown_before_ = !points.empty();
  }

  /// Those that are there; the others follow as soon as they were read.
  void addHeadIntervals(const Snapshot& stored, std::vector<TradeoffPoint>& points) {
    without_intervals_ = 0;
    const auto of_heads = figure_->column().of_heads;
    if (of_heads == nullptr) return;
    std::vector<int64_t> replays;
    for (TradeoffPoint& point : points) {
      const Run& run = stored.runs[point.place];
      if (run.kind != RunKind::replay) continue;
      replays.push_back(run.ref.id);
      if (const HeadIntervals* known = head_intervals_.find(run.ref.id)) point.interval = known->*of_heads;
    }
    if (replays.size() > HeadIntervalShelf::most_runs) without_intervals_ = replays.size();
    head_intervals_.read(explorer(), this, replays, [this] {
      KeptZoom zoom(*chart_);
      fill(false, true);
      zoom.restore();
    });
  }

  void fillSubjects(const Snapshot& stored) {
    const QString before = wanted_subject_.isEmpty() ? chosenSubject() : wanted_subject_;
    const std::vector<int> subjects =
        tradeoff_subjects(stored, explorer().visibleRuns(), bytes_->column(), figure_->column());
    subject_->clear();
    for (const int subject : subjects)
      subject_->addItem(stored.subjects[static_cast<size_t>(subject)], subject);
    if (subjects.size() != 1) subject_->addItem(tr("all (%1)").arg(subjects.size()), -1);
    const int found = before == all_subjects ? subject_->findData(-1) : subject_->findText(before);
    if (found >= 0) wanted_subject_.clear();
    subject_->setCurrentIndex(std::max(0, found));
  }

  std::vector<Series> seriesOf(const Snapshot& stored, const std::vector<TradeoffPoint>& points) {
    std::map<QString, Series> families;
    std::map<int, std::vector<SeriesPoint>> fronts;
    on_front_.clear();
    for (const TradeoffPoint& point : points) {
      const Run& run = stored.runs[point.place];
      const QString family = stored.name(run, Facet::family);
      Series& series = families[family];
      if (series.points.empty()) {
        const PolicyStyle& style = policy_style(family.toStdString());
        series.name = family;
        series.paint = style.paint;
        series.marker = style.marker;
      }
      series.points.push_back({point.x, point.y, point.interval, run.ref, {}});
      if (!point.on_front) continue;
      fronts[run.subject].push_back({point.x, point.y, {}, {}, {}});
      on_front_.insert(run.ref);
    }
    std::vector<Series> all;
    fronts_left_out_ = front_->isChecked() && fronts.size() > most_fronts ? fronts.size() : 0;
    if (front_->isChecked() && fronts_left_out_ == 0) {
      for (auto& [subject, members] : fronts) {
        Series& line = all.emplace_back();
        line.name = all.size() == 1 ? tr("front") : QString();
        line.paint = paints::frame;
        line.shape = bytes_->column().less_is_better ? Series::Shape::steps : Series::Shape::line;
        line.dash = Qt::DashLine;
        line.has_markers = false;
        line.points = std::move(members);
      }
    }
    // In front of policies that keep all tokens, and are as large and as good.
    auto full = families.extract(QStringLiteral("full"));
    for (auto& [family, series] : families) all.push_back(std::move(series));
    if (full) all.push_back(std::move(full.mapped()));
    addTrial(stored, all);
    return all;
  }

  /// What is being tried, where it was measured on the same.
  void addTrial(const Snapshot& stored, std::vector<Series>& all) {
    if (!explorer().trial()) return;
    const TradeoffRow& row = *explorer().trial();
    const int subject = subject_->currentData().toInt();
    if (subject >= 0 && stored.subject_of(row) != subject) return;
    const Snapshot alone = snapshot_of(row);
    const auto x = bytes_->column().number(alone, alone.runs.front());
    const auto y = figure_->column().number(alone, alone.runs.front());
    if (!x || !y) return;
    Series& tried = all.emplace_back();
    tried.name = tr("tried");
    tried.paint = paints::ink;
    tried.marker = Marker::diamond;
    tried.size = 14.0;
    tried.points.push_back({*x, *y, {}, {}, tr("tried, not stored: %1").arg(policy_text(row.policy))});
  }

  QString words(const SeriesPoint& point) const {
    const auto stored = explorer().snapshot();
    const Run* run = stored && point.run ? stored->find(*point.run) : nullptr;
    if (run == nullptr) return {};
    const RunColumn& x = bytes_->column();
    const RunColumn& y = figure_->column();
    QString text = stored->label(*run);
    text += QStringLiteral("\n%1: %2").arg(x.heading(), figure_text(point.x, x.format));
    text += QStringLiteral("\n%1: %2").arg(y.heading(), figure_text(point.y, y.format));
    if (point.interval) {
      text +=
          QStringLiteral(" [%1, %2]")
              .arg(figure_text(point.interval->low, y.format), figure_text(point.interval->high, y.format));
      if (run->kind == RunKind::replay) text += tr(" over heads");
    }
    if (on_front_.contains(*point.run)) text += tr("\non the front");
    return text + QStringLiteral("\n%1").arg(stored->subjects[static_cast<size_t>(run->subject)]);
  }

  void tell() {
    if (runs_ > 0) {
      chart_->setMessage(chart_->withoutPlace() < runs_
                             ? QString()
                             : tr("None of these runs has a place on these axes: all are at 0 or below on a "
                                  "logarithmic one,\nor no numbers. A linear axis may show them."));
    }
    QStringList notes;
    if (chart_->behindOthers() > 0)
      notes += tr("behind others, to be seen by zooming in: %L1 runs").arg(chart_->behindOthers());
    if (chart_->withoutPlace() > 0)
      notes +=
          tr("without a place on a logarithmic axis, at 0 or below: %L1 runs").arg(chart_->withoutPlace());
    if (without_intervals_ > 0)
      notes += tr("%L1 runs without the intervals that the filter would show of up to %2")
                   .arg(without_intervals_)
                   .arg(HeadIntervalShelf::most_runs);
    if (fronts_left_out_ > 0)
      notes += tr("%L1 fronts would hide the runs: choose what they were measured on").arg(fronts_left_out_);
    note_->setText(notes.join(QStringLiteral("; ")));
    note_->setVisible(!notes.isEmpty());
  }

  ScatterChart* chart_;
  ColumnBox* figure_;
  ColumnBox* bytes_;
  QComboBox* subject_;
  QCheckBox* front_;
  QLabel* note_;
  QString wanted_subject_;  // of a session, until a database has it
  std::set<RunRef> on_front_;
  HeadIntervalShelf head_intervals_;
  size_t runs_ = 0;  // that are shown
  size_t fronts_left_out_ = 0;
  size_t without_intervals_ = 0;
  bool usual_log_y_ = false;   // what suits the figures that are shown
  bool chosen_log_y_ = false;  // by the user
  bool shown_before_ = false;
};

}  // namespace

View* make_tradeoff_view(Explorer& explorer, QWidget* parent) { return new TradeoffView(explorer, parent); }

}  // namespace razorscope::gui
