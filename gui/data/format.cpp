#include "gui/data/format.hpp"

#include <cmath>
#include <fmt/format.h>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/text_table.hpp"
#include "models/base/machine.hpp"

namespace razorscope::gui {
namespace {

QString significant(double value) { return QString::fromStdString(fmt::format("{:.3g}", value)); }

bool is_digit(QChar c) { return c >= u'0' && c <= u'9'; }

}  // namespace

QString figure_text(double value, FigureKind kind) {
  if (!std::isfinite(value)) return QStringLiteral("-");
  switch (kind) {
    case FigureKind::count:
      if (value == std::floor(value) && std::abs(value) < 1e15)
        return QString::fromStdString(thousands(static_cast<int64_t>(value)));
      return QString::fromStdString(fmt::format("{:.1f}", value));
    case FigureKind::bytes:
      return QString::fromStdString(format_bytes(value));
    case FigureKind::share:
      return QString::fromStdString(fmt::format("{:.1f} %", 100.0 * value));
    case FigureKind::milliseconds:
      return QString::fromStdString(fmt::format("{:.{}f}", value, std::abs(value) < 100.0 ? 2 : 0));
    default:
      return significant(value);
  }
}

QString full_precision(double value) {
  return std::isfinite(value) ? QString::fromStdString(fmt::format("{}", value)) : QString();
}

QString share_text(double share) { return QString::fromStdString(fmt::format("{:.4g} %", 100.0 * share)); }

QString duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  if (whole < 60) return QStringLiteral("%1 s").arg(whole);
  if (whole < 3600) return QStringLiteral("%1 min %2 s").arg(whole / 60).arg(whole % 60);
  return QStringLiteral("%1 h %2 min").arg(whole / 3600).arg(whole / 60 % 60);
}

QString policy_text(const std::string& canonical_name) {
  return QString::fromStdString(policy_label(canonical_name));
}

bool reads_before(const QString& a, const QString& b) {
  qsizetype i = 0;
  qsizetype j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const qsizetype begin_a = i;
      const qsizetype begin_b = j;
      while (i < a.size() && is_digit(a[i])) ++i;
      while (j < b.size() && is_digit(b[j])) ++j;
      const double x = QStringView(a).mid(begin_a, i - begin_a).toDouble();
      const double y = QStringView(b).mid(begin_b, j - begin_b).toDouble();
      if (x != y) return x < y;
      continue;
    }
    const QChar x = a[i].toLower();
    const QChar y = b[j].toLower();
    if (x != y) return x < y;
    ++i;
    ++j;
  }
  if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
  return a < b;
}

QString csv_field(const QString& text) {
  if (!text.contains(u',') && !text.contains(u'"') && !text.contains(u'\n') && !text.contains(u'\r'))
    return text;
  QString quoted = text;
  quoted.replace(u'"', QStringLiteral("\"\""));
  return u'"' + quoted + u'"';
}

}  // namespace razorscope::gui
