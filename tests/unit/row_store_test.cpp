#include "policies/codecs/row_store.hpp"

#include <algorithm>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <random>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

#include "models/base/half.hpp"
#include "policies/kernels/hadamard.hpp"
#include "tests/support/codec_definitions.hpp"
#include "tests/support/codec_store.hpp"

namespace razorscope {
namespace {

using namespace razorscope::testing;
using ::testing::Each;
using ::testing::FloatEq;

struct Setting {
  std::string codec;
  RowRole role = RowRole::keys;
  int residual = 0;
  bool chunk = false;
  bool prefix_only = false;
  bool rotate = false;

  bool is_kivi() const { return codec.starts_with("kivi"); }
  bool grouped() const { return is_kivi() && role == RowRole::keys; }
  std::string text() const {
    std::string out = codec + (chunk ? "/chunk" : "") + (prefix_only ? "/prefix" : "");
    if (codec == "f32" || codec == "f16") return out;
    out += ":residual=" + std::to_string(residual);
    return is_kivi() ? out : out + (rotate ? ",rotate=yes" : "");
  }
};

Row halves(const Row& row) {
  Row out;
  for (const float x : row) out.push_back(static_cast<float>(nearest_half(x)));
  return out;
}

/// What a store should hold, told as lists of rows.
class Model {
 public:
  Model(const Setting& setting, const Rows& prefix) : setting_(setting) {
    const auto n = static_cast<int>(prefix.size());
    int coded = std::max(n - setting.residual, 0);
    if (setting.grouped()) coded = setting.chunk ? n / setting.residual * setting.residual : coded / 32 * 32;
    for (const Row& row : prefix) {
      for (const float x : rotated(row)) largest_ = std::max(largest_, std::fabs(x));
    }
    const auto middle = prefix.begin() + coded;
    code({prefix.begin(), middle});
    for (auto row = middle; row != prefix.end(); ++row) residual_.push_back(halves(*row));
  }

  void append(const Row& row) {
    if (setting_.prefix_only) {
      exact_.push_back(row);
      return;
    }
    if (!setting_.grouped() && setting_.residual == 0) {
      code({row});
      return;
    }
    residual_.push_back(halves(row));
    age();
  }

  /// `before`: what the rows read back as.
  void remove(size_t slot, size_t filler, const Rows& before) {
    if (slot >= coded_.size()) {
      slot -= coded_.size();
      Rows& rows = slot < residual_.size() ? residual_ : exact_;
      if (slot >= residual_.size()) slot -= residual_.size();
      rows.erase(rows.begin() + static_cast<ptrdiff_t>(slot));
      return;
    }
    coded_[slot] = coded_[filler];
    const auto at = coded_.begin() + static_cast<ptrdiff_t>(filler);
    if (!setting_.grouped()) {
      coded_.erase(at);
      return;
    }
    const size_t group = at->group;
    coded_.erase(at);
    if (first_dirty_ > group) first_dirty_ = group;
    ++dead_;
    if (4 * dead_ < dead_ + coded_.size()) return;
    // A quarter is dead: what follows the first hole is coded anew from what it read back as.
    std::vector<Element> kept;
    Rows again;
    Rows survivors = before;
    survivors.erase(survivors.begin() + static_cast<ptrdiff_t>(slot));
    for (size_t i = 0; i < coded_.size(); ++i) {
      if (coded_[i].group < first_dirty_) {
        kept.push_back(coded_[i]);
      } else {
        again.push_back(survivors[i]);
      }
    }
    coded_ = kept;
    dead_ = 0;
    first_dirty_ = none;
    const size_t whole = again.size() / 32 * 32;
    code({again.begin(), again.begin() + static_cast<ptrdiff_t>(whole)});
    Rows front;
    for (size_t i = whole; i < again.size(); ++i) front.push_back(halves(again[i]));
    residual_.insert(residual_.begin(), front.begin(), front.end());
    if (!setting_.prefix_only) age();
  }

  size_t rows() const { return coded_.size() + residual_.size() + exact_.size(); }
  size_t coded() const { return coded_.size(); }
  size_t dead() const { return dead_; }
  size_t residual() const { return residual_.size(); }
  size_t exact() const { return exact_.size(); }

  /// "" or what is wrong.
  std::string compare(const Rows& read) const {
    if (read.size() != rows()) return "number of rows";
    for (size_t i = 0; i < read.size(); ++i) {
      const std::string where = " row " + std::to_string(i) + " of " + std::to_string(read.size());
      if (i < coded_.size()) {
        if (!reads_as(rotated(read[i]), coded_[i].defined, setting_.rotate ? 1e-5 : 1e-6))
          return "coded" + where;
      } else if (i < coded_.size() + residual_.size()) {
        if (read[i] != residual_[i - coded_.size()]) return "residual" + where;
      } else if (read[i] != exact_[i - coded_.size() - residual_.size()]) {
        return "exact" + where;
      }
    }
    return "";
  }

 private:
  struct Element {
    std::vector<Coded> defined;
    size_t group = 0;
  };
  static constexpr size_t none = static_cast<size_t>(-1);

  /// By the codec's own transform, which another test compares with its matrix: the last bit decides on which
  /// side of a border an element falls.
  Row rotated(Row row) const {
    if (setting_.rotate) hadamard(row.data(), static_cast<int>(row.size()));
    return row;
  }

  void code(const Rows& rows) {
    if (!setting_.grouped()) {
      for (const Row& row : rows) coded_.push_back({define_row(setting_.codec, rotated(row), largest_)});
      return;
    }
    const Grid grid = setting_.codec == "kivi4" ? Grid::four_bits : Grid::two_bits;
    for (size_t begin = 0; begin < rows.size(); begin += 32) {
      const Rows group(rows.begin() + static_cast<ptrdiff_t>(begin),
                       rows.begin() + static_cast<ptrdiff_t>(begin + 32));
      const std::vector<std::vector<Coded>> defined = define_key_group(grid, group);
      const size_t index = (coded_.size() + dead_) / 32;
      for (size_t t = 0; t < 32; ++t) coded_.push_back({defined[t], index});
    }
  }

  void age() {
    const auto residual = static_cast<size_t>(setting_.residual);
    const size_t step = !setting_.grouped() ? 1 : (setting_.chunk ? residual : 32);
    const size_t threshold = setting_.chunk && setting_.grouped() ? residual : residual + step;
    while (residual_.size() >= threshold) {
      const auto end = residual_.begin() + static_cast<ptrdiff_t>(step);
      code({residual_.begin(), end});
      residual_.erase(residual_.begin(), end);
    }
  }

  Setting setting_;
  float largest_ = 0.0F;
  std::vector<Element> coded_;  // live ones
  size_t dead_ = 0;
  size_t first_dirty_ = none;  // the first group with a hole
  Rows residual_;
  Rows exact_;
};

Setting any_setting() {
  Setting setting;
  setting.codec =
      *rc::gen::elementOf(std::vector<std::string>{"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "int8-token",
                                                   "fp8-e4m3", "kivi4", "kivi2", "kivi4", "kivi2"});
  if (setting.codec != "f32") setting.prefix_only = *rc::gen::arbitrary<bool>();
  if (setting.codec == "f32" || setting.codec == "f16") return setting;
  setting.role = *rc::gen::elementOf(std::vector<RowRole>{RowRole::keys, RowRole::values});
  setting.residual = *rc::gen::elementOf(std::vector<int>{0, 1, 5, 32, 40, 64});
  if (!setting.is_kivi()) {
    setting.rotate = *rc::gen::arbitrary<bool>();
    return setting;
  }
  setting.chunk = *rc::gen::arbitrary<bool>();
  if (setting.chunk) setting.residual = *rc::gen::elementOf(std::vector<int>{32, 64});
  return setting;
}

RC_GTEST_PROP(RowStore, HoldsWhatItsModelHolds, ()) {
  const auto setting = any_setting();
  RC_LOG() << setting.text() << (setting.role == RowRole::keys ? " keys\n" : " values\n");
  const auto head_size = *rc::gen::elementOf(std::vector<int>{8, 40, 64, 80});
  const auto prefix_rows = *rc::gen::inRange<size_t>(1, 200);
  const auto steps = *rc::gen::inRange(0, 150);
  // Of 10 steps, how many remove a row.
  const auto removals = *rc::gen::inRange<unsigned>(0, 9);
  std::mt19937 random(*rc::gen::arbitrary<unsigned>());

  AllocationCounter counter;
  const std::unique_ptr<const Codec> codec = make_codec(setting.text());
  const Rows prefix = random_rows(prefix_rows, head_size, random);
  const std::unique_ptr<RowStore> store = fill(*codec, prefix, head_size, setting.role, counter);
  Model model(setting, prefix);
  RC_ASSERT(model.compare(read_all(*store, head_size)) == "");
  RC_ASSERT(store->bytes().allocated ==
            codec->allocated_bytes(static_cast<int>(prefix_rows), head_size, setting.role));

  const Rows later = random_rows(static_cast<size_t>(steps), head_size, random);
  for (const Row& row : later) {
    const Rows before = read_all(*store, head_size);
    Rows after = before;
    if (random() % 10 < removals && !before.empty()) {
      const auto unordered = static_cast<size_t>(store->unordered_rows());
      const size_t slot = random() % before.size();
      const bool in_order = slot >= unordered || random() % 2 == 0;
      const size_t filler = in_order ? slot : slot + random() % (unordered - slot);
      store->remove(static_cast<int>(slot), static_cast<int>(filler));
      model.remove(slot, filler, before);
      after[slot] = after[filler];
      after.erase(after.begin() + static_cast<ptrdiff_t>(filler));
    } else {
      store->append(row.data());
      model.append(row);
    }
    const Rows read = read_all(*store, head_size);
    RC_ASSERT(model.compare(read) == "");
    // Only a store that ages may change what is read back.
    if (!store->ages()) RC_ASSERT(std::equal(after.begin(), after.end(), read.begin()));
    for (size_t i = 0; i < read.size(); i += 1 + read.size() / 8) {
      Row one(static_cast<size_t>(head_size));
      store->read(static_cast<int>(i), one.data());
      RC_ASSERT(one == read[i]);
    }
    const RowBytes bytes = store->bytes();
    RC_ASSERT(bytes.residual == static_cast<size_t>(head_size) * (2 * model.residual() + 4 * model.exact()));
    RC_ASSERT(bytes.allocated == counter.live());
    RC_ASSERT(bytes.logical() <= bytes.allocated);
  }
}

// The last R values and R to R + 31 keys stay in f16; in chunks, n mod R keys.
TEST(RowStore, ResidualWindowsOfKivi) {
  constexpr int head_size = 8;
  std::mt19937 random(1);
  const Rows rows = random_rows(400, head_size, random);
  const auto residual_rows = [](const RowStore& store) {
    return static_cast<int>(store.bytes().residual / (2 * head_size));
  };
  for (const int residual : {0, 5, 32, 128}) {
    for (const bool chunk : {false, true}) {
      if (chunk && residual < 32) continue;
      const std::unique_ptr<const Codec> codec =
          make_codec((chunk ? "kivi2/chunk:residual=" : "kivi2:residual=") + std::to_string(residual));
      AllocationCounter counter;
      for (const size_t prefix : {1U, 31U, 100U, 161U}) {
        const Rows first(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(prefix));
        const std::unique_ptr<RowStore> keys = fill(*codec, first, head_size, RowRole::keys, counter);
        const std::unique_ptr<RowStore> values = fill(*codec, first, head_size, RowRole::values, counter);
        for (size_t i = prefix; i < rows.size(); ++i) {
          const auto n = static_cast<int>(i);
          const int left = chunk ? n % residual : n - std::max(n - residual, 0) / 32 * 32;
          ASSERT_EQ(residual_rows(*keys), left) << n;
          ASSERT_EQ(residual_rows(*values), std::min(n, residual)) << n;
          keys->append(rows[i].data());
          values->append(rows[i].data());
        }
      }
    }
  }
}

// What the prefix leaves is coded from exact values; what comes later only through the f16 of its residual.
TEST(RowStore, PrefixLeavesLaterRowsAlone) {
  constexpr int head_size = 32;
  std::mt19937 random(7);
  const Rows rows = random_rows(300, head_size, random);
  const Rows prefix(rows.begin(), rows.begin() + 200);
  for (const std::string name :
       {"q4_0/prefix:residual=16", "kivi4/prefix", "kivi4/chunk/prefix", "fp8-e4m3/prefix"}) {
    for (const RowRole role : {RowRole::keys, RowRole::values}) {
      AllocationCounter counter;
      const std::unique_ptr<const Codec> codec = make_codec(name);
      const std::unique_ptr<RowStore> store = fill(*codec, prefix, head_size, role, counter);
      const Rows before = read_all(*store, head_size);
      for (size_t i = prefix.size(); i < rows.size(); ++i) store->append(rows[i].data());
      const Rows after = read_all(*store, head_size);
      EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin())) << name;
      EXPECT_TRUE(std::equal(rows.begin() + 200, rows.end(), after.begin() + 200)) << name;
    }
  }
}

TEST(RowStore, DeadSlotsStayUntilAQuarterIsDead) {
  constexpr int head_size = 64;
  std::mt19937 random(9);
  AllocationCounter counter;
  const std::unique_ptr<const Codec> codec = make_codec("kivi4:residual=0");
  const std::unique_ptr<RowStore> store =
      fill(*codec, random_rows(128, head_size, random), head_size, RowRole::keys, counter);
  const RowBytes full = store->bytes();
  EXPECT_EQ(full.payload, 128U * 32U);
  EXPECT_EQ(full.scales, 4U * 64U * 4U);
  Rows expected = read_all(*store, head_size);
  // 31 of 128: nothing moves, and 4 bytes a group mark what is dead.
  for (int i = 0; i < 31; ++i) {
    store->remove(40, 40);
    expected.erase(expected.begin() + 40);
  }
  EXPECT_EQ(read_all(*store, head_size), expected);
  EXPECT_EQ(store->bytes().payload, full.payload);
  EXPECT_EQ(store->bytes().scales, full.scales + 4U * 4U);
  EXPECT_EQ(store->rows(), 97);
  // The 32nd: three groups are left, of which the first had no hole and is as it was.
  store->remove(40, 40);
  expected.erase(expected.begin() + 40);
  EXPECT_EQ(store->rows(), 96);
  EXPECT_EQ(store->bytes().payload, 96U * 32U);
  EXPECT_EQ(store->bytes().scales, 3U * 64U * 4U);
  EXPECT_EQ(store->bytes().residual, 0U);
  const Rows compacted = read_all(*store, head_size);
  EXPECT_TRUE(std::equal(expected.begin(), expected.begin() + 32, compacted.begin()));
  EXPECT_NE(compacted, expected);
  // One more, and the rest of 24 in the second and third group goes to the residual with the next compaction.
  for (int i = 0; i < 24; ++i) store->remove(0, 0);
  EXPECT_EQ(store->rows(), 72);
  EXPECT_EQ(store->bytes().payload, 64U * 32U);
  EXPECT_EQ(store->bytes().residual, 8U * 64U * 2U);
}

// 48 of 64 coded rows are left: one group, and 16 rows that meet 31 in the residual. Those are enough for a
// group.
TEST(RowStore, WhatCompactionLeavesOverAges) {
  constexpr int head_size = 8;
  std::mt19937 random(4);
  const Rows rows = random_rows(64 + 31, head_size, random);
  for (const bool prefix_only : {false, true}) {
    AllocationCounter counter;
    const std::unique_ptr<const Codec> codec =
        make_codec(prefix_only ? "kivi4/prefix:residual=0" : "kivi4:residual=0");
    const std::unique_ptr<RowStore> store = fill(*codec, rows, head_size, RowRole::keys, counter);
    EXPECT_EQ(store->bytes().residual, 31U * head_size * 2);
    for (int i = 0; i < 16; ++i) store->remove(5, 5);
    EXPECT_EQ(store->rows(), 79);
    EXPECT_EQ(store->bytes().residual, (prefix_only ? 47U : 15U) * head_size * 2);
  }
}

TEST(RowStore, AFewRowsOfKiviAreAllResidual) {
  AllocationCounter counter;
  const std::unique_ptr<const Codec> codec = make_codec("kivi2");
  const std::unique_ptr<RowStore> store = fill(*codec, Rows(3, Row(8, 0.1F)), 8, RowRole::keys, counter);
  EXPECT_THAT(read_all(*store, 8), Each(Each(static_cast<float>(nearest_half(0.1F)))));
  store->remove(1, 1);
  EXPECT_EQ(store->rows(), 2);
  EXPECT_EQ(store->bytes().payload + store->bytes().scales, 0U);
}

TEST(RowStore, SaysWhatItNeeds) {
  constexpr int head_size = 8;
  struct Case {
    std::string codec;
    RowRole role;
    int unordered;
    bool ages;
  };
  const std::vector<Case> cases = {
      {"f32", RowRole::keys, 200, false},
      {"f16", RowRole::keys, 200, false},
      {"q8_0", RowRole::keys, 200, false},
      {"q8_0:residual=1", RowRole::keys, 199, true},
      {"q8_0/prefix", RowRole::keys, 200, false},
      {"q8_0/prefix:residual=8", RowRole::keys, 192, false},
      {"kivi4", RowRole::keys, 0, true},
      {"kivi4", RowRole::values, 72, true},
      {"kivi4/prefix", RowRole::keys, 0, true},  // compaction
      {"kivi4/prefix", RowRole::values, 72, false},
      {"kivi4:residual=0", RowRole::values, 200, false},
  };
  std::mt19937 random(3);
  const Rows rows = random_rows(201, head_size, random);
  for (const Case& c : cases) {
    AllocationCounter counter;
    const std::unique_ptr<RowStore> store =
        fill(*make_codec(c.codec), {rows.begin(), rows.end() - 1}, head_size, c.role, counter);
    EXPECT_EQ(store->unordered_rows(), c.unordered) << c.codec;
    EXPECT_EQ(store->ages(), c.ages) << c.codec;
  }
}

// A window over every store: the oldest row leaves as each new one comes, and the residual keeps its order.
TEST(RowStore, AWindowSlidesWithoutMovingItsResidual) {
  constexpr int head_size = 8;
  constexpr size_t window = 40;
  std::mt19937 random(5);
  const Rows rows = random_rows(300, head_size, random);
  const auto exact = [&](size_t position) { return rows[position]; };
  const auto half = [&](size_t position) { return halves(rows[position]); };
  for (const std::string name : {"bf16:residual=16", "bf16/prefix:residual=16"}) {
    AllocationCounter counter;
    const std::unique_ptr<const Codec> codec = make_codec(name);
    const std::unique_ptr<RowStore> store =
        fill(*codec, {rows.begin(), rows.begin() + window}, head_size, RowRole::keys, counter);
    std::vector<size_t> positions(window);
    std::iota(positions.begin(), positions.end(), 0);
    for (size_t next = window; next < rows.size(); ++next) {
      store->append(rows[next].data());
      positions.push_back(next);
      const auto oldest =
          static_cast<size_t>(std::min_element(positions.begin(), positions.end()) - positions.begin());
      const size_t filler = std::max(oldest, static_cast<size_t>(store->unordered_rows()) - 1);
      const size_t slot = store->unordered_rows() == 0 ? oldest : filler;
      store->remove(static_cast<int>(oldest), static_cast<int>(slot));
      positions[oldest] = positions[slot];
      positions.erase(positions.begin() + static_cast<ptrdiff_t>(slot));
      const Rows read = read_all(*store, head_size);
      ASSERT_EQ(read.size(), window);
      const bool all_exact = name.find("prefix") != std::string::npos;
      for (size_t i = window - 16; i < window; ++i) {
        const bool came_later = positions[i] >= window;
        ASSERT_EQ(read[i], all_exact && came_later ? exact(positions[i]) : half(positions[i])) << name << i;
        if (i > window - 16) {
          ASSERT_EQ(positions[i], positions[i - 1] + 1);
        }
      }
    }
  }
}

/// Rows in one block, in f32 or f16, `gap` elements apart.
class SourceBlock {
 public:
  SourceBlock(const Rows& rows, RowFormat format, size_t gap)
      : format_(format), bytes_(format == RowFormat::f32 ? 4 : 2), stride_((rows[0].size() + gap) * bytes_) {
    memory_.resize(rows.size() * stride_);
    for (size_t i = 0; i < rows.size(); ++i) {
      std::byte* to = memory_.data() + i * stride_;
      if (format == RowFormat::f16) {
        store_half(rows[i].data(), rows[i].size(), to);
      } else {
        std::memcpy(to, rows[i].data(), rows[i].size() * sizeof(float));
      }
    }
  }
  SourceRows rows() const { return {format_, memory_.data(), stride_}; }

 private:
  RowFormat format_;
  size_t bytes_;
  size_t stride_;
  std::vector<std::byte> memory_;
};

RC_GTEST_PROP(RowStore, RowsAppendedInRunsAreRowsAppendedOneByOne, ()) {
  const auto setting = any_setting();
  const auto head_size = *rc::gen::elementOf(std::vector<int>{8, 40, 64});
  const auto prefix_rows = *rc::gen::inRange<size_t>(1, 200);
  const auto gap = *rc::gen::elementOf(std::vector<size_t>{0, 2, 64});
  std::mt19937 random(*rc::gen::arbitrary<unsigned>());
  RC_LOG() << setting.text() << "\n";
  Rows all = random_rows(prefix_rows + 50, head_size, random);
  for (Row& row : all) row = halves(row);  // what both sources can hold
  const Rows prefix(all.begin(), all.begin() + static_cast<ptrdiff_t>(prefix_rows));
  AllocationCounter counter;
  const std::unique_ptr<const Codec> codec = make_codec(setting.text());
  const std::unique_ptr<RowStore> one_by_one = fill(*codec, prefix, head_size, setting.role, counter);
  for (size_t i = prefix_rows; i < all.size(); ++i) one_by_one->append(all[i].data());
  for (const RowFormat format : {RowFormat::f32, RowFormat::f16}) {
    const SourceBlock block(all, format, gap);
    const std::unique_ptr<RowStore> store = codec->make_store(head_size, setting.role, counter);
    store->reserve(static_cast<int>(prefix_rows));
    if (store->wants_calibration()) {
      for (const Row& row : prefix) store->calibrate(row.data());
    }
    const auto append_runs = [&](size_t first, size_t end) {
      while (first < end) {
        const size_t count = std::min(end - first, size_t{1} + random() % 70);
        store->append_rows(block.rows(), static_cast<int>(first), static_cast<int>(count));
        first += count;
      }
    };
    append_runs(0, prefix_rows);
    store->end_prefix();
    RC_ASSERT(store->bytes().allocated ==
              codec->allocated_bytes(static_cast<int>(prefix_rows), head_size, setting.role));
    append_runs(prefix_rows, all.size());
    RC_ASSERT(read_all(*store, head_size) == read_all(*one_by_one, head_size));
    RC_ASSERT(store->bytes().logical() == one_by_one->bytes().logical());
    RC_ASSERT(store->bytes().allocated == one_by_one->bytes().allocated);
  }
}

}  // namespace
}  // namespace razorscope
