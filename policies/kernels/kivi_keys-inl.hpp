// Dot products with KIVI's keys (KiviKeyGroup): a scale and a zero for each channel of 32 tokens. A group's
// scales go into the queries, which then become 16-bit integers:
//   q·k_t = Σ_c (q_c·scale_c)·code_tc + Σ_c q_c·zero_c
#if defined(RAZORSCOPE_KIVI_KEYS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef RAZORSCOPE_KIVI_KEYS_INL
#undef RAZORSCOPE_KIVI_KEYS_INL
#else
#define RAZORSCOPE_KIVI_KEYS_INL
#endif

#include "policies/kernels/coded_rows-inl.hpp"

#if RAZORSCOPE_IS_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace razorscope {
namespace HWY_NAMESPACE {

constexpr size_t group_tokens = 32;

/// A tile of queries for one group of keys.
template <int Tile>
struct GroupQueries {
  int16_t* codes;  // [Tile, d]
  std::array<float, Tile> unit;
  std::array<float, Tile> zero;
};

/// q: [Tile, d]; scratch: [d]. d is a multiple of 16.
template <int Tile>
HWY_INLINE void scale_queries(const std::byte* group, size_t d, const float* q, float* scratch,
                              GroupQueries<Tile>& out) {
  const EightTag tag;
  const hn::Rebind<hwy::float16_t, EightTag> half;
  const auto* scales = reinterpret_cast<const hwy::float16_t*>(group);
  const auto* zeros = scales + d;
  for (size_t g = 0; g < Tile; ++g) {
    Eight largest = hn::Zero(tag);
    Eight zero = hn::Zero(tag);
    for (size_t c = 0; c < d; c += 8) {
      const Eight query = hn::LoadU(tag, q + g * d + c);
      const Eight scaled = hn::Mul(query, hn::PromoteTo(tag, hn::LoadU(half, scales + c)));
      hn::Store(scaled, tag, scratch + c);
      largest = hn::Max(largest, hn::Abs(scaled));
      zero = hn::MulAdd(query, hn::PromoteTo(tag, hn::LoadU(half, zeros + c)), zero);
    }
    out.unit[g] = hn::GetLane(hn::MaxOfLanes(tag, largest)) / largest_short;
    out.zero[g] = hn::GetLane(hn::SumOfLanes(tag, zero));
    round_to_shorts(scratch, out.unit[g] > 1e-37F ? 1.0F / out.unit[g] : 0.0F, d, out.codes + g * d);
  }
}

/// scores: [Tile, 32], of all tokens of one group. scratch: [d] floats and [Tile, d] shorts behind them.
template <int bits, int Tile>
HWY_INLINE void kivi_group_scores(const std::byte* group, size_t d, const float* q, float* scratch,
                                  float* scores) {
  constexpr size_t codes_per_byte = 8 / bits;
  constexpr size_t code_rows = group_tokens / codes_per_byte;
  GroupQueries<Tile> queries;
  queries.codes = reinterpret_cast<int16_t*>(scratch + d);
  scale_queries<Tile>(group, d, q, scratch, queries);
  const std::byte* codes = group + 4 * d;
  for (size_t j = 0; j < code_rows; ++j) {
    prefetch_row(group + key_lookahead + j * (d + 4 * d / code_rows), d + 4 * d / code_rows);
    IntEight sums[Tile * codes_per_byte];
    for (IntEight& sum : sums) sum = hn::Zero(IntEightTag());
    for (size_t c = 0; c < d; c += 16) {
      const hn::FixedTag<uint16_t, 16> wide;
      const auto packed =
          hn::PromoteTo(wide, hn::BitCast(hn::FixedTag<uint8_t, 16>(), bytes_at(codes + j * d + c)));
      const auto mask = hn::Set(wide, uint16_t{(1U << bits) - 1});
      Short16 tokens[codes_per_byte];
      tokens[0] = hn::BitCast(ShortTag(), hn::And(packed, mask));
      tokens[1] = hn::BitCast(ShortTag(), hn::And(hn::ShiftRight<bits>(packed), mask));
      if constexpr (codes_per_byte == 4) {
        tokens[2] = hn::BitCast(ShortTag(), hn::And(hn::ShiftRight<2 * bits>(packed), mask));
        tokens[3] = hn::BitCast(ShortTag(), hn::And(hn::ShiftRight<3 * bits>(packed), mask));
      }
      for (size_t g = 0; g < Tile; ++g) {
        Short16 query = hn::LoadU(ShortTag(), queries.codes + g * d + c);
        keep_in_register(query);
        for (size_t k = 0; k < codes_per_byte; ++k) {
          IntEight& sum = sums[g * codes_per_byte + k];
          sum = dot_pairs(tokens[k], query, sum);
        }
      }
    }
    constexpr size_t dots = Tile * codes_per_byte;
    Eight floats[(dots + 7) / 8 * 8];
    for (size_t i = 0; i < (dots + 7) / 8 * 8; ++i)
      floats[i] = i < dots ? hn::ConvertTo(EightTag(), sums[i]) : hn::Zero(EightTag());
    alignas(32) std::array<float, (dots + 7) / 8 * 8> results;
    for (size_t i = 0; i < dots; i += 8) hn::Store(sums_of_lanes(floats + i), EightTag(), results.data() + i);
    for (size_t g = 0; g < Tile; ++g) {
      for (size_t k = 0; k < codes_per_byte; ++k) {
        scores[g * group_tokens + k * code_rows + j] =
            results[g * codes_per_byte + k] * queries.unit[g] + queries.zero[g];
      }
    }
  }
}

/// scores[g][t] = q[g]·k_t for `count` tokens from the group's token `first` on. q: [Tile, d]; scratch as
/// above.
template <int bits, int Tile>
HWY_INLINE void kivi_scores(const std::byte* groups, size_t stride, size_t first, size_t count, size_t d,
                            const float* q, float* scratch, float* scores) {
  groups += first / group_tokens * stride;
  first %= group_tokens;
  for (size_t t = 0; t < count; groups += stride, first = 0) {
    const size_t tokens = std::min(group_tokens - first, count - t);
    alignas(64) std::array<float, Tile * group_tokens> group;
    kivi_group_scores<bits, Tile>(groups, d, q, scratch, group.data());
    for (size_t g = 0; g < Tile; ++g)
      std::copy_n(group.data() + g * group_tokens + first, tokens, scores + g * block_slots + t);
    t += tokens;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace razorscope
HWY_AFTER_NAMESPACE();
#endif

#endif
