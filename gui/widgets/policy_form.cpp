#include "gui/widgets/policy_form.hpp"

#include <QComboBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSignalBlocker>
#include <QSlider>
#include <QTimer>
#include <cmath>

#include "gui/data/format.hpp"
#include "gui/widgets/wrapped_label.hpp"
#include "models/base/error.hpp"
#include "policies/policy.hpp"
#include "policies/quoted_value.hpp"

namespace razorscope::gui {
namespace {

constexpr int slider_steps = 1000;

/// Sliders are finer where values are small: position s of 1000 is low + (high - low)·(s/1000)².
double value_at(int position, double low, double high) {
  const double share = static_cast<double>(position) / slider_steps;
  return low + (high - low) * share * share;
}
int position_of(double value, double low, double high) {
  if (high <= low) return 0;
  return static_cast<int>(
      std::lround(slider_steps * std::sqrt(std::clamp((value - low) / (high - low), 0.0, 1.0))));
}

}  // namespace

PolicyForm::PolicyForm(QWidget* parent)
    : QWidget(parent),
      selection_(new QComboBox(this)),
      variant_(new QComboBox(this)),
      codec_(new QComboBox(this)),
      rows_(new QFormLayout(this)),
      problem_(new QLabel(this)) {
  rows_->setContentsMargins(0, 0, 0, 0);
  for (const SelectionEntry& entry : selection_registry()) {
    selection_->addItem(QString::fromStdString(entry.name));
    selection_->setItemData(selection_->count() - 1, QString::fromStdString(entry.help), Qt::ToolTipRole);
  }
  for (const CodecEntry& entry : codec_registry()) {
    codec_->addItem(QString::fromStdString(entry.name));
    codec_->setItemData(codec_->count() - 1, QString::fromStdString(entry.help), Qt::ToolTipRole);
  }
  selection_->setObjectName(QStringLiteral("policySelection"));
  selection_->setAccessibleName(tr("Selection: which tokens are kept"));
  variant_->setAccessibleName(tr("Variant of the selection"));
  codec_->setAccessibleName(tr("Codec: how they are stored"));
  codec_->setObjectName(QStringLiteral("policyCodec"));
  codec_->setCurrentText(QStringLiteral("f16"));
  wrap_words(*problem_);
  rows_->addRow(tr("Selection"), selection_);
  rows_->addRow(tr("Variant"), variant_);
  rows_->addRow(tr("Codec"), codec_);
  rows_->addRow(problem_);
  connect(selection_, &QComboBox::activated, this, [this] {
    given_.clear();
    chooseSelection();
    rebuild();
    Q_EMIT changed();
  });
  connect(variant_, &QComboBox::activated, this, [this] {
    rebuild();
    Q_EMIT changed();
  });
  connect(codec_, &QComboBox::activated, this, [this] {
    codec_text_ = codec_->currentText();
    rebuild();
    Q_EMIT changed();
  });
  codec_text_ = QStringLiteral("f16");
  setPolicy(QStringLiteral("razor:recent=124"));
}

QString PolicyForm::policy() const {
  QString text = selection_->currentText();
  if (variant_->count() > 0) text += u'/' + variant_->currentText();
  QStringList parts;
  for (const auto& [name, value] : given_)
    parts += QString::fromStdString(name + '=' + quoted_value(value.toStdString()));
  if (!parts.isEmpty()) text += u':' + parts.join(u',');
  return text + u'+' + codec_text_;
}

void PolicyForm::setPolicy(const QString& text) {
  try {
    const Policy policy = Policy::parse(text.toStdString());
    selection_->setCurrentText(QString::fromStdString(policy.selection()));
    chooseSelection();
    variant_->setCurrentText(QString::fromStdString(policy.variant()));
    codec_text_ = QString::fromStdString(policy.codec_name());
    codec_->setCurrentText(QString::fromStdString(policy.codecs().front().name));
    given_.clear();
    for (const Parameter* parameter :
         applicable_parameters(policy.variant(), policy.entry().parameters, policy.values())) {
      const std::string& name = parameter->name;
      if (policy.values().has(name) && policy.values().text(name) != parameter->fallback)
        given_[name] = QString::fromStdString(policy.values().text(name));
    }
  } catch (const InputError&) {
    return;
  }
  rebuild();
  Q_EMIT changed();
}

void PolicyForm::setLargestTokens(int tokens) {
  if (tokens == largest_tokens_) return;
  largest_tokens_ = tokens;
  rebuild();
}

QString PolicyForm::problem() const { return problem_->text(); }

void PolicyForm::chooseSelection() {
  variant_->clear();
  const SelectionEntry& entry = find_selection("form", selection_->currentText().toStdString());
  for (const std::string& variant : entry.variants) variant_->addItem(QString::fromStdString(variant));
  rows_->setRowVisible(variant_, variant_->count() > 1);
}

void PolicyForm::check() {
  QString why;
  try {
    Policy::parse(policy().toStdString());
  } catch (const InputError& problem) {
    why = QString::fromUtf8(problem.what());
  }
  problem_->setText(why);
  problem_->setVisible(!why.isEmpty());
}

/// Sets a parameter; "" takes it back to its default. Where others apply then, the form is made anew, but not
/// under a slider that is being dragged.
void PolicyForm::give(const std::string& name, const QString& text) {
  const std::map<std::string, QString> before = given_;
  if (text.isEmpty()) {
    given_.erase(name);
  } else {
    given_[name] = text;
  }
  if (given_ == before) return;
  check();
  if (applicable() != shown_) {
    stale_ = true;
    QTimer::singleShot(0, this, &PolicyForm::rebuildIfStale);
  }
  Q_EMIT changed();
}

void PolicyForm::rebuildIfStale() {
  const QList<QSlider*> sliders = findChildren<QSlider*>();
  const bool dragging =
      std::any_of(sliders.begin(), sliders.end(), [](const QSlider* s) { return s->isSliderDown(); });
  if (stale_ && !dragging) rebuild();
}

/// Names of the parameters that apply as it is.
std::vector<std::string> PolicyForm::applicable() const {
  std::vector<std::string> names;
  try {
    const Policy now = Policy::parse(policy().toStdString());
    for (const Parameter* parameter :
         applicable_parameters(now.variant(), now.entry().parameters, now.values()))
      names.push_back(parameter->name);
  } catch (const InputError&) {
    return shown_;
  }
  return names;
}

void PolicyForm::rebuild() {
  stale_ = false;
  check();
  // Rows of parameters that no longer apply may have been given under another variant.
  const SelectionEntry& entry = find_selection("form", selection_->currentText().toStdString());
  const std::string variant = variant_->currentText().toStdString();
  ParameterValues values;
  try {
    values = Policy::parse(policy().toStdString()).values();
  } catch (const InputError&) {
    given_.clear();
    check();
    try {
      values = Policy::parse(policy().toStdString()).values();
    } catch (const InputError&) {  // a variant that needs a value: its row asks for it
    }
  }
  if (parameters_ != nullptr) rows_->removeRow(parameters_);
  parameters_ = new QWidget(this);
  auto* layout = new QFormLayout(parameters_);
  layout->setContentsMargins(0, 0, 0, 0);
  for (const Parameter* parameter : applicable_parameters(variant, entry.parameters, values)) {
    const QString value =
        values.has(parameter->name) ? QString::fromStdString(values.text(parameter->name)) : QString();
    QWidget* field = control(*parameter, value);
    field->setToolTip(QString::fromStdString(parameter->help + "; " + describe_domain(*parameter)));
    auto* label = new QLabel(QString::fromStdString(parameter->name), parameters_);
    label->setToolTip(field->toolTip());
    layout->addRow(label, field);
  }
  rows_->addRow(parameters_);
  shown_ = applicable();
}

QWidget* PolicyForm::control(const Parameter& parameter, const QString& value) {
  switch (parameter.kind) {
    case ParameterKind::integer:
    case ParameterKind::real:
      return numberControl(parameter, value);
    case ParameterKind::budget:
      return budgetControl(parameter, value);
    case ParameterKind::choice: {
      auto* box = new QComboBox(parameters_);
      for (const std::string& choice : parameter.choices) box->addItem(QString::fromStdString(choice));
      box->setCurrentText(value);
      box->setAccessibleName(QString::fromStdString(parameter.name));
      connect(box, &QComboBox::textActivated, this, [this, parameter](const QString& text) {
        give(parameter.name, text.toStdString() == parameter.fallback ? QString() : text);
      });
      return box;
    }
    default: {
      auto* edit = new QLineEdit(value, parameters_);
      edit->setAccessibleName(QString::fromStdString(parameter.name));
      connect(edit, &QLineEdit::editingFinished, this, [this, parameter, edit] {
        give(parameter.name, edit->text().toStdString() == parameter.fallback ? QString() : edit->text());
      });
      return edit;
    }
  }
}

QWidget* PolicyForm::numberControl(const Parameter& parameter, const QString& value) {
  const bool whole = parameter.kind == ParameterKind::integer;
  // Counts are of tokens, mostly, and real numbers shares, unless their range says otherwise.
  const double high = whole ? std::min(parameter.highest, static_cast<double>(largest_tokens_))
                            : std::min(parameter.highest, std::max(1.0, 8.0 * value.toDouble()));
  SliderScale scale;
  scale.low = parameter.lowest;
  scale.high = high;
  scale.number_of = [](const QString& text) { return text.toDouble(); };
  scale.text_of = [whole](double number) {
    return whole ? QString::number(std::llround(number)) : QString::number(number, 'g', 3);
  };
  return sliderControl(parameter, value, scale, tr("%1, as a number"));
}

QWidget* PolicyForm::budgetControl(const Parameter& parameter, const QString& value) {
  SliderScale scale;
  scale.lowest_position = 1;  // a budget of nothing is none
  scale.number_of = [this](const QString& text) {
    const double number = text.toDouble();
    return text.contains(u'.') ? number : number / largest_tokens_;
  };
  scale.text_of = [](double share) { return QString::number(share, 'f', 4); };
  return sliderControl(parameter, value, scale,
                       tr("%1: tokens, a share such as 0.25, or bytes such as 8MiB"));
}

/// A slider beside a field with the same value; either moves the other.
QWidget* PolicyForm::sliderControl(const Parameter& parameter, const QString& value, const SliderScale& scale,
                                   const QString& description) {
  const QString name = QString::fromStdString(parameter.name);
  auto* box = new QWidget(parameters_);
  auto* layout = new QHBoxLayout(box);
  layout->setContentsMargins(0, 0, 0, 0);
  auto* slider = new QSlider(Qt::Horizontal, box);
  auto* edit = new QLineEdit(value, box);
  slider->setRange(scale.lowest_position, slider_steps);
  slider->setValue(position_of(scale.number_of(value), scale.low, scale.high));
  slider->setAccessibleName(name);
  slider->setObjectName(QStringLiteral("slider-%1").arg(name));
  edit->setMaximumWidth(80);
  edit->setPlaceholderText(tr("not set"));
  edit->setAccessibleName(description.arg(name));
  connect(slider, &QSlider::valueChanged, this, [this, parameter, edit, scale](int position) {
    const QString text = scale.text_of(value_at(position, scale.low, scale.high));
    const QSignalBlocker quiet(edit);
    edit->setText(text);
    give(parameter.name, text);
  });
  connect(slider, &QSlider::sliderReleased, this, &PolicyForm::rebuildIfStale);
  connect(edit, &QLineEdit::editingFinished, this, [this, parameter, slider, edit, scale] {
    const QSignalBlocker quiet(slider);
    slider->setValue(position_of(scale.number_of(edit->text()), scale.low, scale.high));
    give(parameter.name, edit->text().toStdString() == parameter.fallback ? QString() : edit->text());
  });
  layout->addWidget(slider, 1);
  layout->addWidget(edit);
  return box;
}

}  // namespace razorscope::gui
