#include <QLabel>
#include <QScrollArea>
#include <QVBoxLayout>
#include <algorithm>

#include "gui/data/format.hpp"
#include "gui/views/device_controls.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/picture_group.hpp"
#include "gui/widgets/plan_charts.hpp"
#include "gui/widgets/wrapped_label.hpp"
#include "models/devices/catalogue.hpp"
#include "models/language/shape_catalogue.hpp"

namespace razorscope::gui {
namespace {

/// What a model's cache takes on devices, how much of it fits, and how long a step lasts, as sliders move.
class DevicesView final : public View {
 public:
  DevicesView(Explorer& explorer, QWidget* parent)
      : View(explorer, parent),
        controls_(new DeviceControls(this)),
        summary_(new QLabel(this)),
        problems_(new QLabel(this)),
        charts_(new PlanCharts(this)),
        notes_(new QLabel(this)),
        picture_(*charts_, charts_->charts(), [this] { return csv(); }) {
    summary_->setObjectName(QStringLiteral("summary"));
    problems_->setObjectName(QStringLiteral("problems"));
    notes_->setObjectName(QStringLiteral("notes"));
    for (QLabel* label : {summary_, problems_, notes_}) {
      wrap_words(*label);
      label->setTextFormat(Qt::PlainText);
      label->setTextInteractionFlags(Qt::TextSelectableByMouse);
      label->hide();
    }
    QFont bold = summary_->font();
    bold.setBold(true);
    summary_->setFont(bold);
    auto* sheet = new QWidget(this);
    auto* column = new QVBoxLayout(sheet);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(charts_, 1);
    column->addWidget(notes_);
    auto* scroll = new QScrollArea(this);
    scroll->setAccessibleName(tr("Charts of devices"));
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setWidget(sheet);
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(controls_);
    layout->addWidget(summary_);
    layout->addWidget(problems_);
    layout->addWidget(scroll, 1);
    connect(controls_, &DeviceControls::changed, this, &DevicesView::ask);
    connect(controls_, &DeviceControls::policiesAsked, this, &DevicesView::takePolicies);
    connect(&explorer, &Explorer::selectionChanged, this, [this] { restored_ = false; });
  }

  Picture* picture() override { return &picture_; }
  QString csv() const override { return plan_csv(answer_); }
  QString nothingToExport() const override {
    return answer_.rows.empty() ? answer_.problems.join(u'\n') : QString();
  }

  QJsonObject saveState() const override { return controls_->settings().toJson(); }
  void restoreState(const QJsonObject& state) override {
    controls_->setSettings(PlanSettings::fromJson(state, controls_->settings()));
    restored_ = !state.isEmpty();
  }

  bool isBusy() const override { return planner_.isBusy() || View::isBusy(); }

 protected:
  void update(Changes changes) override {
    if (!begun_) begin();
    const bool restored = std::exchange(restored_, false);
    if (changes & newSelection) takeSelection(restored);
  }

 private:
  /// Reads the catalogues, once, beside the first figures.
  void begin() {
    begun_ = true;
    using Names = std::pair<QStringList, QStringList>;
    planner_.run(
        this,
        []() -> Names {
          Names names;
          for (const Device& device : DeviceCatalogue::installed().devices())
            names.first += QString::fromStdString(device.name);
          for (const std::string& shape : shape_names()) names.second += QString::fromStdString(shape);
          return names;
        },
        [this](const Names& names) { controls_->setCatalogues(names.first, names.second); },
        [this](const QString& why) { tellProblems({why}); });
    ask();
  }

  /// Plans that the user selects set the controls; not against a session that set them since.
  void takeSelection(bool restored) {
    const auto stored = explorer().snapshot();
    const bool has_selection = stored && !explorer().selection().empty();
    controls_->setSelectionHasPolicies(has_selection);
    if (!has_selection) return;
    std::vector<CapacityRow> plans;
    for (const RunRef& ref : lastSelected()) {
      const Run* run = stored->find(ref);
      if (run != nullptr && run->kind == RunKind::plan) plans.push_back(stored->plan(*run));
    }
    if (plans.empty() || restored) return;
    controls_->setSettings(settings_of(plans));
  }

  /// More runs than can be looked at as bars are not asked for.
  std::vector<RunRef> lastSelected() const {
    constexpr size_t most = 200;
    const std::vector<RunRef>& all = explorer().selection();
    const size_t left_out = all.size() - std::min(most, all.size());
    return {all.begin() + static_cast<std::ptrdiff_t>(left_out), all.end()};
  }

  void takePolicies() {
    const auto stored = explorer().snapshot();
    if (!stored) return;
    QStringList policies;
    for (const RunRef& ref : lastSelected()) {
      const Run* run = stored->find(ref);
      if (run == nullptr) continue;
      const QString policy = policy_text(stored->policy(*run));
      if (!policies.contains(policy)) policies += policy;
    }
    if (policies.isEmpty()) return;
    PlanSettings settings = controls_->settings();
    settings.policies = policies.join(u';').toStdString();
    controls_->setSettings(settings);
  }

  /// The latest question wins: while one is being answered, others wait in one place.
  void ask() {
    if (!begun_) return;
    if (asking_) {
      again_ = true;
      return;
    }
    asking_ = true;
    planner_.run(
        this, [settings = controls_->settings()] { return answer_plan(settings); },
        [this](const PlanAnswer& answer) {
          asking_ = false;
          show(answer);
          if (std::exchange(again_, false)) ask();
        },
        [this](const QString& why) {
          asking_ = false;
          tellProblems({why});
          if (std::exchange(again_, false)) ask();
        });
  }

  void show(const PlanAnswer& answer) {
    answer_ = answer;
    charts_->setMessage(answer.rows.empty() ? tr("Nothing to show:\n%1").arg(answer.problems.join(u'\n'))
                                            : QString());
    charts_->show(answer);
    tellProblems(answer.rows.empty() ? QStringList() : answer.problems);
    QStringList notes;
    for (const QString& note : answer.notes) notes += tr("Note: %1").arg(note);
    tell(*notes_, notes.join(u'\n'));
    tell(*summary_, summary());
  }

  static void tell(QLabel& label, const QString& text) {
    label.setText(text);
    label.setVisible(!text.isEmpty());
  }

  void tellProblems(const QStringList& problems) { tell(*problems_, problems.join(u'\n')); }

  /// Which policy lets most sequences run, against the first one.
  QString summary() const {
    if (answer_.rows.empty()) return {};
    const PlanRow& first = answer_.rows.front();
    const PlanRow& best =
        *std::max_element(answer_.rows.begin(), answer_.rows.end(),
                          [](const PlanRow& a, const PlanRow& b) { return a.max_batch < b.max_batch; });
    const auto count = [](int64_t value) {
      return figure_text(static_cast<double>(value), FigureKind::count);
    };
    const auto sequences = [&](int64_t number) {
      return number == 1 ? tr("1 sequence") : tr("%1 sequences").arg(count(number));
    };
    const bool several = best.device != first.device;
    const auto who = [several](const PlanRow& row) {
      if (!several) return policy_text(row.policy);
      return tr("%1 on %2").arg(policy_text(row.policy), QString::fromStdString(row.device));
    };
    const QString where = several ? QString() : tr(" on %1").arg(QString::fromStdString(first.device));
    const QString what = tr("%1 prompt and %2 output tokens of %3%4")
                             .arg(count(answer_.settings.context), count(answer_.settings.output),
                                  QString::fromStdString(answer_.settings.deployment.model), where);
    QString text = tr("%1: %2 holds %3").arg(what, who(first), sequences(first.max_batch));
    if (best.max_batch > first.max_batch) text += tr(", %1 holds %2").arg(who(best), count(best.max_batch));
    return text + u'.';
  }

  DeviceControls* controls_;
  QLabel* summary_;
  QLabel* problems_;
  PlanCharts* charts_;
  QLabel* notes_;
  PictureGroup picture_;
  PlanAnswer answer_;
  bool begun_ = false;
  bool asking_ = false;
  bool again_ = false;
  bool restored_ = false;  // a session set the controls, and nothing was selected since
  Worker planner_;         // of its own, so that figures never wait for a database; last, as in the explorer
};

}  // namespace

View* make_devices_view(Explorer& explorer, QWidget* parent) { return new DevicesView(explorer, parent); }

}  // namespace razorscope::gui
