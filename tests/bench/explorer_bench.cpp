// How the explorer feels with a large database: how long it takes to open, to filter and to show each view,
// how long its thread is ever blocked meanwhile, and how much memory it has at most.
//
//   python3 tests/bench/million_rows.py build/release/razorscope --db large.db
//   QT_QPA_PLATFORM=offscreen build/release/tests/razorscope_explorer_bench large.db [REPEATS]
//
// Exit code 1 where a figure is beyond what is asked: 2 s to open, 200 ms to filter, 50 ms blocked, 600 MB.

#include <QApplication>
#include <QElapsedTimer>
#include <QFile>
#include <QTimer>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "gui/widgets/chart.hpp"
#include "gui/window/main_window.hpp"
#include "tests/support/temporary_folder.hpp"

namespace {

using namespace razorscope::gui;

constexpr double open_limit = 2000.0;   // milliseconds
constexpr double filter_limit = 200.0;  // likewise
constexpr double blocked_limit = 50.0;  // likewise
constexpr double memory_limit = 600e6;  // bytes

/// Ticks as often as the thread lets it: what lies between two ticks is how long nothing else could happen.
class Watchdog {
 public:
  Watchdog() {
    QObject::connect(&timer_, &QTimer::timeout, &timer_, [this] { tick(); });
    timer_.start(1);
    clock_.start();
  }
  void begin() {
    longest_ = 0.0;
    clock_.restart();
  }
  /// Milliseconds, since begin().
  double longest() {
    tick();
    return longest_;
  }

 private:
  void tick() {
    longest_ = std::max(longest_, static_cast<double>(clock_.nsecsElapsed()) / 1e6);
    clock_.restart();
  }

  QTimer timer_;
  QElapsedTimer clock_;
  double longest_ = 0.0;
};

struct Measured {
  std::string what;
  std::vector<double> milliseconds;
  double blocked = 0.0;  // at most
  double limit = 0.0;    // of the median; 0: none
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double memory_bytes(const char* key) {
  QFile status(QStringLiteral("/proc/self/status"));
  status.open(QIODevice::ReadOnly);
  for (const QByteArray& line : status.readAll().split('\n')) {
    if (line.startsWith(key)) return line.split(':').at(1).simplified().split(' ').at(0).toDouble() * 1024.0;
  }
  return 0.0;
}

/// Does something in the event loop, and lets the program work until all that is shown is there.
template <typename Action>
void measure(Measured& measured, Watchdog& watchdog, MainWindow& window, const Action& action) {
  watchdog.begin();
  QElapsedTimer clock;
  clock.start();
  QTimer::singleShot(0, &window, action);
  QApplication::processEvents(QEventLoop::AllEvents, 1);
  for (int quiet = 0; quiet < 3;) {
    QApplication::processEvents(QEventLoop::WaitForMoreEvents | QEventLoop::AllEvents, 5);
    quiet = window.isSettled() ? quiet + 1 : 0;
    if (clock.elapsed() > 60'000) break;
  }
  measured.milliseconds.push_back(static_cast<double>(clock.nsecsElapsed()) / 1e6);
  measured.blocked = std::max(measured.blocked, watchdog.longest());
}

RunFilter only(Facet facet, const QString& name) {
  RunFilter filter;
  filter.chosen[facet] = {name};
  return filter;
}

}  // namespace

int main(int argc, char** argv) {
  const razorscope::testing::TemporaryFolder settings;
  qputenv("XDG_CONFIG_HOME", QByteArray::fromStdString(settings.path().string()));
  QApplication application(argc, argv);
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DATABASE [REPEATS]\n", argv[0]);
    return 2;
  }
  const QString path = QString::fromLocal8Bit(argv[1]);
  const int repeats = argc > 2 ? std::max(1, std::atoi(argv[2])) : 5;
  Watchdog watchdog;
  MainWindow window;
  window.resize(1280, 820);
  window.show();
  QApplication::processEvents();

  std::vector<Measured> all;
  Measured open{.what = "open", .milliseconds = {}, .limit = open_limit};
  for (int i = 0; i < repeats; ++i) {
    window.explorer().close();
    measure(open, watchdog, window, [&] { window.openFile(path); });
  }
  if (window.explorer().snapshot() == nullptr) {
    std::fprintf(stderr, "%s\n", window.explorer().problem().toUtf8().constData());
    return 2;
  }
  all.push_back(open);
  const Snapshot& snapshot = *window.explorer().snapshot();
  std::printf("%zu runs\n", snapshot.runs.size());

  for (const ViewEntry& entry : view_catalogue()) {
    const std::string title = entry.title;
    Measured show{.what = title + ": show", .milliseconds = {}};
    Measured filter{.what = title + ": filter", .milliseconds = {}, .limit = filter_limit};
    Measured select{.what = title + ": select", .milliseconds = {}};
    const RunFilter filters[] = {only(Facet::kind, QStringLiteral("replay")),
                                 only(Facet::model, QStringLiteral("model-1")),
                                 only(Facet::family, QStringLiteral("window")),
                                 only(Facet::codec, QStringLiteral("f16")),
                                 {}};
    for (int i = 0; i < repeats; ++i) {
      window.showView(QStringLiteral("runs"));
      if (i % 2 == 0) window.showView(QStringLiteral("sql"));
      QApplication::processEvents();
      measure(show, watchdog, window, [&] { window.showView(QString::fromUtf8(entry.key)); });
      const RunFilter& next = filters[static_cast<size_t>(i) % std::size(filters)];
      measure(filter, watchdog, window, [&] { window.explorer().setFilter(next); });
      const Run& run =
          snapshot.runs[snapshot.runs.size() * static_cast<size_t>(i) / static_cast<size_t>(repeats)];
      measure(select, watchdog, window, [&] { window.explorer().selectOnly(run.ref); });
    }
    measure(filter, watchdog, window, [&] { window.explorer().setFilter({}); });
    for (Measured* measured : {&show, &filter, &select}) all.push_back(*measured);
  }

  // All replays of all texts in one chart, with another axis each time.
  Measured whole{.what = "Trade-off of all texts", .milliseconds = {}};
  window.showView(QStringLiteral("tradeoff"));
  window.currentView()->restoreState({{QStringLiteral("subject"), QStringLiteral("all")}});
  auto* chart = window.currentView()->findChild<Chart*>();
  for (int i = 0; i < repeats; ++i)
    measure(whole, watchdog, window, [&] { chart->setLogarithmic(Qt::Vertical, i % 2 == 1); });
  all.push_back(whole);

  bool good = true;
  std::printf("%-22s %12s %10s %12s\n", "", "median ms", "worst ms", "blocked ms");
  for (const Measured& measured : all) {
    const double typical = median(measured.milliseconds);
    const bool slow = measured.limit > 0.0 && typical > measured.limit;
    const bool blocks = measured.blocked > blocked_limit;
    good = good && !slow && !blocks;
    std::printf("%-22s %12.1f %10.1f %12.1f%s%s\n", measured.what.c_str(), typical,
                *std::max_element(measured.milliseconds.begin(), measured.milliseconds.end()),
                measured.blocked, slow ? "  TOO SLOW" : "", blocks ? "  BLOCKS" : "");
  }
  const double peak = memory_bytes("VmHWM");
  std::printf("memory: %.0f MB at most, %.0f MB now%s\n", peak / 1e6, memory_bytes("VmRSS") / 1e6,
              peak > memory_limit ? "  TOO MUCH" : "");
  return good && peak <= memory_limit ? 0 : 1;
}
