#include "gui/views/device_controls.hpp"

#include <QComboBox>
#include <QCompleter>
#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QToolButton>
#include <utility>

#include "gui/widgets/log_slider.hpp"
#include "models/devices/weight_bytes.hpp"

namespace razorscope::gui {
namespace {

constexpr int longest_context = 1 << 28;
constexpr double gigabyte = 1e9;

void fill(QComboBox& box, const QStringList& names) {
  const QSignalBlocker quiet(box);
  const QString before = box.currentText();
  box.clear();
  box.addItems(names);
  box.setCurrentText(before);
}

}  // namespace

DeviceControls::DeviceControls(QWidget* parent)
    : QWidget(parent),
      device_(new QComboBox(this)),
      model_(new QComboBox(this)),
      weights_(new QComboBox(this)),
      engine_(new QComboBox(this)),
      tp_(new QSpinBox(this)),
      utilisation_(new QDoubleSpinBox(this)),
      non_kv_(new QDoubleSpinBox(this)),
      token_budget_(new QSpinBox(this)),
      context_(new LogSlider(tr("Context"), 256, 1 << 20, longest_context, this)),
      batch_(new LogSlider(tr("Batch"), 1, 1024, 1'000'000, this)),
      output_(new LogSlider(tr("Output"), 16, 1 << 15, longest_context, this)),
      policies_(new QLineEdit(this)),
      of_selection_(new QToolButton(this)),
      more_(new QToolButton(this)),
      engine_row_(new QWidget(this)) {
  const auto name = [](QWidget& control, const QString& text, const QString& help) {
    control.setAccessibleName(text);
    control.setToolTip(help);
  };
  name(*device_, tr("Device"), tr("A device of the catalogue; several: names separated by ;"));
  name(*model_, tr("Model"), tr("A built-in shape, a config.json or its folder, or a model file"));
  name(*weights_, tr("Weights"), tr("Type of the weights"));
  name(*engine_, tr("Engine"), tr("Whose defaults to take"));
  name(*tp_, tr("Tensor parallel"), tr("Devices that share each layer"));
  name(*utilisation_, tr("Utilisation"), tr("Share of device memory that the engine may take"));
  name(*non_kv_, tr("Memory beside KV"), tr("Of each device: activations, workspace and runtime"));
  name(*token_budget_, tr("Tokens a step"), tr("Prefill and decode together"));
  name(*policies_, tr("Policies"), tr("Separated by ; as `razorscope policies` lists them"));
  for (QComboBox* box : {device_, model_}) {
    box->setEditable(true);
    box->setInsertPolicy(QComboBox::NoInsert);
    box->setMinimumContentsLength(12);
    box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  }
  weights_->addItems(
      {QStringLiteral("bf16"), QStringLiteral("fp8"), QStringLiteral("int8"), QStringLiteral("int4")});
  for (const EngineDefaults& engine : engine_registry()) {
    engine_->addItem(QString::fromStdString(engine.name));
    engine_->setItemData(engine_->count() - 1, QString::fromStdString(engine.help), Qt::ToolTipRole);
  }
  tp_->setRange(1, 1024);
  tp_->setPrefix(tr("tp "));
  const QString engines_own = tr("the engine's");
  utilisation_->setRange(0.0, 100.0);
  utilisation_->setSuffix(QStringLiteral(" %"));
  utilisation_->setSpecialValueText(engines_own);
  non_kv_->setRange(-0.01, 10'000.0);
  non_kv_->setSuffix(QStringLiteral(" GB"));
  non_kv_->setDecimals(2);
  non_kv_->setSpecialValueText(engines_own);
  token_budget_->setRange(0, longest_context);
  token_budget_->setSpecialValueText(engines_own);
  for (QAbstractSpinBox* box :
       {static_cast<QAbstractSpinBox*>(tp_), static_cast<QAbstractSpinBox*>(utilisation_),
        static_cast<QAbstractSpinBox*>(non_kv_), static_cast<QAbstractSpinBox*>(token_budget_)})
    box->setKeyboardTracking(false);
  of_selection_->setText(tr("Of selected runs"));
  of_selection_->setToolTip(tr("Plan for the policies of the runs that are selected"));
  more_->setText(tr("More"));
  more_->setToolTip(tr("What the engine does with a device's memory"));
  more_->setCheckable(true);
  engine_row_->hide();
  layOut();
  setSettings(usual_plan());

  connect(more_, &QToolButton::toggled, engine_row_, &QWidget::setVisible);
  connect(of_selection_, &QToolButton::clicked, this, &DeviceControls::policiesAsked);
  for (QComboBox* box : {device_, model_, weights_, engine_})
    connect(box, &QComboBox::activated, this, &DeviceControls::note);
  for (QComboBox* box : {device_, model_})
    connect(box->lineEdit(), &QLineEdit::editingFinished, this, &DeviceControls::note);
  connect(policies_, &QLineEdit::editingFinished, this, &DeviceControls::note);
  for (QSpinBox* box : {tp_, token_budget_})
    connect(box, &QSpinBox::valueChanged, this, &DeviceControls::note);
  for (QDoubleSpinBox* box : {utilisation_, non_kv_})
    connect(box, &QDoubleSpinBox::valueChanged, this, &DeviceControls::note);
  for (LogSlider* slider : {context_, batch_, output_})
    connect(slider, &LogSlider::valueChanged, this, &DeviceControls::note);
}

void DeviceControls::layOut() {
  const auto row = [this](std::initializer_list<std::pair<QString, QWidget*>> controls) {
    auto* line = new QHBoxLayout;
    line->setContentsMargins(0, 0, 0, 0);
    for (const auto& [text, control] : controls) {
      if (!text.isEmpty()) {
        auto* label = new QLabel(text, this);
        label->setBuddy(control);
        line->addWidget(label);
      }
      const bool grows = control == device_ || control == model_ || control == policies_ ||
                         qobject_cast<LogSlider*>(control) != nullptr;
      line->addWidget(control, grows ? 1 : 0);
    }
    return line;
  };
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addLayout(
      row({{tr("Model"), model_}, {QString(), weights_}, {tr("on"), device_}, {QString(), tp_}}));
  layout->addLayout(row({{QString(), context_}, {QString(), output_}, {QString(), batch_}}));
  layout->addLayout(row({{tr("Policies"), policies_}, {QString(), of_selection_}, {QString(), more_}}));
  auto* engine = row({{tr("Engine"), engine_},
                      {tr("takes"), utilisation_},
                      {tr("beside KV"), non_kv_},
                      {tr("tokens a step"), token_budget_}});
  engine->addStretch(1);
  engine_row_->setLayout(engine);
  layout->addWidget(engine_row_);
}

PlanSettings DeviceControls::settings() const {
  PlanSettings settings;
  DeploymentOptions& deployment = settings.deployment;
  deployment.devices = device_->currentText().trimmed().toStdString();
  deployment.model = model_->currentText().trimmed().toStdString();
  deployment.weights = weights_->currentText().toStdString();
  deployment.engine = engine_->currentText().toStdString();
  deployment.tp = tp_->value();
  if (utilisation_->value() > 0.0) deployment.utilisation = utilisation_->value() / 100.0;
  if (non_kv_->value() >= 0.0) deployment.non_kv_bytes = non_kv_->value() * gigabyte;
  if (token_budget_->value() > 0) deployment.token_budget = token_budget_->value();
  settings.policies = policies_->text().trimmed().toStdString();
  settings.context = context_->value();
  settings.output = output_->value();
  settings.batch = batch_->value();
  return settings;
}

void DeviceControls::setSettings(const PlanSettings& settings) {
  setting_ = true;
  const DeploymentOptions& deployment = settings.deployment;
  device_->setCurrentText(QString::fromStdString(deployment.devices));
  model_->setCurrentText(QString::fromStdString(deployment.model));
  weights_->setCurrentText(QString::fromStdString(deployment.weights));
  engine_->setCurrentText(QString::fromStdString(deployment.engine));
  tp_->setValue(deployment.tp);
  // What the engine does anyway need not be told.
  double utilisation = deployment.utilisation.value_or(0.0);
  double non_kv = deployment.non_kv_bytes.value_or(-gigabyte);
  int budget = deployment.token_budget.value_or(0);
  for (const EngineDefaults& engine : engine_registry()) {
    if (engine.name != deployment.engine) continue;
    if (utilisation == engine.utilisation) utilisation = 0.0;
    if (non_kv == engine.non_kv_bytes) non_kv = -gigabyte;
    if (budget == engine.token_budget) budget = 0;
  }
  utilisation_->setValue(100.0 * utilisation);
  non_kv_->setValue(non_kv / gigabyte);
  token_budget_->setValue(budget);
  policies_->setText(QString::fromStdString(settings.policies));
  policies_->setCursorPosition(0);
  context_->setValue(settings.context);
  output_->setValue(settings.output);
  batch_->setValue(settings.batch);
  setting_ = false;
  if (utilisation > 0.0 || non_kv >= 0.0 || budget > 0) more_->setChecked(true);
  note();
}

void DeviceControls::setCatalogues(const QStringList& devices, const QStringList& models) {
  fill(*device_, devices);
  fill(*model_, models);
}

void DeviceControls::setSelectionHasPolicies(bool has) { of_selection_->setEnabled(has); }

void DeviceControls::note() {
  if (setting_) return;
  PlanSettings now = settings();
  if (now == before_) return;
  before_ = std::move(now);
  Q_EMIT changed();
}

}  // namespace razorscope::gui
