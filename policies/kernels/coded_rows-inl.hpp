// Dot products and weighted sums over rows of integer codes with a scale, and some with a zero, for every 32
// channels. Queries and weights become 16-bit integers, so that products run on the codes as they are:
//   q·k      = Σ_b scale_b · (Σ_i code_i·q_i) + zero_b · (Σ_i q_i)           over the channels i of block b
//   Σ_t w v  = Σ_t (w_t·scale_tb)·code_ti + Σ_t w_t·zero_tb
// A query is rounded to 1/32767 of its largest element; a weight, times its token's scale, to 1/32767 of the
// largest such product among 64 tokens.
#if defined(RAZORSCOPE_CODED_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef RAZORSCOPE_CODED_ROWS_INL
#undef RAZORSCOPE_CODED_ROWS_INL
#else
#define RAZORSCOPE_CODED_ROWS_INL
#endif

#include "policies/kernels/vectors-inl.hpp"

#if RAZORSCOPE_IS_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace razorscope {
namespace HWY_NAMESPACE {

constexpr size_t block_channels = 32;
constexpr size_t half_channels = 16;  // what one load of codes gives
constexpr float largest_short = 32767.0F;

HWY_INLINE Byte16 bytes_at(const std::byte* address) {
  return hn::LoadU(ByteTag(), reinterpret_cast<const int8_t*>(address));
}

/// The low or the high four bits of 16 bytes.
template <bool high>
HWY_INLINE Byte16 nibbles(Byte16 bytes) {
  const hn::Repartition<uint16_t, ByteTag> wide;
  const auto shifted = high ? hn::ShiftRight<4>(hn::BitCast(wide, bytes)) : hn::BitCast(wide, bytes);
  return hn::And(hn::BitCast(ByteTag(), shifted), hn::Set(ByteTag(), int8_t{15}));
}

// A format says where a row's codes, scales and zeros lie:
//   codes(row, half)   signed codes of channels 16·half ..
//   scale(row, block)  where the scale of channels 32·block .. lies, an f16
//   zero(row, block)   the same for the zero, where the format has one
//   code_shift         what was subtracted from the codes so that they are signed: the zero makes up for it

/// Rows of blocks of 32 channels, each of which begins with its scale and, where it has one, its zero.
template <size_t BlockBytes, bool HasZero>
struct BlockRows {
  static constexpr bool has_zero = HasZero;
  static constexpr float code_shift = 0.0F;
  static HWY_INLINE const std::byte* scale(const std::byte* row, size_t block) {
    return row + block * BlockBytes;
  }
  static HWY_INLINE const std::byte* zero(const std::byte* row, size_t block) {
    return scale(row, block) + 2;
  }
  /// Of the block that a half lies in.
  static HWY_INLINE const std::byte* block_codes(const std::byte* row, size_t half) {
    return scale(row, half / 2) + (HasZero ? 4 : 2);
  }
};

struct Q8Rows : BlockRows<34, false> {
  static HWY_INLINE Byte16 codes(const std::byte* row, size_t half) {
    return bytes_at(block_codes(row, half) + half % 2 * half_channels);
  }
};

struct Q4Rows : BlockRows<18, false> {
  static HWY_INLINE Byte16 codes(const std::byte* row, size_t half) {
    const Byte16 packed = bytes_at(block_codes(row, half));
    return hn::Sub(half % 2 == 0 ? nibbles<false>(packed) : nibbles<true>(packed),
                   hn::Set(ByteTag(), int8_t{8}));
  }
};

/// q4_1, and KIVI's 4-bit values, which lie alike.
struct Q4MinimumRows : BlockRows<20, true> {
  static HWY_INLINE Byte16 codes(const std::byte* row, size_t half) {
    const Byte16 packed = bytes_at(block_codes(row, half));
    return half % 2 == 0 ? nibbles<false>(packed) : nibbles<true>(packed);
  }
};

struct Kivi2Rows : BlockRows<12, true> {
  static HWY_INLINE Byte16 codes(const std::byte* row, size_t half) {
    const hn::Repartition<uint64_t, ByteTag> whole;
    uint64_t packed;  // byte i: channels i, i + 8, i + 16, i + 24 of the block
    std::memcpy(&packed, block_codes(row, half), sizeof(packed));
    packed >>= half % 2 * 4;
    const auto low = hn::Set(whole, packed);
    const auto high = hn::Set(whole, packed >> 2U);
    return hn::And(hn::BitCast(ByteTag(), hn::InterleaveLower(low, high)), hn::Set(ByteTag(), int8_t{3}));
  }
};

/// One scale and zero a row. Head sizes are multiples of 16.
struct Int8TokenRows {
  static constexpr bool has_zero = true;
  static constexpr float code_shift = 128.0F;
  static HWY_INLINE Byte16 codes(const std::byte* row, size_t half) {
    return hn::Xor(bytes_at(row + 4 + half * half_channels), hn::Set(ByteTag(), int8_t{-128}));
  }
  static HWY_INLINE const std::byte* scale(const std::byte* row, size_t /*block*/) { return row; }
  static HWY_INLINE const std::byte* zero(const std::byte* row, size_t /*block*/) { return row + 2; }
};

/// An f16 in memory, in every lane.
HWY_INLINE Eight half_everywhere(const std::byte* address) {
  const hn::Rebind<hwy::float16_t, EightTag> half;
  const hn::Rebind<uint16_t, EightTag> bits;
  uint16_t value;
  std::memcpy(&value, address, sizeof(value));
  return hn::PromoteTo(EightTag(), hn::BitCast(half, hn::Set(bits, value)));
}

template <class Rows>
HWY_INLINE Eight zero_everywhere(const std::byte* row, size_t block, Eight scale) {
  const Eight zero = half_everywhere(Rows::zero(row, block));
  if constexpr (Rows::code_shift == 0.0F) return zero;
  return hn::MulAdd(hn::Set(EightTag(), Rows::code_shift), scale, zero);
}

HWY_INLINE size_t halves_of(size_t d) { return (d + half_channels - 1) / half_channels; }
HWY_INLINE size_t blocks_of(size_t d) { return (d + block_channels - 1) / block_channels; }

/// sum + a·b over pairs of neighbours. (AVX512-VNNI has it in one instruction; measured, it is slower here.)
HWY_INLINE IntEight dot_pairs(Short16 a, Short16 b, IntEight sum) {
  IntEight unused = hn::Zero(IntEightTag());
  return hn::ReorderWidenMulAccumulate(IntEightTag(), a, b, sum, unused);
}

/// to[i] = from[i]·factor, rounded; count a multiple of 16.
HWY_INLINE void round_to_shorts(const float* from, float factor, size_t count, int16_t* to) {
  const EightTag tag;
  const Eight scale = hn::Set(tag, factor);
  for (size_t i = 0; i < count; i += 16) {
    const IntEight low = hn::NearestInt(hn::Mul(hn::LoadU(tag, from + i), scale));
    const IntEight high = hn::NearestInt(hn::Mul(hn::LoadU(tag, from + i + 8), scale));
    const hn::FixedTag<int16_t, 8> half;
    hn::StoreU(hn::DemoteTo(half, low), half, to + i);
    hn::StoreU(hn::DemoteTo(half, high), half, to + i + 8);
  }
}

/// A group's queries as 16-bit integers.
struct ShortQueries {
  const int16_t* codes;  // [group, 16·halves], zeros beyond head_size
  const float* sums;     // [group, blocks, 8]: Σ of a block's codes in lane 0, else 0
  size_t width;          // 16·halves
  size_t blocks;
};

/// scores[g][t] = codes of q[g] · k_t, for `count` tokens and the tile of queries from first_row on.
template <class Rows, int Tile>
HWY_INLINE void coded_scores(const std::byte* keys, size_t stride, size_t count, const ShortQueries& queries,
                             size_t first_row, float* scores) {
  const EightTag tag;
  const size_t halves = queries.width / half_channels;
  const int16_t* q = queries.codes + first_row * queries.width;
  for (size_t t = 0; t < count; t += tokens_at_once) {
    const size_t tokens = std::min<size_t>(tokens_at_once, count - t);
    Eight sums[dot_accumulators<Tile>];
    for (Eight& sum : sums) sum = hn::Zero(tag);
    const std::byte* rows[tokens_at_once];
    for (size_t j = 0; j < tokens_at_once; ++j) rows[j] = keys + (t + std::min(j, tokens - 1)) * stride;
    prefetch_row(keys + t * stride + key_lookahead, tokens_at_once * stride);
    for (size_t half = 0; half < halves; half += 2) {
      const bool both = half + 1 < halves;
      Short16 k0[tokens_at_once];
      Short16 k1[tokens_at_once];
      Eight scale[tokens_at_once];
      Eight zero[tokens_at_once];
      for (size_t j = 0; j < tokens_at_once; ++j) {
        k0[j] = hn::PromoteTo(ShortTag(), Rows::codes(rows[j], half));
        k1[j] = both ? hn::PromoteTo(ShortTag(), Rows::codes(rows[j], half + 1)) : hn::Zero(ShortTag());
        scale[j] = half_everywhere(Rows::scale(rows[j], half / 2));
        if constexpr (Rows::has_zero) zero[j] = zero_everywhere<Rows>(rows[j], half / 2, scale[j]);
      }
      for (size_t g = 0; g < Tile; ++g) {
        const int16_t* codes = q + g * queries.width + half * half_channels;
        Short16 q0 = hn::Load(ShortTag(), codes);
        Short16 q1 = both ? hn::Load(ShortTag(), codes + half_channels) : hn::Zero(ShortTag());
        keep_in_register(q0);
        keep_in_register(q1);
        for (size_t j = 0; j < tokens_at_once; ++j) {
          const IntEight dots = dot_pairs(k1[j], q1, dot_pairs(k0[j], q0, hn::Zero(IntEightTag())));
          Eight& sum = sums[g * tokens_at_once + j];
          sum = hn::MulAdd(hn::ConvertTo(tag, dots), scale[j], sum);
          if constexpr (Rows::has_zero) {
            const float* q_sums = queries.sums + ((first_row + g) * queries.blocks + half / 2) * 8;
            sum = hn::MulAdd(zero[j], hn::Load(tag, q_sums), sum);
          }
        }
      }
    }
    store_dots<Tile>(sums, tokens, scores + t);
  }
}

/// Scales and zeros of up to 64 tokens, by block of channels.
struct BlockScales {
  // [blocks, run_slots]; beyond the tokens: 0
  float* scales;
  float* zeros;
};

/// Goes over the rows in order, and so is the pass that brings them from memory.
template <class Rows>
HWY_INLINE void gather_scales(const std::byte* values, size_t stride, size_t count, size_t blocks,
                              const BlockScales& out) {
  const FloatTag tag;
  const hn::Rebind<hwy::float16_t, FloatTag> half;
  const size_t lanes = hn::Lanes(tag);
  // Halves first, in the lower part of where their floats go to: widened from the last to the first.
  const auto place = [](float* of_block) { return reinterpret_cast<uint16_t*>(of_block); };
  for (size_t t = 0; t < count; ++t) {
    const std::byte* row = values + t * stride;
    prefetch_row(row + value_lookahead, stride);
    for (size_t b = 0; b < blocks; ++b) {
      std::memcpy(place(out.scales + b * run_slots) + t, Rows::scale(row, b), 2);
      if constexpr (Rows::has_zero) std::memcpy(place(out.zeros + b * run_slots) + t, Rows::zero(row, b), 2);
    }
  }
  const auto widen = [&](float* of_block) {
    uint16_t* halves = place(of_block);
    std::fill(halves + count, halves + run_slots, uint16_t{0});
    for (size_t t = run_slots; t > 0;) {
      t -= lanes;
      hn::Store(hn::PromoteTo(tag, hn::Load(half, reinterpret_cast<const hwy::float16_t*>(halves) + t)), tag,
                of_block + t);
    }
  };
  for (size_t b = 0; b < blocks; ++b) {
    float* scales = out.scales + b * run_slots;
    widen(scales);
    if constexpr (Rows::has_zero) {
      float* zeros = out.zeros + b * run_slots;
      widen(zeros);
      if constexpr (Rows::code_shift != 0.0F) {
        const FloatVector shift = hn::Set(tag, Rows::code_shift);
        for (size_t t = 0; t < run_slots; t += lanes)
          hn::Store(hn::MulAdd(shift, hn::Load(tag, scales + t), hn::Load(tag, zeros + t)), tag, zeros + t);
      }
    }
  }
}

/// sums = Σ of pairs (weights of tokens t and t + 1)·(codes of both) for one half of a block.
template <class Rows, int Tile, int Halves>
HWY_INLINE void add_pairs(const std::byte* values, size_t stride, size_t count, size_t half,
                          const int32_t* weight_pairs, IntEight* sums) {
  for (size_t t = 0; t < count; t += 2) {
    const std::byte* first = values + t * stride;
    const std::byte* second = t + 1 < count ? first + stride : first;  // its weight is 0
    Short16 pairs[2 * Halves];
    for (size_t h = 0; h < Halves; ++h) {
      const Byte16 a = Rows::codes(first, half + h);
      const Byte16 b = Rows::codes(second, half + h);
      pairs[2 * h] = hn::PromoteTo(ShortTag(), hn::InterleaveLower(a, b));
      pairs[2 * h + 1] = hn::PromoteTo(ShortTag(), hn::InterleaveUpper(ByteTag(), a, b));
    }
    for (size_t g = 0; g < Tile; ++g) {
      const Short16 weight =
          hn::BitCast(ShortTag(), hn::Set(IntEightTag(), weight_pairs[g * (run_slots / 2) + t / 2]));
      for (size_t p = 0; p < 2 * Halves; ++p) {
        IntEight& sum = sums[g * 2 * Halves + p];
        sum = dot_pairs(pairs[p], weight, sum);
      }
    }
  }
}

/// out[i] = out[i]·correction + (sums·unit + zero), for the channels that exist.
HWY_INLINE void flush_half(const IntEight* sums, float unit, float zero, float correction, size_t channels,
                           float* out) {
  const EightTag tag;
  const Eight factor = hn::Set(tag, unit);
  const Eight shift = hn::Set(tag, zero);
  alignas(32) std::array<float, half_channels> results;
  for (size_t p = 0; p < 2; ++p)
    hn::Store(hn::MulAdd(hn::ConvertTo(tag, sums[p]), factor, shift), tag, results.data() + 8 * p);
  if (channels >= half_channels) {
    for (size_t i = 0; i < half_channels; i += 8) {
      hn::StoreU(
          hn::MulAdd(hn::LoadU(tag, out + i), hn::Set(tag, correction), hn::Load(tag, results.data() + i)),
          tag, out + i);
    }
    return;
  }
  for (size_t i = 0; i < channels; ++i) out[i] = out[i] * correction + results[i];
}

/// out[g] = out[g]·correction[g] + Σ_t weights[g][t]·v_t, over at most run_slots tokens: integer sums over
/// more might overflow. weights: rows of block_slots, zeros beyond the tokens.
template <class Rows, int Tile>
HWY_INLINE void add_coded_values(const std::byte* values, size_t stride, size_t count, size_t d,
                                 const BlockScales& scales, const float* weights, const float* correction,
                                 float* out) {
  const FloatTag tag;
  const size_t lanes = hn::Lanes(tag);
  const size_t halves = halves_of(d);
  constexpr int halves_at_once = has_32_registers ? 2 : 1;
  for (size_t block = 0; block < blocks_of(d); ++block) {
    alignas(64) std::array<int32_t, Tile * run_slots / 2> weight_pairs;
    std::array<float, Tile> unit;
    std::array<float, Tile> zero;
    for (size_t g = 0; g < Tile; ++g) {
      alignas(64) std::array<float, run_slots> scaled;
      FloatVector largest = hn::Zero(tag);
      FloatVector zeros = hn::Zero(tag);
      for (size_t t = 0; t < run_slots; t += lanes) {
        const FloatVector weight = hn::Load(tag, weights + g * block_slots + t);
        const FloatVector product = hn::Mul(weight, hn::Load(tag, scales.scales + block * run_slots + t));
        hn::Store(product, tag, scaled.data() + t);
        largest = hn::Max(largest, hn::Abs(product));
        if constexpr (Rows::has_zero)
          zeros = hn::MulAdd(weight, hn::Load(tag, scales.zeros + block * run_slots + t), zeros);
      }
      unit[g] = hn::GetLane(hn::MaxOfLanes(tag, largest)) / largest_short;
      // Below the smallest normal number a factor would be infinite: such weights count for nothing.
      const float factor = unit[g] > 1e-37F ? 1.0F / unit[g] : 0.0F;
      round_to_shorts(scaled.data(), factor, run_slots,
                      reinterpret_cast<int16_t*>(weight_pairs.data() + g * run_slots / 2));
      zero[g] = Rows::has_zero ? hn::GetLane(hn::SumOfLanes(tag, zeros)) : 0.0F;
    }
    for (size_t half = 2 * block; half < std::min(2 * block + 2, halves); half += halves_at_once) {
      IntEight sums[Tile * 2 * halves_at_once];
      for (IntEight& sum : sums) sum = hn::Zero(IntEightTag());
      const size_t together = std::min<size_t>(halves_at_once, halves - half);
      if (together == halves_at_once) {
        add_pairs<Rows, Tile, halves_at_once>(values, stride, count, half, weight_pairs.data(), sums);
      } else {
        add_pairs<Rows, Tile, 1>(values, stride, count, half, weight_pairs.data(), sums);
      }
      for (size_t g = 0; g < Tile; ++g) {
        for (size_t h = 0; h < together; ++h) {
          const size_t channel = (half + h) * half_channels;
          flush_half(sums + (g * together + h) * 2, unit[g], zero[g], correction[g], d - channel,
                     out + g * d + channel);
        }
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace razorscope
HWY_AFTER_NAMESPACE();
#endif

#endif
