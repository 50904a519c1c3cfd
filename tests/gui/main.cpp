#include <QApplication>
#include <gtest/gtest.h>

#include "gui/widgets/theme.hpp"
#include "tests/support/temporary_folder.hpp"

// Sessions of tests are nobody's: configuration, data and caches are in a folder that goes with the process.
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const razorscope::testing::TemporaryFolder folder;
  for (const char* name : {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"}) {
    std::filesystem::create_directories(folder / name);
    std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
    qputenv(name, QByteArray::fromStdString((folder / name).string()));
  }
  if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM")) qputenv("QT_QPA_PLATFORM", "offscreen");
  QApplication application(argc, argv);
  QApplication::setApplicationName(QStringLiteral("razorscope-gui-tests"));
  QApplication::setStyle(razorscope::gui::make_style());
  return RUN_ALL_TESTS();
}
