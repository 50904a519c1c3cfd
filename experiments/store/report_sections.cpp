#include <algorithm>

#include "experiments/store/report.hpp"
#include "experiments/store/report_formats.hpp"
#include "models/base/error.hpp"

// Which sections a report has, and what each holds.

namespace razorscope {
namespace {

struct Named {
  const char* name;
  ReportSection section;
};
constexpr Named sections[] = {{"replay", ReportSection::replay}, {"eval", ReportSection::eval},
                              {"tasks", ReportSection::tasks},   {"ladder", ReportSection::ladder},
                              {"rates", ReportSection::rates},   {"serving", ReportSection::serving},
                              {"plans", ReportSection::plans}};

}  // namespace

ReportFormat report_format(const std::string& name) {
  if (name == "table") return ReportFormat::table;
  if (name == "md") return ReportFormat::markdown;
  if (name == "csv") return ReportFormat::csv;
  if (name == "json") return ReportFormat::json;
  if (name == "html") return ReportFormat::html;
  throw InputError("--format", unknown_name("format", name, {"table", "md", "csv", "json", "html"}));
}

ReportSection report_section(const std::string& name) {
  std::vector<std::string> names;
  for (const Named& section : sections) {
    if (name == section.name) return section.section;
    names.emplace_back(section.name);
  }
  throw InputError("--section", unknown_name("section", name, names));
}

ReportData ReportData::only(ReportSection section) const {
  ReportData data;
  if (section == ReportSection::replay) data.replay = replay;
  if (section == ReportSection::eval) data.closed_loop = closed_loop;
  if (section == ReportSection::tasks) data.tasks = tasks;
  if (section == ReportSection::ladder) data.ladder = ladder;
  if (section == ReportSection::serving) data.serving = serving;
  if (section == ReportSection::serving || section == ReportSection::rates) data.max_rates = max_rates;
  if (section == ReportSection::plans) data.plans = plans;
  return data;
}

bool ReportData::empty(std::optional<ReportSection> section) const {
  if (section) return only(*section).empty();
  return replay.empty() && closed_loop.empty() && tasks.empty() && ladder.empty() && serving.empty() &&
         max_rates.empty() && plans.empty();
}

std::string csv_text(const ReportData& data, ReportSection section) {
  switch (section) {
    case ReportSection::replay:
      return format_csv(report_groups(data.replay));
    case ReportSection::eval:
      return format_csv(data.closed_loop);
    case ReportSection::tasks:
      return format_csv(data.tasks);
    case ReportSection::ladder:
      return format_csv(data.ladder);
    case ReportSection::rates:
      return format_csv(data.max_rates);
    case ReportSection::serving:
      return format_csv(data.serving);
    case ReportSection::plans:
      break;
  }
  return format_csv(data.plans);
}

std::vector<SectionText> section_texts(const ReportData& data, TextStyle style) {
  std::vector<SectionText> out;
  if (!data.replay.empty())
    out.push_back({ReportSection::replay, "replay", "Replay: open loop over a trace",
                   format_text(report_groups(data.replay), style)});
  if (!data.closed_loop.empty())
    out.push_back({ReportSection::eval, "closed-loop", "Closed loop: the model decoding under each policy",
                   format_text(data.closed_loop, style)});
  if (!data.tasks.empty())
    out.push_back({ReportSection::tasks, "tasks", "Tasks: answers from a compressed context",
                   format_text(data.tasks, style)});
  if (!data.ladder.empty())
    out.push_back({ReportSection::ladder, "ladder",
                   "Ladder: whether what is cheap to measure ranks policies as what is dear does",
                   format_text(data.ladder, data.tasks, style)});
  if (!data.max_rates.empty())
    out.push_back({ReportSection::rates, "rates", "Serving: the highest rate within a service level",
                   format_text(data.max_rates, style)});
  if (!data.serving.empty())
    out.push_back({ReportSection::serving, "serving", "Serving: workloads simulated on devices",
                   format_text(data.serving, style)});
  if (!data.plans.empty())
    out.push_back(
        {ReportSection::plans, "plans", "Plans: what fits on devices", format_text(data.plans, style)});
  return out;
}

std::string sections_text(const ReportData& data, TextStyle style) {
  std::string out;
  for (const SectionText& section : section_texts(data, style)) {
    if (!out.empty()) out += '\n';
    out += format_title(section.title, style);
    out += section.body;
  }
  return out.empty() ? "No runs are stored.\n" : out;
}

}  // namespace razorscope
