#include <gtest/gtest.h>

#include "experiments/store/schema.hpp"
#include "experiments/store/store.hpp"
#include "tests/support/stored_deployments.hpp"
#include "tests/support/stored_runs.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

TEST(StoreDeploymentsTest, GivesBackAServingRun) {
  const TemporaryFolder folder;
  Store store = Store::open_for_writing(folder / "results.db");
  const int64_t id = store.add_serving(serving_of("full", 2.0));
  EXPECT_EQ(store.add_serving(serving_of("full", 2.0)), id);
  EXPECT_NE(store.add_serving(serving_of("full", 4.0)), id);
  const std::vector<ServingRow> rows = store.serving_rows();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].run_id, id);
  EXPECT_EQ(rows[0].device, "L40S");
  EXPECT_EQ(rows[0].rate, 2.0);
  EXPECT_EQ(rows[0].workload_pattern, "poisson:requests=2");
  EXPECT_EQ(rows[0].workload_hash, rows[1].workload_hash);
  EXPECT_EQ(rows[0].level.ttft, 2.0);
  EXPECT_FALSE(rows[0].level.tpot.has_value());
  EXPECT_DOUBLE_EQ(rows[0].result.ttft.p99, 0.875);
  EXPECT_EQ(rows[0].result.refused.at("too long"), 1U);
  EXPECT_EQ(rows[0].result.calibration, Calibration::borrowed);
  const std::vector<TimelinePoint> timeline = store.timeline(id);
  ASSERT_EQ(timeline.size(), 2U);
  EXPECT_EQ(timeline[1].prompt_tokens, 40);
  EXPECT_TRUE(store.timeline(99).empty());
}

TEST(StoreDeploymentsTest, GivesBackASearchAndAPlan) {
  const TemporaryFolder folder;
  Store store = Store::open_for_writing(folder / "results.db");
  RateSearchRecord search;
  search.run_id = store.add_serving(serving_of("full", 2.0));
  search.probe_runs = {search.run_id, store.add_serving(serving_of("full", 4.0))};
  search.wanted_share = 0.9;
  search.outcome = "found";
  search.rate = 2.0;
  EXPECT_EQ(store.add_rate_search(search), store.add_rate_search(search));
  ASSERT_EQ(store.max_rates().size(), 1U);
  EXPECT_EQ(store.max_rates()[0].probes, 2);
  EXPECT_EQ(store.max_rates()[0].run.run_id, search.run_id);

  auto plan = on_device<PlanRecord>("full");
  plan.request = {1000, 100, 4, 2048};
  plan.row.max_batch = 7;
  plan.row.decode.weights = 0.25;
  EXPECT_EQ(store.add_plan(plan), store.add_plan(plan));
  ASSERT_EQ(store.capacity().size(), 1U);
  EXPECT_EQ(store.capacity()[0].max_batch, 7);
  EXPECT_DOUBLE_EQ(store.capacity()[0].decode_ms, 250.0);
  EXPECT_EQ(store.capacity()[0].context, 1000);
}

TEST(StoreDeploymentsTest, BringsTheSecondVersionUpToDate) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "old.db";
  {
    SQLite::Database database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec(schema_migrations()[0]);
    database.exec(schema_migrations()[1]);
    database.exec("PRAGMA user_version = 2; PRAGMA application_id = " + std::to_string(store_application_id));
    database.exec("INSERT INTO models VALUES (1, 'tiny', 'm1', 'llama', 2, 3, 1, 64, 2048, 'rope')");
  }
  Store store = Store::open_for_writing(path);
  EXPECT_EQ(ask(path, "PRAGMA user_version"), schema_version());
  EXPECT_EQ(ask(path, "SELECT count(*) FROM models"), 1);
  store.add_serving(serving_of("full", 2.0));
  EXPECT_EQ(store.serving_rows().size(), 1U);
}

}  // namespace
}  // namespace razorscope::testing
