// Decode attention and softmax for every vector target, from one source (Highway's foreach_target includes
// this file once a target). Decode attention is a stream over K and V: each block of tokens is read once for
// a tile of query rows, with an online softmax between blocks (Milakov and Gimelshein 2018; Dao et al. 2022).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "policies/kernels/kernel_table.hpp"

// Only what the kernel table offers; SSE2 stays, since Highway asks for the compiler's baseline.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "policies/kernels/attend_simd.cpp"
// foreach_target must come before highway, and math needs what highway sets up.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace razorscope {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

constexpr int block_slots = 64;  // tokens between two corrections of the running maximum
constexpr int largest_tile = 4;  // query rows that share one pass over K and V

/// Rows of f32.
struct F32Row {
  const float* address;
  explicit F32Row(const std::byte* row) : address(reinterpret_cast<const float*>(row)) {}
  HWY_INLINE FloatVector load(FloatTag tag, size_t i) const { return hn::LoadU(tag, address + i); }
  HWY_INLINE float at(size_t i) const { return address[i]; }
};

/// Rows of IEEE half precision, widened on load.
struct F16Row {
  const hwy::float16_t* address;
  explicit F16Row(const std::byte* row) : address(reinterpret_cast<const hwy::float16_t*>(row)) {}
  HWY_INLINE FloatVector load(FloatTag tag, size_t i) const {
    const hn::Rebind<hwy::float16_t, FloatTag> half_tag;
    return hn::PromoteTo(tag, hn::LoadU(half_tag, address + i));
  }
  HWY_INLINE float at(size_t i) const {
    const hn::CappedTag<float, 1> one;
    const hn::Rebind<hwy::float16_t, hn::CappedTag<float, 1>> half_one;
    return hn::GetLane(hn::PromoteTo(one, hn::LoadU(half_one, address + i)));
  }
};

/// The running softmax of one tile of query rows: out accumulates Σ exp(score - largest)·v.
template <int Tile>
struct Running {
  std::array<float, Tile> largest;
  std::array<float, Tile> total;
  Running() {
    largest.fill(-std::numeric_limits<float>::infinity());
    total.fill(0.0F);
  }
};

template <class Row, int Tile>
HWY_INLINE void dot_rows(Row row, const float* q, size_t d, std::array<float, Tile>& dots) {
  const FloatTag tag;
  const size_t lanes = hn::Lanes(tag);
  // Written out per row of the tile: vectors of scalable size cannot be array elements.
  FloatVector s0 = hn::Zero(tag);
  FloatVector s1 = s0;
  FloatVector s2 = s0;
  FloatVector s3 = s0;
  size_t i = 0;
  for (; i + lanes <= d; i += lanes) {
    const FloatVector k = row.load(tag, i);
    s0 = hn::MulAdd(k, hn::LoadU(tag, q + i), s0);
    if constexpr (Tile > 1) s1 = hn::MulAdd(k, hn::LoadU(tag, q + d + i), s1);
    if constexpr (Tile > 2) s2 = hn::MulAdd(k, hn::LoadU(tag, q + 2 * d + i), s2);
    if constexpr (Tile > 3) s3 = hn::MulAdd(k, hn::LoadU(tag, q + 3 * d + i), s3);
  }
  dots[0] = hn::GetLane(hn::SumOfLanes(tag, s0));
  if constexpr (Tile > 1) dots[1] = hn::GetLane(hn::SumOfLanes(tag, s1));
  if constexpr (Tile > 2) dots[2] = hn::GetLane(hn::SumOfLanes(tag, s2));
  if constexpr (Tile > 3) dots[3] = hn::GetLane(hn::SumOfLanes(tag, s3));
  for (; i < d; ++i) {
    for (size_t g = 0; g < Tile; ++g) dots[g] += row.at(i) * q[g * d + i];
  }
}

/// out[g] = out[g]·correction[g] + Σ_t weights[g][t]·v_t over a block of slots.
template <class Row, int Tile>
HWY_INLINE void add_values(const std::byte* values, size_t stride, size_t count, size_t d,
                           const float* weights, const std::array<float, Tile>& correction, float* out) {
  const FloatTag tag;
  const size_t lanes = hn::Lanes(tag);
  size_t i = 0;
  for (; i + lanes <= d; i += lanes) {
    FloatVector s0 = hn::Mul(hn::LoadU(tag, out + i), hn::Set(tag, correction[0]));
    FloatVector s1 = hn::Zero(tag);
    FloatVector s2 = s1;
    FloatVector s3 = s1;
    if constexpr (Tile > 1) s1 = hn::Mul(hn::LoadU(tag, out + d + i), hn::Set(tag, correction[1]));
    if constexpr (Tile > 2) s2 = hn::Mul(hn::LoadU(tag, out + 2 * d + i), hn::Set(tag, correction[2]));
    if constexpr (Tile > 3) s3 = hn::Mul(hn::LoadU(tag, out + 3 * d + i), hn::Set(tag, correction[3]));
    for (size_t t = 0; t < count; ++t) {
      const FloatVector v = Row(values + t * stride).load(tag, i);
      s0 = hn::MulAdd(v, hn::Set(tag, weights[t]), s0);
      if constexpr (Tile > 1) s1 = hn::MulAdd(v, hn::Set(tag, weights[block_slots + t]), s1);
      if constexpr (Tile > 2) s2 = hn::MulAdd(v, hn::Set(tag, weights[2 * block_slots + t]), s2);
      if constexpr (Tile > 3) s3 = hn::MulAdd(v, hn::Set(tag, weights[3 * block_slots + t]), s3);
    }
    hn::StoreU(s0, tag, out + i);
    if constexpr (Tile > 1) hn::StoreU(s1, tag, out + d + i);
    if constexpr (Tile > 2) hn::StoreU(s2, tag, out + 2 * d + i);
    if constexpr (Tile > 3) hn::StoreU(s3, tag, out + 3 * d + i);
  }
  for (; i < d; ++i) {
    for (size_t g = 0; g < Tile; ++g) {
      float sum = out[g * d + i] * correction[g];
      for (size_t t = 0; t < count; ++t) sum += Row(values + t * stride).at(i) * weights[g * block_slots + t];
      out[g * d + i] = sum;
    }
  }
}

/// row[j] = exp(row[j] - largest); returns the sum.
HWY_INLINE float exponentials(float* row, size_t count, float largest) {
  const FloatTag tag;
  const size_t lanes = hn::Lanes(tag);
  const FloatVector shift = hn::Set(tag, largest);
  FloatVector sums = hn::Zero(tag);
  size_t j = 0;
  for (; j + lanes <= count; j += lanes) {
    const FloatVector weight = hn::Exp(tag, hn::Sub(hn::LoadU(tag, row + j), shift));
    hn::StoreU(weight, tag, row + j);
    sums = hn::Add(sums, weight);
  }
  float total = hn::GetLane(hn::SumOfLanes(tag, sums));
  if (j < count) {
    // A vector of copies keeps the tail on the same exp as the rest, so that results do not depend on the
    // length.
    alignas(64) std::array<float, HWY_MAX_BYTES / sizeof(float)> tail;
    tail.fill(largest);
    std::copy(row + j, row + count, tail.begin());
    hn::Store(hn::Exp(tag, hn::Sub(hn::Load(tag, tail.data()), shift)), tag, tail.data());
    for (size_t t = 0; j < count; ++j, ++t) {
      row[j] = tail[t];
      total += tail[t];
    }
  }
  return total;
}

/// One block: `weights` holds its scores, [Tile, block_slots]; they become weights, and the values are added.
template <class ValueRow, int Tile>
HWY_INLINE void absorb(const std::byte* values, size_t stride, size_t count, size_t d, float* weights,
                       Running<Tile>& running, float* out) {
  std::array<float, Tile> correction;
  for (size_t g = 0; g < Tile; ++g) {
    float* row = weights + g * block_slots;
    const float largest = std::max(running.largest[g], *std::max_element(row, row + count));
    correction[g] = running.total[g] == 0.0F ? 0.0F : std::exp(running.largest[g] - largest);
    running.total[g] = running.total[g] * correction[g] + exponentials(row, count, largest);
    running.largest[g] = largest;
  }
  add_values<ValueRow, Tile>(values, stride, count, d, weights, correction, out);
}

template <int Tile>
HWY_INLINE void store_scores(const GroupOutput& output, int first_row, int entries, int first_entry,
                             size_t count, const float* scores) {
  if (output.scores == nullptr) return;
  for (int g = 0; g < Tile; ++g) {
    std::copy_n(scores + g * block_slots, count,
                output.scores + static_cast<ptrdiff_t>(first_row + g) * entries + first_entry);
  }
}

template <class KeyRow, class ValueRow, int Tile>
void attend_tile(const HeadView& head, const GroupQuery& query, const GroupOutput& output, int first_row) {
  const auto d = static_cast<size_t>(head.head_size);
  const float* q = query.q + static_cast<size_t>(first_row) * d;
  const float* slopes = query.slopes != nullptr ? query.slopes + first_row : nullptr;
  float* out = output.out + static_cast<size_t>(first_row) * d;
  std::fill_n(out, Tile * d, 0.0F);
  Running<Tile> running;
  alignas(64) std::array<float, Tile * block_slots> scores;
  std::array<float, Tile> dots;
  for (int begin = 0; begin < head.slots; begin += block_slots) {
    const auto count = static_cast<size_t>(std::min(block_slots, head.slots - begin));
    const std::byte* keys = head.keys + static_cast<size_t>(begin) * head.key_stride;
    const std::byte* values = head.values + static_cast<size_t>(begin) * head.value_stride;
    for (size_t t = 0; t < count; ++t) {
      dot_rows<KeyRow, Tile>(KeyRow(keys + t * head.key_stride), q, d, dots);
      for (size_t g = 0; g < Tile; ++g) scores[g * block_slots + t] = query.scale * dots[g];
    }
    if (slopes != nullptr) {
      for (size_t t = 0; t < count; ++t) {
        const int slot = begin + static_cast<int>(t);
        const int slot_position = head.positions != nullptr ? head.positions[slot] : slot;
        const auto distance = static_cast<float>(query.position - slot_position);
        for (size_t g = 0; g < Tile; ++g) scores[g * block_slots + t] -= slopes[g] * distance;
      }
    }
    store_scores<Tile>(output, first_row, head.entries(), begin, count, scores.data());
    absorb<ValueRow, Tile>(values, head.value_stride, count, d, scores.data(), running, out);
  }
  for (int begin = 0; begin < head.compensation_slots; begin += block_slots) {
    const auto count = static_cast<size_t>(std::min(block_slots, head.compensation_slots - begin));
    const float* keys = head.compensation_keys + static_cast<size_t>(begin) * d;
    const float* values = head.compensation_values + static_cast<size_t>(begin) * d;
    for (size_t t = 0; t < count; ++t) {
      dot_rows<F32Row, Tile>(F32Row(reinterpret_cast<const std::byte*>(keys + t * d)), q, d, dots);
      for (size_t g = 0; g < Tile; ++g) {
        const float bias = head.compensation_bias[static_cast<size_t>(begin) + t];
        const float shift = slopes != nullptr ? slopes[g] * static_cast<float>(query.position) : 0.0F;
        scores[g * block_slots + t] = query.scale * dots[g] + (bias - shift);
      }
    }
    store_scores<Tile>(output, first_row, head.entries(), head.slots + begin, count, scores.data());
    absorb<F32Row, Tile>(reinterpret_cast<const std::byte*>(values), d * sizeof(float), count, d,
                         scores.data(), running, out);
  }
  for (size_t g = 0; g < Tile; ++g) {
    for (size_t i = 0; i < d; ++i) out[g * d + i] /= running.total[g];
    if (output.log_sum != nullptr) {
      output.log_sum[static_cast<size_t>(first_row) + g] = running.largest[g] + std::log(running.total[g]);
    }
  }
}

template <class KeyRow, class ValueRow>
void attend_rows(const HeadView& head, const GroupQuery& query, const GroupOutput& output) {
  int row = 0;
  for (; row + largest_tile <= query.group; row += largest_tile) {
    attend_tile<KeyRow, ValueRow, largest_tile>(head, query, output, row);
  }
  switch (query.group - row) {
    case 3:
      attend_tile<KeyRow, ValueRow, 3>(head, query, output, row);
      break;
    case 2:
      attend_tile<KeyRow, ValueRow, 2>(head, query, output, row);
      break;
    case 1:
      attend_tile<KeyRow, ValueRow, 1>(head, query, output, row);
      break;
    default:
      break;
  }
}

template <class KeyRow>
void attend_with_keys(const HeadView& head, const GroupQuery& query, const GroupOutput& output) {
  switch (head.value_format) {
    case RowFormat::f32:
      attend_rows<KeyRow, F32Row>(head, query, output);
      break;
    case RowFormat::f16:
      attend_rows<KeyRow, F16Row>(head, query, output);
      break;
  }
}

void attend_group_simd(const HeadView& head, const GroupQuery& query, const GroupOutput& output) {
  switch (head.key_format) {
    case RowFormat::f32:
      attend_with_keys<F32Row>(head, query, output);
      break;
    case RowFormat::f16:
      attend_with_keys<F16Row>(head, query, output);
      break;
  }
}

float largest_of(const float* row, size_t count) {
  const FloatTag tag;
  const size_t lanes = hn::Lanes(tag);
  size_t j = 0;
  FloatVector largest = hn::Set(tag, -std::numeric_limits<float>::infinity());
  for (; j + lanes <= count; j += lanes) largest = hn::Max(largest, hn::LoadU(tag, row + j));
  float most = hn::GetLane(hn::MaxOfLanes(tag, largest));
  for (; j < count; ++j) most = std::max(most, row[j]);
  return most;
}

void softmax_row_simd(float* row, size_t count, float slope) {
  const FloatTag tag;
  const size_t lanes = hn::Lanes(tag);
  if (slope != 0.0F) {
    // Distances to the newest token: small where weights are large, so that f32 keeps them exact there.
    for (size_t j = 0; j < count; ++j) row[j] -= slope * static_cast<float>(count - 1 - j);
  }
  const float inverse = 1.0F / exponentials(row, count, largest_of(row, count));
  const FloatVector factor = hn::Set(tag, inverse);
  size_t j = 0;
  for (; j + lanes <= count; j += lanes) hn::StoreU(hn::Mul(hn::LoadU(tag, row + j), factor), tag, row + j);
  for (; j < count; ++j) row[j] *= inverse;
}

LogSumExp log_sum_exp_simd(const float* row, size_t count) {
  // Sums of short pieces in f32, of the pieces in double: a vocabulary is long.
  constexpr size_t piece = 1024;
  std::array<float, piece> weights;
  const float largest = largest_of(row, count);
  double sum = 0.0;
  for (size_t begin = 0; begin < count; begin += piece) {
    const size_t length = std::min(piece, count - begin);
    std::copy_n(row + begin, length, weights.data());
    sum += static_cast<double>(exponentials(weights.data(), length, largest));
  }
  return {largest, static_cast<double>(largest) + std::log(sum)};
}

}  // namespace

const KernelTable& kernels() {
  static const KernelTable table = {HWY_TARGET == HWY_AVX3 ? Target::avx512 : Target::avx2, attend_group_simd,
                                    softmax_row_simd, log_sum_exp_simd};
  return table;
}

}  // namespace HWY_NAMESPACE
}  // namespace razorscope
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace razorscope {

const KernelTable* avx2_kernels() {
#if (HWY_TARGETS & HWY_AVX2) != 0
  return &N_AVX2::kernels();
#else
  return nullptr;
#endif
}

const KernelTable* avx512_kernels() {
#if (HWY_TARGETS & HWY_AVX3) != 0
  return &N_AVX3::kernels();
#else
  return nullptr;
#endif
}

}  // namespace razorscope
#endif
