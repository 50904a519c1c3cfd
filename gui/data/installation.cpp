#include "gui/data/installation.hpp"

#include <QStandardPaths>
#include <algorithm>

#include "models/base/user_directory.hpp"

namespace razorscope::gui {

std::filesystem::path command_line_program() {
  const std::filesystem::path beside = program_directory() / "razorscope";
  std::error_code unknown;
  if (std::filesystem::is_regular_file(beside, unknown)) return beside;
  return QStandardPaths::findExecutable(QStringLiteral("razorscope")).toStdString();
}

std::vector<std::filesystem::path> sample_sweeps() {
  std::vector<std::filesystem::path> files;
  std::error_code unknown;
  for (std::filesystem::path above = program_directory(); above != above.parent_path();
       above = above.parent_path()) {
    const std::filesystem::path configs = above / "experiments" / "configs";
    if (!std::filesystem::is_directory(configs, unknown)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(configs, unknown)) {
      if (entry.path().extension() == ".toml") files.push_back(entry.path());
    }
    break;
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::filesystem::path usual_database() {
  return user_directory("XDG_DATA_HOME", ".local/share") / "results.db";
}

}  // namespace razorscope::gui
