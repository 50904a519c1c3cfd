#include <QCheckBox>
#include <QComboBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSplitter>
#include <QTableView>
#include <QVBoxLayout>

#include "gui/data/comparison_model.hpp"
#include "gui/data/format.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/scatter_chart.hpp"
#include "gui/widgets/wrapped_label.hpp"

namespace razorscope::gui {
namespace {

constexpr size_t most_drawn = 24;  // figures; the table has all

/// Two runs that are selected, or two databases: every figure's difference with its interval.
class CompareView final : public View {
 public:
  CompareView(Explorer& explorer, QWidget* parent)
      : View(explorer, parent),
        chart_(new ScatterChart(QStringLiteral("Differences"), this)),
        table_(new QTableView(this)),
        model_(new ComparisonModel(this)),
        swap_(new QPushButton(tr("Swap A and B"), this)),
        other_(new QPushButton(tr("Another database…"), this)),
        back_(new QPushButton(tr("Selected runs"), this)),
        changed_only_(new QCheckBox(tr("Changed only"), this)),
        summary_(new QLabel(this)) {
    chart_->setCanBeLogarithmic(Qt::Horizontal, false);
    chart_->setCanBeLogarithmic(Qt::Vertical, false);
    chart_->setAxisLabels({}, tr("B − A, in % of A"));
    chart_->setFit([this] { fitAxes(); });
    wrap_words(*summary_);
    summary_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    summary_->setObjectName(QStringLiteral("comparison"));
    summary_->setAccessibleName(tr("What is compared"));
    table_->setModel(model_);
    table_->setAccessibleName(tr("Differences"));
    table_->setAlternatingRowColors(true);
    table_->setWordWrap(false);
    table_->setSelectionBehavior(QAbstractItemView::SelectRows);
    table_->verticalHeader()->setDefaultSectionSize(fontMetrics().height() + 8);
    other_->setToolTip(tr("Compare the database that is open, A, with another one, B"));
    auto* tools = new QHBoxLayout;
    tools->addWidget(summary_, 1);
    for (QWidget* widget : std::initializer_list<QWidget*>{changed_only_, swap_, other_, back_})
      tools->addWidget(widget, 0, Qt::AlignTop);
    auto* parts = new QSplitter(Qt::Vertical, this);
    parts->addWidget(chart_);
    parts->addWidget(table_);
    parts->setSizes({360, 260});
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(tools);
    layout->addWidget(parts, 1);

    connect(swap_, &QPushButton::clicked, this, [this] {
      swapped_ = !swapped_;
      compare();
    });
    connect(other_, &QPushButton::clicked, this, &CompareView::chooseDatabase);
    connect(back_, &QPushButton::clicked, this, [this] {
      other_path_.clear();
      compare();
    });
    connect(changed_only_, &QCheckBox::toggled, this, &CompareView::showFigures);
    connect(table_, &QTableView::clicked, this, [this](const QModelIndex& index) {
      const ComparedFigure& figure = model_->figures()[static_cast<size_t>(index.row())];
      const std::optional<RunRef>& here = swapped_ ? figure.b_run : figure.a_run;  // in the open database
      if (here && !other_path_.isEmpty()) this->explorer().selectOnly(*here);
    });
  }

  Picture* picture() override { return &both_; }
  QString csv() const override { return model_->csv(); }
  QString nothingToExport() const override { return compared_ ? QString() : chart_->message(); }
  bool isBusy() const override { return View::isBusy() || waiting_; }

  QJsonObject saveState() const override {
    return {{QStringLiteral("other"), other_path_},
            {QStringLiteral("changedOnly"), changed_only_->isChecked()}};
  }
  void restoreState(const QJsonObject& state) override {
    const QString other = state[QLatin1String("other")].toString();
    other_path_ = QFileInfo::exists(other) ? other : QString();
    changed_only_->setChecked(state[QLatin1String("changedOnly")].toBool());
    if (isVisible()) compare();
  }

 protected:
  void update(Changes changes) override {
    // Whole databases take long: one comparison is over before the next begins.
    if (!other_path_.isEmpty() && (!(changes & newSnapshot) || waiting_)) return;
    compare();
  }

 private:
  /// The chart's picture with all the figures, not only those that are drawn.
  class ChartAndTable final : public Picture {
   public:
    explicit ChartAndTable(CompareView& view) : view_(view) {}
    QSize pictureSize() const override { return view_.chart_->pictureSize(); }
    void paintPicture(QCPPainter& painter, const QSize& size) override {
      view_.chart_->paintPicture(painter, size);
    }
    QString csv() const override { return view_.csv(); }

   private:
    CompareView& view_;
  };

  void chooseDatabase() {
    const QString path = QFileDialog::getOpenFileName(this, tr("Compare with"), QString(),
                                                      tr("Databases (*.db *.sqlite);;All files (*)"));
    if (path.isEmpty()) return;
    other_path_ = path;
    compare();
  }

  void compare() {
    const int asked = ++asked_;
    const auto stored = explorer().snapshot();
    back_->setVisible(!other_path_.isEmpty());
    const std::vector<RunRef>& selection = explorer().selection();
    if (!stored) return explain(tr("No database is open."));
    if (other_path_.isEmpty() && selection.size() != 2) {
      return explain(
          tr("Select two runs of one kind in another view (Ctrl+click), or choose another database to "
             "compare this one with.\n%1 runs are selected now.")
              .arg(selection.size()));
    }
    const auto done = [this, asked](const std::shared_ptr<const ComparedFigures>& compared) {
      if (asked != asked_) return;
      waiting_ = false;
      compared_ = compared;
      showFigures();
    };
    const auto failed = [this, asked](const QString& problem) {
      if (asked == asked_) explain(problem);
    };
    waiting_ = true;
    if (other_path_.isEmpty()) {
      const RunRef a = selection[swapped_ ? 1 : 0];
      const RunRef b = selection[swapped_ ? 0 : 1];
      explorer().worker().read(
          stored->path, this,
          [stored, a, b](Store& store) {
            return std::make_shared<const ComparedFigures>(compare_two_runs(store, *stored, a, b));
          },
          done, failed);
    } else {
      std::filesystem::path a = stored->path;
      std::filesystem::path b = other_path_.toStdString();
      if (swapped_) std::swap(a, b);
      summary_->setText(tr("Comparing …"));
      worker_.run(
          this, [a, b] { return std::make_shared<const ComparedFigures>(compare_databases(a, b)); }, done,
          failed);
    }
  }

  void explain(const QString& why) {
    waiting_ = false;
    compared_.reset();
    model_->setFigures({});
    summary_->clear();
    chart_->setMessage(why);
  }

  void showFigures() {
    if (!compared_) return;
    std::vector<ComparedFigure> shown;
    std::copy_if(compared_->figures.begin(), compared_->figures.end(), std::back_inserter(shown),
                 [this](const ComparedFigure& figure) {
                   return !changed_only_->isChecked() || figure.difference.changed();
                 });
    QString summary = compared_->summary;
    if (!other_path_.isEmpty()) {
      const QString open = QFileInfo(explorer().path()).fileName();
      const QString other = QFileInfo(other_path_).fileName();
      summary = tr("A: %1, B: %2; %3").arg(swapped_ ? other : open, swapped_ ? open : other, summary);
    }
    summary_->setText(summary);
    model_->setFigures(shown);
    table_->setColumnHidden(ComparisonModel::subjectColumn, other_path_.isEmpty());
    table_->setColumnHidden(ComparisonModel::policyColumn, other_path_.isEmpty());
    table_->resizeColumnsToContents();
    for (const int column : {ComparisonModel::subjectColumn, ComparisonModel::policyColumn})
      table_->setColumnWidth(column, std::min(table_->columnWidth(column), 280));
    draw(shown);
  }

  void draw(const std::vector<ComparedFigure>& figures) {
    Series changed{.name = tr("changed"), .paint = paints::warning, .marker = Marker::diamond};
    Series same{.name = tr("within its interval, or the same"), .paint = paints::frame};
    const QSharedPointer<QCPAxisTickerText> names(new QCPAxisTickerText);
    size_t left_out = 0;
    drawn_ = 0;
    for (const ComparedFigure& figure : figures) {
      if (!figure.relative()) continue;
      if (drawn_ == most_drawn) {
        ++left_out;
        continue;
      }
      const QString name = QString::fromUtf8(figure.difference.figure);
      SeriesPoint point{static_cast<double>(drawn_), 100.0 * *figure.relative(), {}, figure.a_run, {}};
      if (const auto interval = figure.relative_interval())
        point.interval = Interval{100.0 * interval->low, 100.0 * interval->high};
      point.words = tr("%1: %2 → %3 (%4 %)\n%5")
                        .arg(name)
                        .arg(figure.difference.a)
                        .arg(figure.difference.b)
                        .arg(point.y, 0, 'g', 3)
                        .arg(policy_text(figure.policy.toStdString()));
      (figure.difference.changed() ? changed : same).points.push_back(point);
      names->addTick(static_cast<double>(drawn_++), name);
    }
    chart_->plot().xAxis->setTicker(names);
    chart_->plot().xAxis->setTickLabelRotation(35);
    chart_->plot().xAxis->setSubTicks(false);
    std::vector<Series> all;
    if (drawn_ > 0) {
      Series zero{.name = {},
                  .paint = paints::frame,
                  .shape = Series::Shape::line,
                  .dash = Qt::DashLine,
                  .has_markers = false};
      zero.points = {{-0.5, 0.0, {}, {}, {}}, {static_cast<double>(drawn_) - 0.5, 0.0, {}, {}, {}}};
      all.push_back(std::move(zero));
    }
    for (Series* series : {&changed, &same}) {
      if (!series->points.empty()) all.push_back(std::move(*series));
    }
    chart_->setMessage(drawn_ > 0                     ? QString()
                       : !compared_->figures.empty()  ? tr("No figure has changed.")
                       : compared_->summary.isEmpty() ? tr("These runs are not in the database.")
                                                      : compared_->summary);
    chart_->setCaption(left_out > 0 ? tr("the first %1 figures; the table has all").arg(drawn_) : QString());
    chart_->setSeries(std::move(all), true);
  }

  void fitAxes() {
    double low = 0.0;
    double high = 0.0;
    for (const Series& series : chart_->series()) {
      for (const SeriesPoint& point : series.points) {
        low = std::min({low, point.y, point.interval ? point.interval->low : point.y});
        high = std::max({high, point.y, point.interval ? point.interval->high : point.y});
      }
    }
    const double room = 0.08 * std::max(high - low, 1e-6);
    chart_->plot().xAxis->setRange(-0.6, static_cast<double>(drawn_) - 0.4);
    chart_->plot().yAxis->setRange(low - room, high + room);
  }

  ScatterChart* chart_;
  QTableView* table_;
  ComparisonModel* model_;
  QPushButton* swap_;
  QPushButton* other_;
  QPushButton* back_;
  QCheckBox* changed_only_;
  QLabel* summary_;
  ChartAndTable both_{*this};
  std::shared_ptr<const ComparedFigures> compared_;
  QString other_path_;  // of the other database; "": two runs are compared
  bool swapped_ = false;
  bool waiting_ = false;
  int asked_ = 0;
  size_t drawn_ = 0;
  Worker worker_;  // of its own: databases take long
};

}  // namespace

View* make_compare_view(Explorer& explorer, QWidget* parent) { return new CompareView(explorer, parent); }

}  // namespace razorscope::gui
