#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QScrollArea>
#include <QSplitter>
#include <QVBoxLayout>
#include <algorithm>
#include <optional>
#include <utility>

#include "experiments/store/report.hpp"
#include "gui/data/serving_curves.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/combo_choice.hpp"
#include "gui/widgets/kept_zoom.hpp"
#include "gui/widgets/picture_group.hpp"
#include "gui/widgets/scatter_chart.hpp"
#include "gui/widgets/short_ticker.hpp"
#include "gui/widgets/timeline_chart.hpp"
#include "gui/widgets/wrapped_label.hpp"

namespace razorscope::gui {
namespace {

/// Latency and throughput against load, a line a policy; below, what the current run's engines did over time.
class ServingView final : public View {
 public:
  ServingView(Explorer& explorer, QWidget* parent)
      : View(explorer, parent),
        subject_(new QComboBox(this)),
        latency_(new QComboBox(this)),
        percentile_(new QComboBox(this)),
        throughput_(new QComboBox(this)),
        left_(new ScatterChart(QStringLiteral("Latency against load"), this)),
        right_(new ScatterChart(QStringLiteral("Throughput against load"), this)),
        timeline_(new TimelineChart(QStringLiteral("Timeline"), this)),
        note_(new QLabel(this)),
        picture_(*this, {left_, right_, timeline_}, [this] { return csv(); }) {
    makeControls();
    left_->setLogarithmic(Qt::Vertical, true);
    for (ScatterChart* chart : {left_, right_}) {
      chart->setLegendBelow(2);
      const auto shorten = [chart] { name_ticks_shortly(*chart->plot().yAxis, 5); };
      connect(chart, &Chart::logarithmicChanged, this, shorten);
      shorten();
    }
    auto* curves = new QSplitter(Qt::Horizontal, this);
    curves->addWidget(left_);
    curves->addWidget(right_);
    curves->setStretchFactor(0, 5);
    curves->setStretchFactor(1, 6);
    curves->setChildrenCollapsible(false);
    auto* sheet = new QSplitter(Qt::Vertical, this);
    sheet->addWidget(curves);
    sheet->addWidget(timeline_);
    sheet->setStretchFactor(0, 1);
    sheet->setStretchFactor(1, 1);
    sheet->setSizes({330, 270});
    sheet->setChildrenCollapsible(false);
    timeline_->setToolsVisible(false);
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(subject_);
    layout->addLayout(choices_);
    layout->addWidget(note_);
    auto* scroll = new QScrollArea(this);
    scroll->setAccessibleName(tr("Charts of serving"));
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setWidget(sheet);
    curves->setMinimumHeight(280);
    timeline_->setMinimumHeight(240);
    layout->addWidget(scroll, 1);
    for (ScatterChart* chart : {left_, right_}) {
      connect(chart, &ScatterChart::runClicked, this, &ServingView::pick);
    }
    left_->setDescribe([this](const SeriesPoint& point) { return words(point, latency()); });
    right_->setDescribe([this](const SeriesPoint& point) { return words(point, throughput()); });
    // A policy that is hidden in one is hidden in both.
    connect(left_, &Chart::hiddenChanged, this, [this] { right_->setHidden(left_->hidden()); });
    connect(right_, &Chart::hiddenChanged, this, [this] { left_->setHidden(right_->hidden()); });
  }

  Picture* picture() override { return &picture_; }

  /// The table that `razorscope report --section serving --format csv` makes of these runs.
  QString csv() const override {
    const auto stored = explorer().snapshot();
    if (!stored) return {};
    ReportData shown;
    for (const size_t place : curves_.places) shown.serving.push_back(stored->serving(stored->runs[place]));
    return QString::fromStdString(format_whole_report(shown, ReportFormat::csv, ReportSection::serving));
  }

  QJsonObject saveState() const override {
    return {{QStringLiteral("subject"), subject_->currentText()},
            {QStringLiteral("latency"), latency_->currentData().toString()},
            {QStringLiteral("percentile"), percentile_->currentData().toString()},
            {QStringLiteral("throughput"), throughput_->currentData().toString()},
            {QStringLiteral("logLatency"), left_->isLogarithmic(Qt::Vertical)}};
  }

  void restoreState(const QJsonObject& state) override {
    const auto choose = [&](QComboBox& box, const char* key) {
      choose_data(box, state[QLatin1String(key)].toString());
    };
    choose(*latency_, "latency");
    choose(*percentile_, "percentile");
    choose(*throughput_, "throughput");
    left_->setLogarithmic(Qt::Vertical, state[QLatin1String("logLatency")].toBool(true));
    wanted_subject_ = state[QLatin1String("subject")].toString();
    fillSubjects();
    fill(true);
  }

  bool isBusy() const override { return loading_ || View::isBusy(); }

 protected:
  void update(Changes changes) override {
    if (changes & (newSnapshot | newFilter)) fillSubjects();
    if (changes & newSelection) followSelection();
    if (changes & newSnapshot) shown_run_.reset();
    if (changes & (newSnapshot | newFilter)) {
      fillAgain();
    } else if (!showsSelection()) {
      fill(false);
    } else {
      select();
    }
    showRun();
  }

 private:
  void makeControls() {
    const auto name = [](QComboBox& box, const QString& text) {
      box.setAccessibleName(text);
      box.setToolTip(text);
    };
    name(*subject_, tr("What was served, on what"));
    name(*latency_, tr("Latency"));
    name(*percentile_, tr("Percentile of requests"));
    name(*throughput_, tr("Throughput"));
    subject_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    const auto add = [](QComboBox& box, const std::vector<LoadMeasure>& measures) {
      for (const LoadMeasure& measure : measures) {
        box.addItem(QString::fromUtf8(measure.title), QString::fromUtf8(measure.key));
        box.setItemData(box.count() - 1, QString::fromUtf8(measure.help), Qt::ToolTipRole);
      }
    };
    add(*latency_, latency_measures());
    add(*throughput_, throughput_measures());
    for (const LatencyPercentile& percentile : latency_percentiles())
      percentile_->addItem(QString::fromUtf8(percentile.key), QString::fromUtf8(percentile.key));
    percentile_->addItem(tr("all three"), QStringLiteral("all"));
    percentile_->setCurrentIndex(1);
    note_->setObjectName(QStringLiteral("note"));
    wrap_words(*note_);
    note_->hide();
    choices_ = new QHBoxLayout;
    choices_->addWidget(latency_);
    choices_->addWidget(percentile_);
    choices_->addStretch(1);
    choices_->addWidget(throughput_);
    choices_->addStretch(1);
    connect(subject_, &QComboBox::activated, this, [this] {
      fill(true);
      showRun();
    });
    for (QComboBox* box : {latency_, percentile_, throughput_})
      connect(box, &QComboBox::activated, this, [this] { fill(true); });
  }

  void fillSubjects() {
    const auto stored = explorer().snapshot();
    const QString before = wanted_subject_.isEmpty() ? subject_->currentText() : wanted_subject_;
    subject_->clear();
    if (!stored) return;
    for (const int subject : serving_subjects(*stored, explorer().visibleRuns())) {
      subject_->addItem(stored->subjects[static_cast<size_t>(subject)], subject);
      subject_->setItemData(subject_->count() - 1, subject_->itemText(subject_->count() - 1),
                            Qt::ToolTipRole);
    }
    const int found = subject_->findText(before);
    if (found >= 0) wanted_subject_.clear();
    subject_->setCurrentIndex(std::max(0, found));
  }

  /// A run that is selected elsewhere is shown among those that it may be compared with.
  void followSelection() {
    const Run* run = currentServing();
    if (run == nullptr) return;
    choose_data(*subject_, run->subject);
  }

  /// Whether what is drawn has the subject that is chosen, and a curve for each selected run of it.
  bool showsSelection() const {
    const auto stored = explorer().snapshot();
    if (!stored || shown_subject_ != subject_->currentText()) return false;
    return std::all_of(
        explorer().selection().begin(), explorer().selection().end(), [&](const RunRef& selected) {
          const Run* run = stored->find(selected);
          if (run == nullptr || run->kind != RunKind::serving || !stored->serving(*run).rate) return true;
          return run->subject != subject_->currentData().toInt() ||
                 std::any_of(curves_.curves.begin(), curves_.curves.end(), [&](const LoadCurve& curve) {
                   return curve.policy == stored->serving(*run).policy;
                 });
        });
  }

  void select() {
    for (ScatterChart* chart : {left_, right_}) chart->setSelected(explorer().selection());
  }

  const Run* currentServing() const {
    const auto stored = explorer().snapshot();
    if (!stored) return nullptr;
    const auto& selected = explorer().selection();
    for (auto run = selected.rbegin(); run != selected.rend(); ++run) {
      const Run* found = stored->find(*run);
      if (found != nullptr && found->kind == RunKind::serving) return found;
    }
    return nullptr;
  }

  const LoadMeasure& latency() const {
    return latency_measures()[static_cast<size_t>(std::max(0, latency_->currentIndex()))];
  }
  const LoadMeasure& throughput() const {
    return throughput_measures()[static_cast<size_t>(std::max(0, throughput_->currentIndex()))];
  }

  void fillAgain() {
    KeptZoom left(*left_);
    KeptZoom right(*right_);
    const QString before = shown_subject_;
    fill(true);
    if (shown_subject_ != before) return;
    left.restore();
    right.restore();
  }

  /// Shows all of a subject that was not shown before.
  void fill(bool fit) {
    const auto stored = explorer().snapshot();
    curves_ = stored && subject_->count() > 0
                  ? load_curves(*stored, explorer().visibleRuns(), subject_->currentData().toInt(),
                                explorer().selection())
                  : LoadCurves();
    const QString why =
        !stored ? tr("No database is open.")
        : subject_->count() == 0
            ? tr("None of these runs served a workload.\n“razorscope serve --device … --model … "
                 "--workload … --rates …” adds some.")
        : curves_.curves.empty() ? tr("All requests arrived at once: there is no rate to draw against.")
                                 : QString();
    for (ScatterChart* chart : {left_, right_}) chart->setMessage(why);
    subject_->setToolTip(subject_->currentText());
    QStringList notes;
    if (curves_.at_once > 0)
      notes += tr("Not drawn: %L1 runs whose requests arrive all at once.").arg(curves_.at_once);
    if (curves_.left_out > 0)
      notes += tr("Not drawn: %L1 more policies; those of selected runs are, and the filter chooses.")
                   .arg(curves_.left_out);
    note_->setText(notes.join(u' '));
    note_->setVisible(!notes.isEmpty() && !curves_.curves.empty());
    const QString before = std::exchange(shown_subject_, why.isEmpty() ? subject_->currentText() : QString());
    fit = fit || shown_subject_ != before;
    if (!why.isEmpty()) {
      left_->setSeries({}, false);
      right_->setSeries({}, false);
      return;
    }
    const QString rate = tr("requests/s that arrive");
    left_->setAxisLabels(rate, latency().heading());
    right_->setAxisLabels(rate, throughput().heading());
    left_->setCaption(latencyName());
    latency_->setToolTip(QString::fromUtf8(latency().help));
    right_->setCaption(
        tr("%1: %2").arg(QString::fromUtf8(throughput().title), QString::fromUtf8(throughput().help)));
    left_->setSeries(latencySeries(*stored), fit);
    right_->setSeries(throughputSeries(*stored), fit);
    select();
  }

  QString latencyName() const {
    const QString title = QString::fromUtf8(latency().title);
    return percentile_->currentIndex() < static_cast<int>(latency_percentiles().size())
               ? tr("%1 %2: %3").arg(title, percentile_->currentText(), QString::fromUtf8(latency().help))
               : tr("%1 p50 (thick), p90, p99 (thin)").arg(title);
  }

  /// Families share a colour and a marker: their second has hollow ones, and each another dash.
  static Series seriesOf(const LoadCurve& curve) {
    const PolicyStyle& style = policy_style(curve.policy);
    static constexpr Qt::PenStyle dashes[] = {Qt::SolidLine, Qt::DashLine, Qt::DotLine, Qt::DashDotLine};
    Series series;
    series.name = policy_text(curve.policy);
    series.paint = style.paint;
    series.marker = style.marker;
    series.shape = Series::Shape::line;
    series.dash = dashes[curve.nth_of_family % std::size(dashes)];
    series.hollow = curve.nth_of_family % 2 == 1;
    series.width = 2.0;
    return series;
  }

  Series pointsOf(const Snapshot& stored, const LoadCurve& curve, const LoadMeasure& measure,
                  const LatencyPercentile& percentile) const {
    Series series = seriesOf(curve);
    for (const size_t place : curve.places) {
      const Run& run = stored.runs[place];
      const ServingRow& row = stored.serving(run);
      series.points.push_back({*row.rate, measured(row, measure, percentile), {}, run.ref, {}});
    }
    return series;
  }

  QString words(const SeriesPoint& point, const LoadMeasure& measure) const {
    const auto stored = explorer().snapshot();
    const Run* run = stored && point.run ? stored->find(*point.run) : nullptr;
    return run == nullptr ? QString() : load_words(stored->serving(*run), measure);
  }

  std::vector<Series> latencySeries(const Snapshot& stored) const {
    std::vector<Series> all;
    const std::vector<LatencyPercentile>& percentiles = latency_percentiles();
    const auto chosen = static_cast<size_t>(std::max(0, percentile_->currentIndex()));
    for (const LoadCurve& curve : curves_.curves) {
      for (size_t i = 0; i < percentiles.size(); ++i) {
        if (chosen < percentiles.size() && i != chosen) continue;
        Series series = pointsOf(stored, curve, latency(), percentiles[i]);
        if (chosen >= percentiles.size()) {
          static constexpr double widths[] = {2.6, 1.5, 0.8};
          series.width = widths[i];
          series.has_markers = i == 0;
          series.in_legend = i == 0;
        }
        all.push_back(std::move(series));
      }
    }
    if (latency().limit != nullptr) addLimit(stored, all);
    return all;
  }

  std::vector<Series> throughputSeries(const Snapshot& stored) const {
    std::vector<Series> all;
    for (const LoadCurve& curve : curves_.curves)
      all.push_back(pointsOf(stored, curve, throughput(), latency_percentiles().front()));
    const bool is_rate =
        QByteArray(throughput().key) == "goodput" || QByteArray(throughput().key) == "request_rate";
    if (is_rate) {
      const auto [low, high] = rates(stored);
      Series line = reference(tr("all that arrive"), paints::frame, Qt::DotLine);
      line.points = {{low, low, {}, {}, {}}, {high, high, {}, {}, {}}};
      all.push_back(std::move(line));
    }
    return all;
  }

  void addLimit(const Snapshot& stored, std::vector<Series>& all) const {
    const ServingRow& first = stored.serving(stored.runs[curves_.curves.front().places.front()]);
    const std::optional<double> limit = first.level.*latency().limit;
    if (!limit) return;
    const auto [low, high] = rates(stored);
    Series line = reference(tr("service level"), paints::warning, Qt::DashLine);
    line.points = {{low, *limit * 1e3, {}, {}, {}}, {high, *limit * 1e3, {}, {}, {}}};
    all.push_back(std::move(line));
  }

  static Series reference(const QString& name, const Paint& paint, Qt::PenStyle dash) {
    Series line;
    line.name = name;
    line.paint = paint;
    line.shape = Series::Shape::line;
    line.dash = dash;
    line.has_markers = false;
    return line;
  }

  std::pair<double, double> rates(const Snapshot& stored) const {
    std::pair<double, double> range = {1e300, 0.0};
    for (const LoadCurve& curve : curves_.curves) {
      range.first = std::min(range.first, *stored.serving(stored.runs[curve.places.front()]).rate);
      range.second = std::max(range.second, *stored.serving(stored.runs[curve.places.back()]).rate);
    }
    return range;
  }

  /// The run whose timeline is shown: the current one, else the first policy's at its highest rate.
  const Run* chooseRun(const Snapshot& stored) const {
    const Run* current = currentServing();
    if (current != nullptr) return current;
    if (!curves_.curves.empty()) return &stored.runs[curves_.curves.front().places.back()];
    for (const size_t place : explorer().visibleRuns()) {
      if (stored.runs[place].kind == RunKind::serving) return &stored.runs[place];
    }
    return nullptr;
  }

  void showRun() {
    const auto stored = explorer().snapshot();
    const Run* run = stored ? chooseRun(*stored) : nullptr;
    if (run == nullptr) {
      ++asked_;
      loading_ = false;
      shown_run_.reset();
      drawn_run_.reset();
      timeline_->setPoints({}, paints::ink);
      timeline_->setMessage(tr("No workload served is selected."));
      return;
    }
    const ServingRow& row = stored->serving(*run);
    timeline_->setCaption(
        tr("%1run d%2: %3, %4")
            .arg(explorer().isSelected(run->ref) ? QString() : tr("None is selected; shown is "))
            .arg(run->ref.id)
            .arg(policy_text(row.policy),
                 row.rate ? tr("%1 requests/s").arg(figure_text(*row.rate, FigureKind::rate))
                          : tr("all requests at once")));
    if (shown_run_ == run->ref) return;
    shown_run_ = run->ref;
    loading_ = true;
    const int asked = ++asked_;
    explorer().worker().read(
        stored->path, this, [id = run->ref.id](Store& store) { return store.timeline(id); },
        [this, asked, ref = run->ref,
         paint = policy_style(row.policy).paint](const std::vector<TimelinePoint>& points) {
          if (asked != asked_) return;
          loading_ = false;
          timeline_->setMessage(points.empty() ? tr("No timeline of this run is stored.") : QString());
          KeptZoom zoom(*timeline_);
          timeline_->setPoints(points, paint);
          if (std::exchange(drawn_run_, ref) == ref) zoom.restore();
        },
        [this, asked](const QString& why) {
          if (asked != asked_) return;
          loading_ = false;
          shown_run_.reset();
          timeline_->setMessage(why);
        });
  }

  QComboBox* subject_;
  QComboBox* latency_;
  QComboBox* percentile_;
  QComboBox* throughput_;
  ScatterChart* left_;
  ScatterChart* right_;
  TimelineChart* timeline_;
  QLabel* note_;
  QHBoxLayout* choices_ = nullptr;
  PictureGroup picture_;
  LoadCurves curves_;
  QString shown_subject_;            // of the curves; "": there are none
  std::optional<RunRef> shown_run_;  // whose timeline was asked for
  std::optional<RunRef> drawn_run_;  // whose timeline is there
  QString wanted_subject_;           // of a session, until a database has it
  int asked_ = 0;
  bool loading_ = false;
};

}  // namespace

View* make_serving_view(Explorer& explorer, QWidget* parent) { return new ServingView(explorer, parent); }

}  // namespace razorscope::gui
