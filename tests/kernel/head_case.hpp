#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "policies/kernels/attend.hpp"
#include "policies/kernels/hadamard.hpp"
#include "policies/kernels/kernel_table.hpp"
#include "tests/kernel/stored_rows.hpp"

namespace razorscope::testing {

/// What the scores of a case look like.
enum class Scores {
  ordinary,  // about normal
  equal,     // all of them 0
  extreme,   // +80 and -80 by turns
  dominant,  // one slot at +80, the rest at -80
  spread,    // evenly from +80 down to -80
};

/// One call of attend_group, as a test asks for it. Slots are coded rows first, then a residual, then exact
/// ones, as stores have them; KIVI's keys are coded in whole groups, and what is left goes to the residual.
struct CaseSpec {
  int head_size = 64;
  int group = 1;
  int slots = 16;
  RowFormat keys = RowFormat::f32;
  RowFormat values = RowFormat::f32;
  int key_residual = 0;    // slots whose keys lie in f16, in a ring's two parts
  int value_residual = 0;  // the same of values
  int exact = 0;           // the last slots, whose keys and values lie in f32
  bool rotated = false;    // coded rows went through hadamard()
  bool flat = false;       // some rows and channels are all one number, so that their scales are zero
  int compensation_slots = 0;
  bool alibi = false;
  Scores scores = Scores::ordinary;
  // Rows begin off a vector's boundary, and lie as little apart as their format's alignment allows: coded
  // ones at odd addresses by turns.
  bool misaligned = false;

  std::string text() const {
    return fmt::format(
        "head size {}, group {}, slots {}, keys {}, values {}, residual of keys {}, of values {}, exact {}, "
        "rotated {}, flat {}, compensation slots {}, alibi {}, scores {}, misaligned {}",
        head_size, group, slots, row_format_name(keys), row_format_name(values), key_residual, value_residual,
        exact, rotated, flat, compensation_slots, alibi, static_cast<int>(scores), misaligned);
  }
};

/// A case's plain numbers: what the rows of its cache are made from.
struct CaseNumbers {
  std::vector<float> q;       // [group, head_size]
  std::vector<float> keys;    // [slots, head_size]
  std::vector<float> values;  // [slots, head_size]
  std::vector<int32_t> positions;
  std::vector<float> slopes;
  std::vector<float> compensation_keys;
  std::vector<float> compensation_values;
  std::vector<float> compensation_bias;
  int position = 0;  // of the query

  CaseNumbers(const CaseSpec& spec, uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto d = static_cast<size_t>(spec.head_size);
    const auto fill = [&](std::vector<float>& into, int rows) {
      into.resize(static_cast<size_t>(rows) * d);
      for (float& x : into) x = normal(random);
    };
    fill(q, spec.group);
    fill(keys, spec.slots);
    fill(values, spec.slots);
    fill(compensation_keys, spec.compensation_slots);
    fill(compensation_values, spec.compensation_slots);
    for (int i = 0; i < spec.compensation_slots; ++i) compensation_bias.push_back(2.0F * normal(random));
    if (spec.flat) flatten(d);
    if (spec.scores == Scores::equal) std::fill(q.begin(), q.end(), 0.0F);
    if (spec.scores != Scores::ordinary && spec.scores != Scores::equal) make_scores_large(spec, random);
    // Positions with gaps, in no order, all before the query's.
    positions.resize(static_cast<size_t>(spec.slots));
    std::iota(positions.begin(), positions.end(), 0);
    for (int32_t& p : positions) p *= 3;
    std::shuffle(positions.begin(), positions.end(), random);
    position = 3 * spec.slots + 2;
    for (int g = 0; g < spec.group; ++g)
      slopes.push_back(std::exp2(-8.0F * static_cast<float>(g + 1) / static_cast<float>(spec.group)));
    if (spec.alibi) {
      // As a cache has it: the logarithm of Σ exp(slope·n), so that bias - slope·position is about 0.
      for (float& bias : compensation_bias) bias += slopes[0] * static_cast<float>(position);
    }
  }

  static float scale(const CaseSpec& spec) { return 1.0F / std::sqrt(static_cast<float>(spec.head_size)); }

 private:
  /// Every third row is one number or 0, and every fifth channel one number for all rows.
  void flatten(size_t d) {
    for (std::vector<float>* rows : {&keys, &values}) {
      for (size_t i = 0; i < rows->size(); ++i) {
        const size_t row = i / d;
        if (i % d % 5 == 1) (*rows)[i] = (*rows)[i % d];
        if (row % 3 == 1) (*rows)[i] = row % 2 == 0 ? 0.0F : (*rows)[row * d];
      }
    }
  }

  /// q = direction·sqrt(d) for every query head, so that a key's score is its component along the direction.
  void make_scores_large(const CaseSpec& spec, std::mt19937& random) {
    const auto d = static_cast<size_t>(spec.head_size);
    std::vector<float> direction(q.begin(), q.begin() + spec.head_size);
    const float norm =
        std::sqrt(std::inner_product(direction.begin(), direction.end(), direction.begin(), 0.0F));
    for (float& x : direction) x /= norm;
    for (size_t i = 0; i < q.size(); ++i) q[i] = direction[i % d] * std::sqrt(static_cast<float>(d));
    const auto chosen = std::uniform_int_distribution<int>(0, std::max(0, spec.slots - 1))(random);
    for (int s = 0; s < spec.slots; ++s) {
      const bool high = spec.scores == Scores::extreme ? s % 2 == 0 : s == chosen;
      float score = high ? 80.0F : -80.0F;
      if (spec.scores == Scores::spread)
        score = 80.0F - 160.0F * static_cast<float>(s) / static_cast<float>(spec.slots);
      for (size_t i = 0; i < d; ++i) {
        float& key = keys[static_cast<size_t>(s) * d + i];
        key = 0.01F * key + score * direction[i];
      }
    }
  }
};

/// A case in memory that the caller gives out: `Memory` is called with a size and an alignment offset in
/// bytes and returns zeroed memory that lives as long as the case.
template <typename Memory>
class HeadCase {
 public:
  HeadCase(const CaseSpec& spec, const CaseNumbers& numbers, Memory& memory) : spec_(spec) {
    view_.head_size = spec.head_size;
    view_.slots = spec.slots;
    view_.keys = segments(numbers.keys, spec.keys, spec.key_residual, memory);
    view_.values = segments(numbers.values, spec.values, spec.value_residual, memory);
    if (spec.alibi) view_.positions = plain(numbers.positions, memory);
    if (spec.compensation_slots > 0) {
      view_.compensation_slots = spec.compensation_slots;
      view_.compensation_keys = plain(numbers.compensation_keys, memory);
      view_.compensation_values = plain(numbers.compensation_values, memory);
      view_.compensation_bias = plain(numbers.compensation_bias, memory);
    }
    query_.group = spec.group;
    query_.q = plain(numbers.q, memory);
    query_.scale = CaseNumbers::scale(spec);
    if (spec.alibi) query_.slopes = plain(numbers.slopes, memory);
    query_.position = numbers.position;
    const auto group = static_cast<size_t>(spec.group);
    output_.out = plain(std::vector<float>(group * static_cast<size_t>(spec.head_size)), memory);
    output_.scores = plain(std::vector<float>(group * static_cast<size_t>(view_.entries())), memory);
    output_.log_sum = plain(std::vector<float>(group), memory);
  }

  const HeadView& view() const { return view_; }
  const GroupQuery& query() const { return query_; }
  const GroupOutput& output() const { return output_; }

  /// What was there before is no result.
  void clear() const {
    std::fill_n(output_.out, spec_.group * spec_.head_size, std::numeric_limits<float>::quiet_NaN());
    std::fill_n(output_.scores, spec_.group * view_.entries(), std::numeric_limits<float>::quiet_NaN());
    std::fill_n(output_.log_sum, spec_.group, std::numeric_limits<float>::quiet_NaN());
  }

  std::vector<float> out() const { return {output_.out, output_.out + spec_.group * spec_.head_size}; }
  std::vector<float> scores() const {
    return {output_.scores, output_.scores + spec_.group * view_.entries()};
  }
  std::vector<float> log_sums() const { return {output_.log_sum, output_.log_sum + spec_.group}; }

 private:
  template <typename T>
  T* plain(const std::vector<T>& values, Memory& memory) {
    auto* address = reinterpret_cast<T*>(memory(values.size() * sizeof(T), spec_.misaligned ? sizeof(T) : 0));
    std::copy(values.begin(), values.end(), address);
    return address;
  }

  RowSegments segments(const std::vector<float>& numbers, RowFormat format, int residual, Memory& memory) {
    const int exact = std::min(spec_.exact, spec_.slots);
    int coded = std::max(0, spec_.slots - exact - residual);
    if (in_groups(format)) coded -= coded % 32;
    residual = spec_.slots - exact - coded;
    RowSegments segments;
    const float* row = numbers.data();
    const auto add = [&](RowFormat stored, int rows, bool rotated) {
      if (rows > 0) segments.add(segment(row, stored, rows, rotated, memory));
      row += static_cast<size_t>(rows) * static_cast<size_t>(spec_.head_size);
    };
    add(format, coded, spec_.rotated);
    add(RowFormat::f16, residual / 3, false);
    add(RowFormat::f16, residual - residual / 3, false);
    add(RowFormat::f32, exact, false);
    return segments;
  }

  /// The last row ends with its last byte: nothing may be read behind it.
  RowSegment segment(const float* numbers, RowFormat format, int rows, bool rotated, Memory& memory) {
    const auto d = static_cast<size_t>(spec_.head_size);
    std::vector<float> plain(numbers, numbers + static_cast<size_t>(rows) * d);
    if (rotated) {
      for (size_t begin = 0; begin < plain.size(); begin += d)
        hadamard(plain.data() + begin, spec_.head_size);
    }
    const StoredRows stored = store_rows(format, plain.data(), rows, spec_.head_size);
    const size_t gap = spec_.misaligned ? alignment_of(format) : 0;
    const size_t stride = stored.row_bytes + gap;
    const size_t steps = stored.bytes.size() / stored.row_bytes;
    std::byte* address = memory(steps * stride - gap, gap);
    for (size_t step = 0; step < steps; ++step) {
      std::memcpy(address + step * stride, stored.bytes.data() + step * stored.row_bytes, stored.row_bytes);
    }
    return {format, address, stride, rows, stored.scale, rotated};
  }

  CaseSpec spec_;
  HeadView view_;
  GroupQuery query_;
  GroupOutput output_;
};

/// Memory from the heap: 64-byte aligned blocks, shifted as asked for, with a canary behind each.
class HeapMemory {
 public:
  std::byte* operator()(size_t bytes, size_t shift) {
    Block& block = blocks_.emplace_back();
    block.storage.resize(64 + shift + bytes + canary.size());
    const auto address = reinterpret_cast<uintptr_t>(block.storage.data());
    block.begin = (address + 63) / 64 * 64 - address + shift;
    block.bytes = bytes;
    std::copy(canary.begin(), canary.end(),
              reinterpret_cast<char*>(block.storage.data()) + block.begin + bytes);
    return block.storage.data() + block.begin;
  }

  /// Whether nothing was written behind any block.
  bool canaries_live() const {
    return std::all_of(blocks_.begin(), blocks_.end(), [](const Block& block) {
      return std::equal(canary.begin(), canary.end(),
                        reinterpret_cast<const char*>(block.storage.data()) + block.begin + block.bytes);
    });
  }

 private:
  static constexpr std::string_view canary = "nothing may be written here";
  struct Block {
    std::vector<std::byte> storage;
    size_t begin = 0;
    size_t bytes = 0;
  };
  std::vector<Block> blocks_;
};

/// Every target's table that runs on this processor, the scalar twin among them.
inline std::vector<const KernelTable*> available_tables() {
  std::vector<const KernelTable*> tables;
  for (const Target target : available_targets()) tables.push_back(kernels_of(target));
  return tables;
}

/// Normalised mean squared error of rows of `row` numbers, Σ(a-b)² / Σb², the largest over the rows; NaN
/// where anything is NaN. `size` is the mean square that a row is expected to have: a row that is smaller by
/// chance, because its terms cancel, is measured against that.
template <typename Number>
double worst_nmse(const std::vector<float>& got, const std::vector<Number>& expected, size_t row,
                  double size) {
  double worst = 0.0;
  for (size_t begin = 0; begin < expected.size(); begin += row) {
    double difference = 0.0;
    double norm = 0.0;
    for (size_t i = begin; i < begin + row; ++i) {
      const double delta = static_cast<double>(got[i]) - static_cast<double>(expected[i]);
      difference += delta * delta;
      norm += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
    }
    const double nmse =
        difference == 0.0 ? 0.0 : difference / std::max(norm, size * static_cast<double>(row));
    if (!(nmse <= worst)) worst = nmse;
  }
  return worst;
}

/// The largest |a-b|, relative where |b| > 1.
template <typename Number>
double worst_difference(const std::vector<float>& got, const std::vector<Number>& expected) {
  double worst = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i])) /
                              std::max(1.0, std::abs(static_cast<double>(expected[i])));
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

}  // namespace razorscope::testing
