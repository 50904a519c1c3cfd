#include "gui/data/head_maps.hpp"

#include <cmath>
#include <gtest/gtest.h>

#include "experiments/store/figures/colour_scale.hpp"
#include "experiments/store/ranked_heads.hpp"
#include "tests/gui/stored_heads.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

using namespace gui;

Snapshot stored(const std::vector<ProbeRecord>& probes) {
  const TemporaryFolder folder;
  Store store = Store::open_for_writing(folder / "results.db");
  for (const ProbeRecord& probe : probes) store.add_probe(probe);
  return read_snapshot(store);
}

TEST(HeadMapsTest, AProbeIsKnownByItsKvHeads) {
  const Snapshot snapshot = stored({probe_of()});
  const std::vector<ProbeHeads> probes = probes_of(snapshot);
  ASSERT_EQ(probes.size(), 1U);
  EXPECT_EQ(probes[0].entry.seed, 1U);
  EXPECT_EQ(probes[0].entry.variant, "sum-prior");
  EXPECT_EQ(probes[0].heads, 4);
  EXPECT_EQ(probes[0].induction_rank, (std::vector<int>{1, 4, 2, 3}));
  EXPECT_EQ(probes[0].echo_rank, (std::vector<int>{4, 3, 1, 2}));
  const HeadScores& scores = probes[0].scores;
  EXPECT_EQ(echo_map(scores).values, (std::vector<double>{0.2, 0.4, 0.8, 0.6}));
  EXPECT_EQ(induction_map(scores).values, (std::vector<double>{0.9, 0.3, 0.5, 0.5}));
  EXPECT_EQ(find_probe(probes, probes[0].entry.id), &probes[0]);
  EXPECT_EQ(find_probe(probes, 99), nullptr);
  EXPECT_TRUE(induction_map(kv_head_scores(snapshot.heads, 99)).empty());
}

TEST(HeadMapsTest, StabilityIsTheShareOfProbesThatChooseAHead) {
  ProbeRecord other = probe_of();
  other.scores.seed = 2;
  other.scores.induction = {0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.1};
  const Snapshot snapshot = stored({probe_of(), other});
  const std::vector<ProbeHeads> probes = probes_of(snapshot);
  ASSERT_EQ(probes.size(), 2U);
  EXPECT_EQ(probes[1].scores.kv_induction(), (std::vector<double>{0.1, 0.3, 0.5, 0.9}));
  // A quarter is one of 4 heads: the first by induction is (0, 0), then (1, 1); by echo (1, 0) in both.
  const Stability stability =
      stability_map(probes, other.model.shape.name, {.induction = 0.25, .echo = 0.25});
  EXPECT_EQ(stability.probes, 2);
  EXPECT_EQ(stability.map.values, (std::vector<double>{0.5, 0.0, 1.0, 0.5}));
  EXPECT_EQ(stability_map(probes, "another", {}).probes, 0);
}

TEST(HeadMapsTest, ErrorsStandByLayerAndQueryHead) {
  const ReplayRecord record = replay_of_probed("razor");
  for (const HeadFigure& figure : head_error_figures()) {
    const HeadMap map = error_map(record.result.heads, figure);
    ASSERT_EQ(map.layers, 2);
    ASSERT_EQ(map.heads, 4);
    for (const HeadErrors& head : record.result.heads)
      EXPECT_EQ(map.at(head.layer, head.query_head), head.*figure.value);
  }
  EXPECT_EQ(kv_heads_of(record.result.heads), 2);
  EXPECT_TRUE(error_map({}, head_error_figures().front()).empty());
}

TEST(HeadMapsTest, WhatIsNotMeasuredIsNoNumber) {
  HeadErrors head;
  head.layer = 1;
  head.query_head = 1;
  const HeadMap map = error_map({head}, head_error_figures().front());
  EXPECT_TRUE(std::isnan(map.at(0, 0)));
  EXPECT_EQ(map.at(1, 1), 0.0);
}

TEST(HeadMapsTest, MeansTellRetrievalHeadsFromOthers) {
  const ReplayRecord record = replay_of_probed("razor", 0.0);  // errors 0 to 7
  const HeadFigure& figure = head_error_figures().front();
  const HeadMeans means = head_means(record.result.heads, figure, {{0, 1}, {1, 0}});
  EXPECT_DOUBLE_EQ(means.retrieval.value(), (2 + 3 + 4 + 5) / 4.0);
  EXPECT_DOUBLE_EQ(means.others.value(), (0 + 1 + 6 + 7) / 4.0);
  EXPECT_FALSE(head_means(record.result.heads, figure, {}).retrieval.has_value());
}

TEST(ColourScaleTest, ErrorsAreLogarithmicOverFourDecades) {
  const ColourScale scale = error_scale({0.0, 1e-9, 0.01, 1.0, NAN});
  EXPECT_DOUBLE_EQ(scale.low, 1e-4);
  EXPECT_DOUBLE_EQ(scale.high, 1.0);
  EXPECT_DOUBLE_EQ(scale.share(0.01), 0.5);
  EXPECT_EQ(scale.share(0.0), 0.0);
  EXPECT_EQ(scale.share(5.0), 1.0);
  EXPECT_EQ(error_scale({0.0, 0.0}).share(0.0), 0.0);
  EXPECT_EQ(error_scale({0.3}).share(0.3), 0.0);
}

}  // namespace
}  // namespace razorscope::testing
