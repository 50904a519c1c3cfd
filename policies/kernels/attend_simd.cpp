// Decode attention and softmax for every vector target, from one source (Highway's foreach_target includes
// this file once a target). Decode attention is a stream over K and V: each block of tokens is read once for
// all query rows of the group, with an online softmax between blocks (Milakov and Gimelshein 2018; Dao et al.
// 2022).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "models/base/buffer.hpp"
#include "policies/kernels/bf16_dots.hpp"
#include "policies/kernels/byte_dots.hpp"
#include "policies/kernels/kernel_table.hpp"
#include "policies/kernels/stored_element.hpp"

// Only what the kernel table offers; SSE2 stays, since Highway asks for the compiler's baseline.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "policies/kernels/attend_simd.cpp"
// foreach_target must come before highway, and math needs what highway sets up.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
#include "policies/kernels/coded_rows-inl.hpp"
#include "policies/kernels/float_rows-inl.hpp"
#include "policies/kernels/kivi_keys-inl.hpp"
#include "policies/kernels/row_sums-inl.hpp"
#include "policies/kernels/vectors-inl.hpp"
// clang-format on

#if RAZORSCOPE_IS_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace razorscope {
namespace HWY_NAMESPACE {
namespace {

/// exp(x) for x <= 0, to 1e-7 of its value; 0 below -87. Cody and Waite's reduction, and a polynomial of
/// degree 6 fitted to the relative error on [-ln 2 / 2, ln 2 / 2], which is 2e-9.
template <class Tag>
HWY_INLINE hn::Vec<Tag> exp_nonpositive(Tag tag, hn::Vec<Tag> x) {
  const hn::RebindToSigned<Tag> ints;
  const auto n = hn::Round(hn::Mul(x, hn::Set(tag, 1.44269504F)));
  auto r = hn::NegMulAdd(n, hn::Set(tag, 0.693359375F), x);
  r = hn::NegMulAdd(n, hn::Set(tag, -2.12194440e-4F), r);
  auto p = hn::Set(tag, 1.38592907e-3F);
  p = hn::MulAdd(p, r, hn::Set(tag, 8.37476396e-3F));
  p = hn::MulAdd(p, r, hn::Set(tag, 0.0416677243F));
  p = hn::MulAdd(p, r, hn::Set(tag, 0.166664209F));
  p = hn::MulAdd(p, r, hn::Set(tag, 0.499999954F));
  p = hn::MulAdd(p, r, hn::Set(tag, 1.00000004F));
  p = hn::MulAdd(p, r, hn::Set(tag, 1.0F));
  const auto scaled =
      hn::BitCast(tag, hn::Add(hn::BitCast(ints, p), hn::ShiftLeft<23>(hn::ConvertTo(ints, n))));
  return hn::IfThenElseZero(hn::Gt(x, hn::Set(tag, -87.0F)), scaled);
}

/// row[j] = exp(row[j] - largest); returns the sum. For whole rows, where Highway's exp is fast enough.
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

/// The running softmax of all query rows over the blocks of a piece. Sums stay in lanes until the end.
struct Running {
  explicit Running(size_t rows)
      : largest(rows, -std::numeric_limits<float>::infinity()), totals(rows * total_lanes) {
    std::fill_n(totals.data(), totals.size(), 0.0F);
  }
  float* totals_of(size_t row) { return totals.data() + row * total_lanes; }

  std::vector<float> largest;
  Floats totals;  // [rows, total_lanes]; a target with shorter vectors leaves the last lanes 0
};

constexpr size_t padded_to_runs(size_t count) { return (count + run_slots - 1) / run_slots * run_slots; }

/// Products that only some processors of a target have; null: not these.
struct DotProducts {
  const Bf16Dots* bf16 = nullptr;
  const ByteDots* bytes = nullptr;
};

/// One piece at work: what its key and value kernels share.
class PieceWork {
 public:
  PieceWork(const AttentionPiece& piece, const GroupQuery& query, const DotProducts& products)
      : dots(products),
        piece(piece),
        group(query.group),
        d(static_cast<size_t>(piece.head_size)),
        rows(static_cast<size_t>(query.group)),
        running(rows) {}

  const std::byte* keys(size_t slot) const { return piece.keys.data + slot * piece.keys.stride; }
  const std::byte* values(size_t slot) const { return piece.values.data + slot * piece.values.stride; }

  DotProducts dots;
  const AttentionPiece& piece;
  int group;
  size_t d;
  size_t rows;                     // group
  const float* q = nullptr;        // [group, d], scaled; where keys are read as floats
  ShortQueries shorts{};           // where they are read as codes
  const uint16_t* bf16 = nullptr;  // [group, d], where they go into bf16 dot products
  ByteQueries bytes{};             // where they go into products of bytes
  const float* unit = nullptr;     // [group], what a kernel's scores are multiplied by
  float* scratch = nullptr;        // of kernels that need some: see scratch_floats
  Running running;
};

/// Kernels of a format over `count` (at most block_slots) slots from `begin` on, for all query rows. Rows of
/// scores and weights lie block_slots apart.
struct KeyKernel {
  void (*scores)(const PieceWork&, size_t begin, size_t count, float* scores);
};
struct ValueKernel {
  /// out[g] = out[g]·correction[g] + Σ weights[g][t]·v_t, where weights[g][t] = exp(scores[g][t] - the row's
  /// largest), which also go into the row's total. scores: -infinity from `count` to a multiple of run_slots.
  void (*add)(PieceWork&, size_t begin, size_t count, float* scores, const float* correction, float* out);
};

/// A block's scores to weights in place; zeros from `count` on.
HWY_INLINE void weigh(PieceWork& work, size_t count, float* scores) {
  const FloatTag tag;
  const size_t lanes = hn::Lanes(tag);
  for (size_t g = 0; g < work.rows; ++g) {
    float* row = scores + g * block_slots;
    float* lanes_of_total = work.running.totals_of(g);
    FloatVector totals = hn::Load(tag, lanes_of_total);
    const FloatVector shift = hn::Set(tag, work.running.largest[g]);
    for (size_t t = 0; t < padded_to_runs(count); t += lanes) {
      const FloatVector weight = exp_nonpositive(tag, hn::Sub(hn::Load(tag, row + t), shift));
      hn::Store(weight, tag, row + t);
      totals = hn::Add(totals, weight);
    }
    hn::Store(totals, tag, lanes_of_total);
  }
}

template <class Row>
void scores_of_floats(const PieceWork& work, size_t begin, size_t count, float* scores) {
  for_tiles(work.group, [&]<int Tile>(int row) {
    const auto first = static_cast<size_t>(row);
    float_scores<Row, Tile>(work.keys(begin), work.piece.keys.stride, count, work.d, work.q + first * work.d,
                            scores + first * block_slots);
  });
}

template <class Row>
void sums_of_floats(PieceWork& work, size_t begin, size_t count, float* scores, const float* correction,
                    float* out) {
  weigh(work, count, scores);
  for (size_t t = 0; t < count; t += run_slots) {
    for_tiles(work.group, [&]<int Tile>(int row) {
      const auto first = static_cast<size_t>(row);
      add_float_run<Row, Tile>(work.values(begin + t), work.piece.values.stride,
                               std::min(run_slots, count - t), work.d, scores + first * block_slots + t,
                               t == 0 ? correction + first : nullptr, out + first * work.d);
    });
  }
}

template <class Rows>
void scores_of_codes(const PieceWork& work, size_t begin, size_t count, float* scores) {
  for_tiles(work.group, [&]<int Tile>(int row) {
    const auto first = static_cast<size_t>(row);
    coded_scores<Rows, Tile>(work.keys(begin), work.piece.keys.stride, count, work.shorts, first,
                             scores + first * block_slots);
  });
}

template <class Rows>
void sums_of_codes(PieceWork& work, size_t begin, size_t count, float* scores, const float* correction,
                   float* out) {
  const size_t blocks = blocks_of(work.d);
  float* scratch = work.scratch;
  const BlockScales scales{scratch, scratch + blocks * run_slots};
  const std::vector<float> ones(work.rows, 1.0F);
  weigh(work, count, scores);
  for (size_t t = 0; t < count; t += run_slots) {
    const std::byte* values = work.values(begin + t);
    const size_t run = std::min(run_slots, count - t);
    const float* factors = t == 0 ? correction : ones.data();
    gather_scales<Rows>(values, work.piece.values.stride, run, blocks, scales);
    for_tiles(work.group, [&]<int Tile>(int row) {
      const auto first = static_cast<size_t>(row);
      add_coded_values<Rows, Tile>(values, work.piece.values.stride, run, work.d, scales,
                                   scores + first * block_slots + t, factors + first, out + first * work.d);
    });
  }
}

template <int bits>
void scores_of_kivi_keys(const PieceWork& work, size_t begin, size_t count, float* scores) {
  for_tiles(work.group, [&]<int Tile>(int row) {
    const auto first = static_cast<size_t>(row);
    kivi_scores<bits, Tile>(work.piece.keys.data, work.piece.keys.stride,
                            static_cast<size_t>(work.piece.first_in_group) + begin, count, work.d,
                            work.q + first * work.d, work.scratch, scores + first * block_slots);
  });
}

/// Rows of a head size that the kernels of their format don't know, one element at a time. The segment's
/// scale is left to the queries and to the output, as in all kernels.
void decode_block(RowSegment segment, size_t first, size_t count, size_t d, float* out) {
  segment.scale = 1.0F;
  for (size_t t = 0; t < count; ++t) {
    for (size_t i = 0; i < d; ++i) {
      out[t * d + i] = static_cast<float>(
          stored_element(segment, static_cast<int>(d), static_cast<int>(first + t), static_cast<int>(i)));
    }
  }
}

void scores_of_decoded(const PieceWork& work, size_t begin, size_t count, float* scores) {
  decode_block(work.piece.keys, static_cast<size_t>(work.piece.first_in_group) + begin, count, work.d,
               work.scratch);
  for_tiles(work.group, [&]<int Tile>(int row) {
    const auto first = static_cast<size_t>(row);
    float_scores<F32Row, Tile>(reinterpret_cast<const std::byte*>(work.scratch), work.d * sizeof(float),
                               count, work.d, work.q + first * work.d, scores + first * block_slots);
  });
}

void sums_of_decoded(PieceWork& work, size_t begin, size_t count, float* scores, const float* correction,
                     float* out) {
  weigh(work, count, scores);
  for (size_t t = 0; t < count; t += run_slots) {
    const size_t run = std::min(run_slots, count - t);
    decode_block(work.piece.values, begin + t, run, work.d, work.scratch);
    for_tiles(work.group, [&]<int Tile>(int row) {
      const auto first = static_cast<size_t>(row);
      add_float_run<F32Row, Tile>(reinterpret_cast<const std::byte*>(work.scratch), work.d * sizeof(float),
                                  run, work.d, scores + first * block_slots + t,
                                  t == 0 ? correction + first : nullptr, out + first * work.d);
    });
  }
}

// Floats of scratch that kernels need: a decoded block; two scales for each block of channels and token of a
// run; a tile's queries for a group of KIVI's keys.
size_t decoded_scratch(size_t d) { return block_slots * d; }
size_t codes_scratch(size_t d) { return blocks_of(d) * 2 * run_slots; }
size_t bf16_scratch(size_t d, size_t rows) { return rows * d; }
size_t kivi_scratch(size_t d) { return d + largest_tile * d / 2; }

// Only the target avx512-bf16 is given dot products of bf16.

void scores_of_bf16(const PieceWork& work, size_t begin, size_t count, float* scores) {
  work.dots.bf16->scores(work.keys(begin), work.piece.keys.stride, count, work.d, work.bf16, work.rows,
                         scores);
}

void sums_of_bf16(PieceWork& work, size_t begin, size_t count, float* scores, const float* correction,
                  float* out) {
  float* sums = work.scratch;
  std::fill_n(sums, work.rows * work.d, 0.0F);
  for (size_t g = 0; g < work.rows; g += bf16_rows_at_once) {
    const Bf16Softmax softmax = {work.running.largest.data() + g, work.running.totals_of(g)};
    work.dots.bf16->add(work.values(begin), work.piece.values.stride, count, work.d, scores + g * block_slots,
                        softmax, std::min(bf16_rows_at_once, work.rows - g), sums + g * work.d);
  }
  for (size_t g = 0; g < work.rows; ++g)
    work.dots.bf16->flush(sums + g * work.d, work.d, correction[g], out + g * work.d);
}

// The option for products of bytes, where there are any.

void scores_of_bytes(const PieceWork& work, size_t begin, size_t count, float* scores) {
  const CodedBlock keys = {work.piece.keys.format, work.keys(begin), work.piece.keys.stride, count,
                           work.d / block_channels};
  work.dots.bytes->scores(keys, work.bytes, work.rows, scores);
}

template <class Rows>
void sums_of_bytes(PieceWork& work, size_t begin, size_t count, float* scores, const float* correction,
                   float* out) {
  const size_t blocks = work.d / block_channels;
  const BlockScales scales{work.scratch, work.scratch + blocks * run_slots};
  const std::vector<float> ones(work.rows, 1.0F);
  weigh(work, count, scores);
  for (size_t t = 0; t < count; t += run_slots) {
    const CodedBlock values = {work.piece.values.format, work.values(begin + t), work.piece.values.stride,
                               std::min(run_slots, count - t), blocks};
    gather_scales<Rows>(values.data, values.stride, values.count, blocks, scales);
    work.dots.bytes->add(values, {scales.scales, scales.zeros}, scores + t, t == 0 ? correction : ones.data(),
                         work.rows, out);
  }
}

enum class QueryForm { floats, shorts, bf16, bytes };

struct KeyChoice {
  KeyKernel kernel;
  QueryForm form = QueryForm::floats;
  size_t scratch = 0;
  float unit = 1.0F;  // of stored numbers, where the kernel leaves it to the queries
};

KeyChoice key_kernel(RowFormat format, size_t d, const DotProducts& dots) {
  const bool sixteens = d % half_channels == 0;
  if (dots.bytes != nullptr && byte_dots_know(format, d)) return {{scores_of_bytes}, QueryForm::bytes};
  const KeyChoice decoded = {{scores_of_decoded}, QueryForm::floats, decoded_scratch(d)};
  switch (format) {
    case RowFormat::f32:
      return {{scores_of_floats<F32Row>}};
    case RowFormat::f16:
      return {{scores_of_floats<F16Row>}};
    case RowFormat::bf16:
      if (dots.bf16 != nullptr && bf16_dots_know(d)) return {{scores_of_bf16}, QueryForm::bf16};
      return {{scores_of_floats<Bf16Row>}};
    case RowFormat::fp8_e4m3:
      return {{scores_of_floats<Fp8Row>}, QueryForm::floats, 0, Fp8Row::unit};
    case RowFormat::q8_0:
      return {{scores_of_codes<Q8Rows>}, QueryForm::shorts};
    case RowFormat::q4_0:
      return {{scores_of_codes<Q4Rows>}, QueryForm::shorts};
    case RowFormat::q4_1:
    case RowFormat::kivi4_values:
      return {{scores_of_codes<Q4MinimumRows>}, QueryForm::shorts};
    case RowFormat::kivi2_values:
      return {{scores_of_codes<Kivi2Rows>}, QueryForm::shorts};
    case RowFormat::int8_token:
      return sixteens ? KeyChoice{{scores_of_codes<Int8TokenRows>}, QueryForm::shorts} : decoded;
    case RowFormat::kivi4_keys:
      return sixteens ? KeyChoice{{scores_of_kivi_keys<4>}, QueryForm::floats, kivi_scratch(d)} : decoded;
    case RowFormat::kivi2_keys:
      return sixteens ? KeyChoice{{scores_of_kivi_keys<2>}, QueryForm::floats, kivi_scratch(d)} : decoded;
  }
  return decoded;
}

struct ValueChoice {
  ValueKernel kernel;
  size_t scratch = 0;
  float unit = 1.0F;
};

ValueChoice value_kernel(RowFormat format, size_t d, size_t rows, const DotProducts& dots) {
  const bool bytes = dots.bytes != nullptr && byte_dots_know(format, d);
  switch (format) {
    case RowFormat::f32:
      return {{sums_of_floats<F32Row>}};
    case RowFormat::f16:
      return {{sums_of_floats<F16Row>}};
    case RowFormat::bf16:
      if (dots.bf16 != nullptr && bf16_dots_know(d)) return {{sums_of_bf16}, bf16_scratch(d, rows)};
      return {{sums_of_floats<Bf16Row>}};
    case RowFormat::fp8_e4m3:
      return {{sums_of_floats<Fp8Row>}, 0, Fp8Row::unit};
    case RowFormat::q8_0:
      return {{bytes ? sums_of_bytes<Q8Rows> : sums_of_codes<Q8Rows>}, codes_scratch(d)};
    case RowFormat::q4_0:
      return {{bytes ? sums_of_bytes<Q4Rows> : sums_of_codes<Q4Rows>}, codes_scratch(d)};
    case RowFormat::q4_1:
    case RowFormat::kivi4_values:
      return {{bytes ? sums_of_bytes<Q4MinimumRows> : sums_of_codes<Q4MinimumRows>}, codes_scratch(d)};
    case RowFormat::kivi2_values:
      return {{sums_of_codes<Kivi2Rows>}, codes_scratch(d)};
    case RowFormat::int8_token:
      if (d % half_channels == 0) return {{sums_of_codes<Int8TokenRows>}, codes_scratch(d)};
      break;
    case RowFormat::kivi4_keys:
    case RowFormat::kivi2_keys:
      break;
  }
  return {{sums_of_decoded}, decoded_scratch(d)};
}

/// The group's queries in the form that the keys' kernel reads, and what its scores are multiplied by.
class PreparedQueries {
 public:
  PreparedQueries(const KeyChoice& choice, const GroupQuery& query, PieceWork& work)
      : scaled_(work.rows * work.d), units_(work.rows) {
    const float factor = query.scale * work.piece.keys.scale * choice.unit;
    for (size_t i = 0; i < scaled_.size(); ++i) scaled_[i] = query.q[i] * factor;
    std::fill_n(units_.data(), work.rows, 1.0F);
    work.q = scaled_.data();
    work.unit = units_.data();
    if (choice.form == QueryForm::shorts) round_to_codes(work);
    if (choice.form == QueryForm::bytes) round_to_bytes(work);
    if (choice.form == QueryForm::bf16) {
      codes_ = Floats(scaled_.size());
      auto* rounded = reinterpret_cast<uint16_t*>(codes_.data());
      work.dots.bf16->round_queries(scaled_.data(), scaled_.size(), rounded);
      work.bf16 = rounded;
    }
  }

 private:
  void round_to_bytes(PieceWork& work) {
    codes_ = Floats(scaled_.size() / sizeof(float));
    sums_ = Floats(scaled_.size() / 4);  // a start for every four channels
    auto* codes = reinterpret_cast<int8_t*>(codes_.data());
    auto* starts = reinterpret_cast<int32_t*>(sums_.data());
    work.dots.bytes->round_queries(work.piece.keys.format, scaled_.data(), work.rows, work.d / block_channels,
                                   codes, starts, units_.data());
    work.bytes = {codes, starts};
  }

  void round_to_codes(PieceWork& work) {
    const size_t width = halves_of(work.d) * half_channels;
    const size_t blocks = blocks_of(work.d);
    codes_ = Floats(work.rows * width / 2);
    sums_ = Floats(work.rows * blocks * 8);
    Floats padded(width);
    auto* codes = reinterpret_cast<int16_t*>(codes_.data());
    std::fill_n(sums_.data(), sums_.size(), 0.0F);
    for (size_t g = 0; g < work.rows; ++g) {
      const float* q = scaled_.data() + g * work.d;
      float largest = 0.0F;
      for (size_t i = 0; i < work.d; ++i) largest = std::max(largest, std::abs(q[i]));
      std::fill_n(padded.data(), width, 0.0F);
      std::copy_n(q, work.d, padded.data());
      units_[g] = largest / largest_short;
      round_to_shorts(padded.data(), units_[g] > 1e-37F ? 1.0F / units_[g] : 0.0F, width, codes + g * width);
      for (size_t i = 0; i < width; ++i)
        sums_[(g * blocks + i / block_channels) * 8] += static_cast<float>(codes[g * width + i]);
    }
    work.shorts = {codes, sums_.data(), width, blocks};
  }

  Floats scaled_;
  Floats units_;
  Floats codes_;
  Floats sums_;
};

/// Takes a block's scores into a row's largest, and pads them; returns what the row's sums so far are
/// multiplied by.
HWY_INLINE float absorb(float* row, size_t count, size_t g, Running& running) {
  const FloatTag tag;
  const size_t lanes = hn::Lanes(tag);
  const size_t padded = padded_to_runs(count);
  std::fill(row + count, row + padded, -std::numeric_limits<float>::infinity());
  FloatVector largest = hn::Load(tag, row);
  for (size_t t = lanes; t < padded; t += lanes) largest = hn::Max(largest, hn::Load(tag, row + t));
  const float before = running.largest[g];
  running.largest[g] = std::max(before, hn::GetLane(hn::MaxOfLanes(tag, largest)));
  const float correction = std::exp(before - running.largest[g]);
  float* totals = running.totals_of(g);
  hn::Store(hn::Mul(hn::Load(tag, totals), hn::Set(tag, correction)), tag, totals);
  return correction;
}

/// From dot products to scores: units, position and bias.
void finish_scores(const PieceWork& work, const GroupQuery& query, size_t begin, size_t count,
                   float* scores) {
  const AttentionPiece& piece = work.piece;
  for (size_t g = 0; g < work.rows; ++g) {
    float* row = scores + g * block_slots;
    const float unit = work.unit[g];
    if (unit != 1.0F) {
      for (size_t t = 0; t < count; ++t) row[t] *= unit;
    }
    const float slope = query.slopes != nullptr ? query.slopes[g] : 0.0F;
    if (piece.bias != nullptr) {
      // Both terms may be hundreds: their difference is rounded once.
      const auto position = static_cast<float>(query.position);
      for (size_t t = 0; t < count; ++t) row[t] += std::fma(-slope, position, piece.bias[begin + t]);
    } else if (query.slopes != nullptr) {
      for (size_t t = 0; t < count; ++t) {
        const int position = piece.positions != nullptr ? piece.positions[begin + t]
                                                        : piece.first_position + static_cast<int>(begin + t);
        row[t] -= slope * static_cast<float>(query.position - position);
      }
    }
  }
}

void attend_piece_with(const DotProducts& dots, const AttentionPiece& piece, const GroupQuery& query,
                       const PieceOutput& output) {
  PieceWork work(piece, query, dots);
  const KeyChoice keys = key_kernel(piece.keys.format, work.d, dots);
  const ValueChoice values = value_kernel(piece.values.format, work.d, work.rows, dots);
  const PreparedQueries prepared(keys, query, work);
  Floats scratch(std::max(keys.scratch, values.scratch));
  work.scratch = scratch.data();
  Floats scores(work.rows * block_slots);
  Floats corrections(work.rows);
  std::fill_n(output.out, work.rows * work.d, 0.0F);
  const auto slots = static_cast<size_t>(piece.slots);
  for (size_t begin = 0; begin < slots; begin += block_slots) {
    const size_t count = std::min(block_slots, slots - begin);
    keys.kernel.scores(work, begin, count, scores.data());
    finish_scores(work, query, begin, count, scores.data());
    for (size_t g = 0; g < work.rows; ++g) {
      float* row = scores.data() + g * block_slots;
      if (output.scores != nullptr) std::copy_n(row, count, output.scores + g * output.score_stride + begin);
      corrections[g] = absorb(row, count, g, work.running);
    }
    values.kernel.add(work, begin, count, scores.data(), corrections.data(), output.out);
  }
  const float unit = piece.values.scale * values.unit;
  if (unit != 1.0F) {
    for (size_t i = 0; i < work.rows * work.d; ++i) output.out[i] *= unit;
  }
  for (size_t g = 0; g < work.rows; ++g) {
    output.largest[g] = work.running.largest[g];
    output.total[g] =
        hn::GetLane(hn::SumOfLanes(FloatTag(), hn::Load(FloatTag(), work.running.totals_of(g))));
  }
}

/// The option is of 512-bit targets: AVX2's products keep 16 bits.
const ByteDots* wanted_bytes(const GroupQuery& query) {
  return query.byte_products && HWY_TARGET == HWY_AVX3 ? vnni_byte_dots() : nullptr;
}

void attend_piece_simd(const AttentionPiece& piece, const GroupQuery& query, const PieceOutput& output) {
  attend_piece_with({nullptr, wanted_bytes(query)}, piece, query, output);
}

void attend_piece_bf16(const AttentionPiece& piece, const GroupQuery& query, const PieceOutput& output) {
  attend_piece_with({&avx512_bf16_dots(), wanted_bytes(query)}, piece, query, output);
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
  static const KernelTable table = {HWY_TARGET == HWY_AVX3 ? Target::avx512 : Target::avx2,
                                    attend_piece_simd,
                                    softmax_row_simd,
                                    log_sum_exp_simd,
                                    add_rows_simd,
                                    widen_halves_simd};
  return table;
}

const KernelTable& bf16_kernels() {
  static const KernelTable table = {Target::avx512_bf16, attend_piece_bf16, softmax_row_simd,
                                    log_sum_exp_simd,    add_rows_simd,     widen_halves_simd};
  return table;
}

}  // namespace HWY_NAMESPACE
}  // namespace razorscope
HWY_AFTER_NAMESPACE();
#endif

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

const KernelTable* avx512_bf16_kernels() {
#if (HWY_TARGETS & HWY_AVX3) != 0
  return &N_AVX3::bf16_kernels();
#else
  return nullptr;
#endif
}

}  // namespace razorscope
#endif
