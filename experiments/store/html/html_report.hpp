#pragma once

#include <string>
#include <vector>

#include "experiments/store/figures/head_atlas.hpp"
#include "experiments/store/html/html_page.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/run_origin.hpp"

namespace razorscope {

/// What an HTML report is made from.
struct HtmlReport {
  std::string title;
  ReportData data;
  HeadAtlases heads = {};
  std::vector<RunOrigin> origins = {};  // of these runs and possibly others
};

/// One page: what was measured; trade-off curves, Pareto fronts, head atlas, tasks, latency against load and
/// memory as SVG; and all tables of the other formats.
std::string html_report(const HtmlReport& report);

/// What was measured: counts by kind, models, texts, devices, and the programs that did it.
std::string html_overview(const ReportData& data, const std::vector<RunOrigin>& origins);

}  // namespace razorscope
