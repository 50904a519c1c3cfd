#pragma once

#include <QApplication>
#include <QDir>
#include <QFile>
#include <QSignalSpy>
#include <QTest>
#include <gtest/gtest.h>

#include "experiments/store/store.hpp"
#include "gui/data/explorer.hpp"
#include "tests/support/stored_deployments.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

/// For messages of tests.
inline void PrintTo(const QString& text, std::ostream* out) { *out << '"' << text.toStdString() << '"'; }

namespace razorscope::testing {

/// Lets the program work until something is so; false where it is not within ten seconds.
template <typename Condition>
bool wait_for(const Condition& condition) {
  return QTest::qWaitFor(condition, 10'000);
}

/// A database with six replays of three families and two codecs, two evaluations, two tasks, a probe, and two
/// serving runs.
inline void fill_database(const std::filesystem::path& path) {
  Store store = Store::open_for_writing(path);
  const struct {
    const char* policy;
    double error;
    size_t keys;
  } replays[] = {
      {"full", 0.001, 9000},          {"window:recent=60", 0.5, 1000}, {"window:recent=124", 0.3, 2000},
      {"razor:recent=60", 0.4, 1500}, {"razor:recent=124", 0.2, 3000}, {"razor:recent=124+q8_0", 0.25, 1600}};
  for (const auto& [policy, error, keys] : replays) {
    ReplayRecord record = record_of(policy, 6, error);
    record.result.compressed.keys = keys;
    record.full_f16_bytes = 10'000;
    store.add_replay(record);
  }
  store.add_eval(eval_of("window:recent=60", 0.5));
  store.add_eval(eval_of("razor:recent=124", 0.125));
  store.add_task(task_of("window:recent=60", 10));
  store.add_task(task_of("razor:recent=124", 35));
  store.add_probe(probe_of());
  store.add_serving(serving_of("full", 1.0));
  store.add_serving(serving_of("full", 2.0));
}

/// An explorer with that database open.
class WithDatabase : public ::testing::Test {
 protected:
  void SetUp() override {
    fill_database(path());
    explorer.open(QString::fromStdString(path().string()));
    ASSERT_TRUE(wait_for([&] { return explorer.state() != gui::Explorer::State::loading; }));
    ASSERT_EQ(explorer.state(), gui::Explorer::State::ready) << explorer.problem().toStdString();
  }
  std::filesystem::path path() const { return folder / "results.db"; }
  const gui::Snapshot& snapshot() const { return *explorer.snapshot(); }

  TemporaryFolder folder;
  gui::Explorer explorer;
};

inline QByteArray bytes_of(const QString& path) {
  QFile file(path);
  EXPECT_TRUE(file.open(QIODevice::ReadOnly)) << path.toStdString();
  return file.readAll();
}

}  // namespace razorscope::testing
