// Dot products and weighted sums over rows of floating-point numbers, widened to f32 on load.
#if defined(RAZORSCOPE_FLOAT_ROWS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef RAZORSCOPE_FLOAT_ROWS_INL
#undef RAZORSCOPE_FLOAT_ROWS_INL
#else
#define RAZORSCOPE_FLOAT_ROWS_INL
#endif

#include "policies/kernels/vectors-inl.hpp"

#if RAZORSCOPE_IS_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace razorscope {
namespace HWY_NAMESPACE {

struct F32Row {
  static constexpr size_t element_bytes = 4;
  const float* address;
  explicit F32Row(const std::byte* row) : address(reinterpret_cast<const float*>(row)) {}
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> load(Tag tag, size_t i) const {
    return hn::LoadU(tag, address + i);
  }
};

/// IEEE half precision.
struct F16Row {
  static constexpr size_t element_bytes = 2;
  const hwy::float16_t* address;
  explicit F16Row(const std::byte* row) : address(reinterpret_cast<const hwy::float16_t*>(row)) {}
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> load(Tag tag, size_t i) const {
    const hn::Rebind<hwy::float16_t, Tag> half;
    return hn::PromoteTo(tag, hn::LoadU(half, address + i));
  }
};

/// The upper half of a float.
struct Bf16Row {
  static constexpr size_t element_bytes = 2;
  const uint16_t* address;
  explicit Bf16Row(const std::byte* row) : address(reinterpret_cast<const uint16_t*>(row)) {}
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> load(Tag tag, size_t i) const {
    const hn::Rebind<uint16_t, Tag> half;
    const hn::RebindToUnsigned<Tag> bits;
    return hn::BitCast(tag, hn::ShiftLeft<16>(hn::PromoteTo(bits, hn::LoadU(half, address + i))));
  }
};

/// E4M3 in units of 2^-8: its exponent field, read as a half's, is too small by the difference of the biases,
/// 15 - 7. Subnormals come out right, and the two NaN codes as ±480, as the codec reads them.
struct Fp8Row {
  static constexpr size_t element_bytes = 1;
  static constexpr float unit = 256.0F;
  const uint8_t* address;
  explicit Fp8Row(const std::byte* row) : address(reinterpret_cast<const uint8_t*>(row)) {}
  template <class Tag>
  HWY_INLINE hn::Vec<Tag> load(Tag tag, size_t i) const {
    const hn::Rebind<uint8_t, Tag> byte;
    const hn::Rebind<uint16_t, Tag> half_bits;
    const hn::Rebind<hwy::float16_t, Tag> half;
    const auto code = hn::PromoteTo(half_bits, hn::LoadU(byte, address + i));
    const auto sign = hn::ShiftLeft<8>(hn::And(code, hn::Set(half_bits, uint16_t{0x80})));
    const auto magnitude = hn::ShiftLeft<7>(hn::And(code, hn::Set(half_bits, uint16_t{0x7f})));
    return hn::PromoteTo(tag, hn::BitCast(half, hn::Or(sign, magnitude)));
  }
};

/// A single element.
template <class Row>
HWY_INLINE float element(const Row& row, size_t i) {
  return hn::GetLane(row.load(hn::CappedTag<float, 1>(), i));
}

/// scores[g][t] = q[g]·k_t for `count` tokens. q: [Tile, d].
template <class Row, int Tile>
HWY_INLINE void float_scores(const std::byte* keys, size_t stride, size_t count, size_t d, const float* q,
                             float* scores) {
  const EightTag tag;
  constexpr size_t lanes = 8;
  constexpr size_t bytes_a_step = lanes * tokens_at_once * Row::element_bytes;
  for (size_t t = 0; t < count; t += tokens_at_once) {
    const size_t tokens = std::min<size_t>(tokens_at_once, count - t);
    Eight sums[dot_accumulators<Tile>];
    for (Eight& sum : sums) sum = hn::Zero(tag);
    const std::byte* rows[tokens_at_once];  // a missing token's is the last one, read again
    for (size_t j = 0; j < tokens_at_once; ++j) rows[j] = keys + (t + std::min(j, tokens - 1)) * stride;
    size_t i = 0;
    const std::byte* ahead = keys + t * stride + key_lookahead;
    for (; i + lanes <= d; i += lanes, ahead += bytes_a_step) {
      prefetch_lines<lines_of(bytes_a_step)>(ahead);
      Eight k[tokens_at_once];
      for (size_t j = 0; j < tokens_at_once; ++j) k[j] = Row(rows[j]).load(tag, i);
      for (size_t g = 0; g < Tile; ++g) {
        Eight query = hn::LoadU(tag, q + g * d + i);
        keep_in_register(query);
        for (size_t j = 0; j < tokens_at_once; ++j) {
          sums[g * tokens_at_once + j] = hn::MulAdd(k[j], query, sums[g * tokens_at_once + j]);
        }
      }
    }
    store_dots<Tile>(sums, tokens, scores + t);
    for (; i < d; ++i) {
      for (size_t j = 0; j < tokens; ++j) {
        const float k = element(Row(rows[j]), i);
        for (size_t g = 0; g < Tile; ++g) scores[g * block_slots + t + j] += k * q[g * d + i];
      }
    }
  }
}

/// out[g] = out[g]·correction[g] + Σ_t weights[g][t]·v_t, for Chunks vectors of channels from i on.
/// correction: null stands for ones.
template <class Row, int Tile, int Chunks>
HWY_INLINE void add_float_columns(const std::byte* values, size_t stride, size_t count, size_t d, size_t i,
                                  const float* weights, const float* correction, float* out) {
  const FloatTag tag;
  constexpr size_t lanes = hn::MaxLanes(FloatTag());
  constexpr size_t bytes_a_step = Chunks * lanes * Row::element_bytes;
  FloatVector sums[Tile * Chunks];
  for (size_t g = 0; g < Tile; ++g) {
    const FloatVector factor = hn::Set(tag, correction != nullptr ? correction[g] : 1.0F);
    for (size_t c = 0; c < Chunks; ++c)
      sums[g * Chunks + c] = hn::Mul(hn::LoadU(tag, out + g * d + i + c * lanes), factor);
  }
  // This pass's share of the run ahead.
  const std::byte* ahead = values + value_lookahead + i * Row::element_bytes * count;
  for (size_t t = 0; t < count; ++t, ahead += bytes_a_step) {
    prefetch_lines<lines_of(bytes_a_step)>(ahead);
    const Row row(values + t * stride);
    FloatVector v[Chunks];
    for (size_t c = 0; c < Chunks; ++c) v[c] = row.load(tag, i + c * lanes);
    for (size_t g = 0; g < Tile; ++g) {
      const FloatVector weight = hn::Set(tag, weights[g * block_slots + t]);
      for (size_t c = 0; c < Chunks; ++c)
        sums[g * Chunks + c] = hn::MulAdd(v[c], weight, sums[g * Chunks + c]);
    }
  }
  for (size_t g = 0; g < Tile; ++g) {
    for (size_t c = 0; c < Chunks; ++c) hn::StoreU(sums[g * Chunks + c], tag, out + g * d + i + c * lanes);
  }
}

/// The same for all channels of a run of rows.
template <class Row, int Tile>
HWY_INLINE void add_float_run(const std::byte* values, size_t stride, size_t count, size_t d,
                              const float* weights, const float* correction, float* out) {
  constexpr int chunks = has_32_registers ? 4 : 2;
  const size_t lanes = hn::Lanes(FloatTag());
  size_t i = 0;
  for (; i + chunks * lanes <= d; i += chunks * lanes)
    add_float_columns<Row, Tile, chunks>(values, stride, count, d, i, weights, correction, out);
  for (; i + lanes <= d; i += lanes)
    add_float_columns<Row, Tile, 1>(values, stride, count, d, i, weights, correction, out);
  for (; i < d; ++i) {
    for (size_t g = 0; g < Tile; ++g) {
      float sum = out[g * d + i] * (correction != nullptr ? correction[g] : 1.0F);
      for (size_t t = 0; t < count; ++t)
        sum += element(Row(values + t * stride), i) * weights[g * block_slots + t];
      out[g * d + i] = sum;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace razorscope
HWY_AFTER_NAMESPACE();
#endif

#endif
