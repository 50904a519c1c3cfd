#include "gui/data/serving_curves.hpp"

#include <QStringList>
#include <algorithm>
#include <map>
#include <set>

#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/palette.hpp"

namespace razorscope::gui {
namespace {

LoadMeasure latency(const char* key, const char* title, const char* help, Percentiles ServingResult::*values,
                    std::optional<double> ServiceLevel::*limit) {
  return {key, title, "ms", help, FigureKind::milliseconds, values, limit, nullptr};
}

LoadMeasure figure(const char* key, const char* title, const char* unit, const char* help, FigureKind format,
                   double (*value)(const ServingRow&)) {
  return {key, title, unit, help, format, nullptr, nullptr, value};
}

}  // namespace

QString LoadMeasure::heading() const {
  const QString name = QString::fromUtf8(title);
  return *unit == '\0' ? name : QStringLiteral("%1 (%2)").arg(name, QString::fromUtf8(unit));
}

const std::vector<LoadMeasure>& latency_measures() {
  static const std::vector<LoadMeasure> measures = {
      latency("ttft", "TTFT", "time to the first token", &ServingResult::ttft, &ServiceLevel::ttft),
      latency("tpot", "TPOT", "time an output token, mean of a request", &ServingResult::tpot,
              &ServiceLevel::tpot),
      latency("itl", "ITL", "time between two tokens of a request", &ServingResult::itl, nullptr),
      latency("e2e", "End to end", "time to the last token", &ServingResult::e2e, &ServiceLevel::e2e)};
  return measures;
}

const std::vector<LoadMeasure>& throughput_measures() {
  using enum FigureKind;
  static const std::vector<LoadMeasure> measures = {
      figure("goodput", "Goodput", "requests/s", "completed within the service level", rate,
             [](const ServingRow& row) { return row.result.goodput; }),
      figure("goodput_share", "Within the service level", "", "share of requests", share,
             [](const ServingRow& row) { return row.result.goodput_share; }),
      figure("request_rate", "Completed", "requests/s", "within the service level or not", rate,
             [](const ServingRow& row) { return row.result.request_rate; }),
      figure("token_rate", "Throughput", "tokens/s", "output tokens", rate,
             [](const ServingRow& row) { return row.result.token_rate; }),
      figure("peak_kv_use", "KV in use at most", "", "share of the fullest engine's pool", share,
             [](const ServingRow& row) { return row.result.peak_kv_use; }),
      figure("preemptions", "Preemptions", "", "of the whole run", count,
             [](const ServingRow& row) { return static_cast<double>(row.result.preemptions); })};
  return measures;
}

const std::vector<LatencyPercentile>& latency_percentiles() {
  static const std::vector<LatencyPercentile> percentiles = {
      {"p50", &Percentiles::p50}, {"p90", &Percentiles::p90}, {"p99", &Percentiles::p99}};
  return percentiles;
}

double measured(const ServingRow& row, const LoadMeasure& measure, const LatencyPercentile& percentile) {
  if (measure.latency == nullptr) return measure.value(row);
  return 1e3 * (row.result.*measure.latency.*percentile.value);
}

QString load_words(const ServingRow& row, const LoadMeasure& measure) {
  QStringList names;
  QStringList figures;
  for (const LatencyPercentile& percentile : latency_percentiles()) {
    figures += figure_text(measured(row, measure, percentile), measure.format);
    names += QString::fromUtf8(percentile.key);
    if (measure.latency == nullptr) break;
  }
  QString name = QString::fromUtf8(measure.title);
  if (measure.latency != nullptr) name += u' ' + names.join(u'/');
  const QString rate = row.rate
                           ? QStringLiteral("%1 requests/s").arg(figure_text(*row.rate, FigureKind::rate))
                           : QStringLiteral("all requests at once");
  QString text = QStringLiteral("%1 at %2\n%3: %4 %5")
                     .arg(policy_text(row.policy), rate, name, figures.join(QStringLiteral(" / ")),
                          QString::fromUtf8(measure.unit));
  if (!row.level.empty()) {
    text += QStringLiteral("\n%1 of requests within the service level, %2 of them a second")
                .arg(figure_text(row.result.goodput_share, FigureKind::share),
                     figure_text(row.result.goodput, FigureKind::rate));
  }
  return text;
}

LoadCurves load_curves(const Snapshot& snapshot, const std::vector<size_t>& places, int subject,
                       const std::vector<RunRef>& keep) {
  LoadCurves out;
  std::map<std::string, size_t> index;
  for (const size_t place : places) {
    const Run& run = snapshot.runs[place];
    if (run.kind != RunKind::serving || run.subject != subject) continue;
    const ServingRow& row = snapshot.serving(run);
    if (!row.rate) {
      ++out.at_once;
      continue;
    }
    out.places.push_back(place);
    const auto [found, is_new] = index.try_emplace(row.policy, out.curves.size());
    if (is_new) out.curves.push_back({row.policy, {}, 0});
    out.curves[found->second].places.push_back(place);
  }
  std::set<std::string> kept;
  for (const RunRef& ref : keep) {
    const Run* run = snapshot.find(ref);
    if (run != nullptr && run->kind == RunKind::serving) kept.insert(snapshot.serving(*run).policy);
  }
  out.left_out = keep_heaviest(out.curves, most_curves, [&](const LoadCurve& curve) {
    return std::pair(kept.contains(curve.policy), curve.places.size());
  });
  std::map<std::string_view, size_t> families;
  for (LoadCurve& curve : out.curves) {
    curve.nth_of_family = families[policy_style(curve.policy).paint.name]++;
    std::stable_sort(curve.places.begin(), curve.places.end(), [&](size_t a, size_t b) {
      return *snapshot.serving(snapshot.runs[a]).rate < *snapshot.serving(snapshot.runs[b]).rate;
    });
  }
  return out;
}

std::vector<int> serving_subjects(const Snapshot& snapshot, const std::vector<size_t>& places) {
  std::map<int, size_t> runs;
  for (const size_t place : places) {
    const Run& run = snapshot.runs[place];
    if (run.kind == RunKind::serving) ++runs[run.subject];
  }
  std::vector<int> subjects;
  for (const auto& [subject, count] : runs) subjects.push_back(subject);
  std::stable_sort(subjects.begin(), subjects.end(), [&](int a, int b) { return runs[a] > runs[b]; });
  return subjects;
}

}  // namespace razorscope::gui
