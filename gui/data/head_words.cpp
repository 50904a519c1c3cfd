#include "gui/data/head_words.hpp"

#include <QObject>
#include <algorithm>

namespace razorscope::gui {
namespace {

bool is_meant(const HeadErrors& head, const HeadPlace& place) {
  return head.layer == place.layer && head.kv_head == place.kv_head &&
         (place.query_head < 0 || head.query_head == place.query_head);
}

/// A figure's mean over the query heads that are meant; nothing where the run has none of them.
std::optional<double> mean_of(const HeadErrorsOfRun& run, const HeadPlace& place, const HeadFigure& figure) {
  double sum = 0.0;
  int count = 0;
  for (const HeadErrors& head : run.heads) {
    if (!is_meant(head, place)) continue;
    sum += head.*figure.value;
    ++count;
  }
  return count == 0 ? std::nullopt : std::optional(sum / count);
}

}  // namespace

QString place_text(const HeadPlace& place) {
  QString text = QObject::tr("Layer %1, KV head %2").arg(place.layer).arg(place.kv_head);
  if (place.query_head >= 0) text += QObject::tr(", query head %1").arg(place.query_head);
  return text;
}

QString score_words(const ProbeHeads* probe, const HeadPlace& place, bool chosen) {
  if (probe == nullptr || place.layer < 0 || place.layer >= probe->scores.layers || place.kv_head < 0 ||
      place.kv_head >= probe->scores.kv_heads)
    return {};
  const auto at = static_cast<size_t>(place.layer * probe->scores.kv_heads + place.kv_head);
  if (probe->induction_rank[at] == 0) return {};
  return QObject::tr("Induction score %1 (rank %2 of %3), echo score %4 (rank %5)\n%6")
      .arg(figure_text(probe->scores.induction[at], FigureKind::error))
      .arg(probe->induction_rank[at])
      .arg(probe->heads)
      .arg(figure_text(probe->scores.echo[at], FigureKind::error))
      .arg(probe->echo_rank[at])
      .arg(chosen ? QObject::tr("A retrieval head by these shares") : QObject::tr("Not a retrieval head"));
}

QString head_page(const ProbeHeads* probe, const HeadPlace& place, bool chosen,
                  const std::vector<HeadErrorsOfRun>& runs) {
  QString html = QStringLiteral("<b>%1</b>").arg(place_text(place));
  const QString scores = score_words(probe, place, chosen);
  if (!scores.isEmpty())
    html += QStringLiteral("<br>") + scores.toHtmlEscaped().replace(u'\n', QStringLiteral("; "));
  QString lines;
  for (const HeadErrorsOfRun& run : runs) {
    QString cells;
    bool has_figures = false;
    for (const HeadFigure& figure : head_error_figures()) {
      const auto mean = mean_of(run, place, figure);
      has_figures = has_figures || mean;
      cells += QStringLiteral("<td align=\"right\">%1</td>")
                   .arg(mean ? figure_text(*mean, FigureKind::error) : QStringLiteral("-"));
    }
    if (has_figures)
      lines += QStringLiteral("<tr><td style=\"white-space: pre\">%1</td>%2</tr>")
                   .arg(run.policy.toHtmlEscaped(), cells);
  }
  if (lines.isEmpty()) return html;
  QString header = QObject::tr("<th align=\"left\">Run</th>");
  for (const HeadFigure& figure : head_error_figures())
    header += QStringLiteral("<th align=\"right\">%1</th>").arg(QString::fromUtf8(figure.title));
  return html + QStringLiteral("<table cellspacing=\"0\" cellpadding=\"3\"><tr>%1</tr>%2</table>")
                    .arg(header, lines);
}

QStringList worst_heads(const HeadErrorsOfRun& run, const HeadFigure& figure, size_t most) {
  std::vector<HeadErrors> heads = run.heads;
  const size_t count = std::min(most, heads.size());
  const auto end = heads.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(heads.begin(), end, heads.end(), [&](const HeadErrors& a, const HeadErrors& b) {
    return a.*figure.value > b.*figure.value;
  });
  QStringList lines;
  for (auto head = heads.begin(); head != end; ++head)
    lines += QStringLiteral("%1: %2").arg(place_text({head->layer, head->kv_head, head->query_head}),
                                          figure_text((*head).*figure.value, FigureKind::error));
  return lines;
}

}  // namespace razorscope::gui
