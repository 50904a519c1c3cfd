#include "experiments/store/html/html_report.hpp"

#include "experiments/store/figures/bar_figures.hpp"
#include "experiments/store/figures/bounds.hpp"
#include "experiments/store/figures/latency_figure.hpp"
#include "experiments/store/figures/pareto_figure.hpp"
#include "experiments/store/figures/tradeoff_figure.hpp"
#include "experiments/store/report_formats.hpp"

namespace razorscope {
namespace {

constexpr const char* lead =
    "What KV cache policies cost in error and save in bytes. Figures show their numbers where they are "
    "pointed at; "
    "every number stands in the tables, too.";

/// Curves need two sizes to say anything.
template <typename Row>
std::string curves(const std::vector<Row>& rows, const std::string& id) {
  std::vector<CurveGroup> groups = curve_groups(rows);
  std::erase_if(groups, [](const CurveGroup& group) { return group.shares.size() < 2; });
  return html_figures(tradeoff_figures(std::move(groups)), id);
}

template <typename Row>
std::string fronts(const std::vector<Row>& rows, const std::string& id) {
  std::vector<ParetoGroup> groups = pareto_groups(rows);
  std::string out = html_figures(pareto_figures(groups), id);
  keep_heaviest(groups, most_figures, [](const ParetoGroup& group) { return group.points.size(); });
  for (const ParetoGroup& group : groups) out += front_table(group, TextStyle::html);
  return out;
}

std::string figures_of(ReportSection section, const HtmlReport& report) {
  switch (section) {
    case ReportSection::replay:
      return curves(report.data.replay, "replay-curves") + fronts(report.data.replay, "replay-front") +
             html_figures(head_figures(report.heads), "heads");
    case ReportSection::eval:
      return curves(report.data.closed_loop, "eval-curves") + fronts(report.data.closed_loop, "eval-front");
    case ReportSection::tasks:
      return curves(report.data.tasks, "task-curves") +
             html_figures(task_figures(report.data.tasks), "accuracies");
    case ReportSection::serving:
      return html_figures(latency_figures(report.data.serving), "latency");
    case ReportSection::plans:
      return html_figures(memory_figures(report.data.plans), "memory");
    default:
      return "";
  }
}

}  // namespace

std::string html_report(const HtmlReport& report) {
  std::vector<HtmlSection> sections = {
      {"measured", "What was measured", html_overview(report.data, report.origins)}};
  for (SectionText& text : section_texts(report.data, TextStyle::html))
    sections.push_back({text.id, text.title, figures_of(text.section, report) + text.body});
  return html_page(report.title, lead, sections);
}

}  // namespace razorscope
