#include "gui/data/run_details.hpp"

#include "gui/data/run_columns.hpp"

namespace razorscope::gui {

DetailLines run_details(const Snapshot& snapshot, const Run& run) {
  DetailLines lines;
  for (const RunColumn& column : run_columns()) {
    QString text = column.cell(snapshot, run);
    if (text.isEmpty()) continue;
    if (column.interval != nullptr) {
      if (const auto interval = column.interval(snapshot, run)) {
        text +=
            QStringLiteral(" [%1, %2]")
                .arg(figure_text(interval->low, column.format), figure_text(interval->high, column.format));
      }
    }
    lines.emplace_back(column.heading(), text);
  }
  return lines;
}

DetailLines provenance_details(const std::optional<RunProvenance>& origin) {
  if (!origin) return {};
  const Provenance& by = origin->provenance;
  const auto text = [](const std::string& value) { return QString::fromStdString(value); };
  return {{QStringLiteral("Command"), text(origin->command_line)},
          {QStringLiteral("Started (UTC)"), text(origin->started_utc)},
          {QStringLiteral("Took"), duration_text(origin->wall_seconds)},
          {QStringLiteral("Program"),
           QStringLiteral("%1, commit %2").arg(text(by.program_version), text(by.commit).left(12))},
          {QStringLiteral("Processor"), text(by.cpu)},
          {QStringLiteral("Kernels"),
           QStringLiteral("%1, %2, %3 threads").arg(text(by.target), text(by.compute)).arg(by.threads)},
          {QStringLiteral("System"), text(by.os)}};
}

}  // namespace razorscope::gui
