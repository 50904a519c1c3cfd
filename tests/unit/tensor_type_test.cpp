#include "models/language/tensor_type.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

#include "tests/support/tensor_encoder.hpp"

namespace razorscope {
namespace {

using Bytes = std::vector<std::byte>;

void put_u16(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::byte>(value & 255U));
  out.push_back(static_cast<std::byte>(value >> 8U));
}

std::vector<float> decoded(TensorType type, const Bytes& data) {
  std::vector<float> values(data.size() / traits_of(type).block_bytes * traits_of(type).block_elements);
  dequantise(type, data, values);
  return values;
}

/// A scale or minimum: any finite half.
uint16_t arbitrary_half() {
  return *rc::gen::suchThat(rc::gen::inRange<uint16_t>(0, 0xffff),
                            [](uint16_t half) { return (half & 0x7c00U) != 0x7c00U; });
}

Bytes arbitrary_bytes(size_t count) {
  Bytes bytes;
  for (const uint8_t byte : *rc::gen::container<std::vector<uint8_t>>(count, rc::gen::arbitrary<uint8_t>())) {
    bytes.push_back(static_cast<std::byte>(byte));
  }
  return bytes;
}

/// Element `i` of 16 bytes of nibbles: bits 0 to 3 of byte i for the first 16, bits 4 to 7 of byte i - 16
/// then.
int nibble_by_bits(const Bytes& packed, size_t i) {
  int value = 0;
  for (unsigned bit = 0; bit < 4; ++bit) {
    const unsigned shift = bit + (i >= 16 ? 4U : 0U);
    if ((std::to_integer<unsigned>(packed[i % 16]) >> shift & 1U) != 0) value += 1 << bit;
  }
  return value;
}

TEST(TensorTypeTest, KnowsTheBlocksOfEveryTypeByItsNumberInTheFormat) {
  struct Expected {
    uint32_t number;
    const char* name;
    size_t elements;
    size_t bytes;
  };
  for (const Expected& type :
       {Expected{0, "F32", 1, 4}, Expected{1, "F16", 1, 2}, Expected{2, "Q4_0", 32, 18},
        Expected{3, "Q4_1", 32, 20}, Expected{8, "Q8_0", 32, 34}, Expected{30, "BF16", 1, 2}}) {
    const auto traits = tensor_type_traits(type.number);
    ASSERT_TRUE(traits) << type.name;
    EXPECT_EQ(traits->name, type.name);
    EXPECT_EQ(traits->block_elements, type.elements) << type.name;
    EXPECT_EQ(traits->block_bytes, type.bytes) << type.name;
    EXPECT_NE(readable_tensor_types().find(type.name), std::string::npos);
  }
}

TEST(TensorTypeTest, KnowsNoOtherNumbers) {
  for (const uint32_t number : {4U, 5U, 6U, 7U, 9U, 12U, 29U, 31U, 39U, 0xffffffffU}) {
    EXPECT_FALSE(tensor_type_traits(number)) << number;
  }
}

TEST(TensorTypeTest, ReadsEveryHalf) {
  Bytes data;
  for (unsigned half = 0; half <= 0xffff; ++half) put_u16(data, half);
  const std::vector<float> values = decoded(TensorType::f16, data);
  for (unsigned half = 0; half <= 0xffff; ++half) {
    const double expected = testing::from_f16(static_cast<uint16_t>(half));
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(values[half])) << half;
    } else {
      ASSERT_EQ(static_cast<double>(values[half]), expected) << half;
      ASSERT_EQ(std::signbit(values[half]), (half & 0x8000U) != 0) << half;
    }
  }
}

TEST(TensorTypeTest, ReadsEveryBfloat16) {
  Bytes data;
  for (unsigned bits = 0; bits <= 0xffff; ++bits) put_u16(data, bits);
  const std::vector<float> values = decoded(TensorType::bf16, data);
  for (unsigned bits = 0; bits <= 0xffff; ++bits) {
    const double sign = (bits & 0x8000U) != 0 ? -1.0 : 1.0;
    const auto exponent = static_cast<int>(bits >> 7U & 255U);
    const double fraction = bits & 127U;
    if (exponent == 255) {
      ASSERT_EQ(std::isnan(values[bits]), fraction != 0.0) << bits;
      ASSERT_EQ(std::isinf(values[bits]), fraction == 0.0) << bits;
      continue;
    }
    const double expected =
        sign * (exponent == 0 ? std::ldexp(fraction, -133) : std::ldexp(128.0 + fraction, exponent - 134));
    ASSERT_EQ(static_cast<double>(values[bits]), expected) << bits;
  }
}

RC_GTEST_PROP(TensorTypeTest, ReadsFloatsAsTheyAre, ()) {
  const Bytes data = arbitrary_bytes(4 * *rc::gen::inRange<size_t>(0, 20));
  const std::vector<float> values = decoded(TensorType::f32, data);
  RC_ASSERT(std::memcmp(values.data(), data.data(), data.size()) == 0);
}

RC_GTEST_PROP(TensorTypeTest, ReadsQ8AsScaleTimesSignedBytes, ()) {
  const uint16_t scale = arbitrary_half();
  const Bytes levels = arbitrary_bytes(32);
  Bytes data;
  put_u16(data, scale);
  data.insert(data.end(), levels.begin(), levels.end());
  const std::vector<float> values = decoded(TensorType::q8_0, data);
  for (size_t i = 0; i < 32; ++i) {
    const int byte = std::to_integer<int>(levels[i]);
    const double expected = testing::from_f16(scale) * (byte < 128 ? byte : byte - 256);
    RC_ASSERT(static_cast<double>(values[i]) == expected);
  }
}

RC_GTEST_PROP(TensorTypeTest, ReadsQ4WithoutMinimumAsScaleTimesNibbleLessEight, ()) {
  const uint16_t scale = arbitrary_half();
  const Bytes packed = arbitrary_bytes(16);
  Bytes data;
  put_u16(data, scale);
  data.insert(data.end(), packed.begin(), packed.end());
  const std::vector<float> values = decoded(TensorType::q4_0, data);
  for (size_t i = 0; i < 32; ++i) {
    RC_ASSERT(static_cast<double>(values[i]) == testing::from_f16(scale) * (nibble_by_bits(packed, i) - 8));
  }
}

RC_GTEST_PROP(TensorTypeTest, ReadsQ4WithMinimumAsScaleTimesNibblePlusMinimum, ()) {
  const uint16_t scale = arbitrary_half();
  const uint16_t minimum = arbitrary_half();
  const Bytes packed = arbitrary_bytes(16);
  Bytes data;
  put_u16(data, scale);
  put_u16(data, minimum);
  data.insert(data.end(), packed.begin(), packed.end());
  const std::vector<float> values = decoded(TensorType::q4_1, data);
  for (size_t i = 0; i < 32; ++i) {
    const double exact = testing::from_f16(scale) * nibble_by_bits(packed, i) + testing::from_f16(minimum);
    RC_ASSERT(values[i] == static_cast<float>(exact));
  }
}

TEST(TensorTypeTest, ReadsBlocksOneAfterAnother) {
  for (const TensorType type : {TensorType::q8_0, TensorType::q4_0, TensorType::q4_1}) {
    Bytes first = testing::encode(type, std::vector<float>(32, 1.0F));
    const Bytes second = testing::encode(type, std::vector<float>(32, -2.0F));
    first.insert(first.end(), second.begin(), second.end());
    const std::vector<float> values = decoded(type, first);
    for (size_t i = 0; i < 64; ++i)
      EXPECT_NEAR(values[i], i < 32 ? 1.0F : -2.0F, 0.01F) << traits_of(type).name;
  }
}

TEST(TensorTypeTest, RefusesSizesThatDoNotMatch) {
  std::vector<float> out(32);
  const Bytes data(100);
  const auto first = [&](size_t bytes) { return std::span(data).first(bytes); };
  EXPECT_THROW(dequantise(TensorType::q8_0, first(33), out), std::invalid_argument);
  EXPECT_THROW(dequantise(TensorType::q8_0, first(68), out), std::invalid_argument);
  EXPECT_THROW(dequantise(TensorType::q8_0, first(34), std::span(out).first(31)), std::invalid_argument);
  EXPECT_THROW(dequantise(TensorType::f32, first(100), out), std::invalid_argument);
  EXPECT_NO_THROW(dequantise(TensorType::f32, {}, {}));
}

// The encoders that other tests build models with.
TEST(TensorEncoderTest, RoundsHalvesToTheNearestEven) {
  for (unsigned half = 0; half < 0x7c00; ++half) {
    const double value = testing::from_f16(static_cast<uint16_t>(half));
    ASSERT_EQ(testing::to_f16(static_cast<float>(value)), half);
    ASSERT_EQ(testing::to_f16(static_cast<float>(-value)), half | 0x8000U);
    if (half + 1 == 0x7c00) continue;
    const double middle = (value + testing::from_f16(static_cast<uint16_t>(half + 1))) / 2.0;
    ASSERT_EQ(testing::to_f16(static_cast<float>(middle)), half % 2 == 0 ? half : half + 1);
  }
  EXPECT_EQ(testing::to_f16(65519.0F), 0x7bff);
  EXPECT_EQ(testing::to_f16(65520.0F), 0x7c00);
  EXPECT_EQ(testing::to_f16(-INFINITY), 0xfc00);
}

RC_GTEST_PROP(TensorEncoderTest, LosesAtMostHalfAStep, ()) {
  const auto type = *rc::gen::element(TensorType::f16, TensorType::bf16, TensorType::q8_0, TensorType::q4_0,
                                      TensorType::q4_1);
  std::vector<float> values;
  for (const int x : *rc::gen::container<std::vector<int>>(64, rc::gen::inRange(-1000, 1000))) {
    values.push_back(static_cast<float>(x) * 0.01F);
  }
  const std::vector<float> back = decoded(type, testing::encode(type, values));
  for (size_t block = 0; block < 64; block += 32) {
    double largest = 0.0;
    for (size_t i = block; i < block + 32; ++i)
      largest = std::max(largest, std::abs(static_cast<double>(values[i])));
    // Half a step, as a share of the largest value; q4_0 clips what lies opposite the largest.
    const double share = type == TensorType::f16    ? 0x1p-11
                         : type == TensorType::bf16 ? 0x1p-8
                         : type == TensorType::q8_0 ? 0.5 / 127.0
                         : type == TensorType::q4_0 ? 1.0 / 8.0
                                                    : 1.0 / 15.0;
    for (size_t i = block; i < block + 32; ++i) {
      RC_ASSERT(std::abs(static_cast<double>(back[i]) - static_cast<double>(values[i])) <=
                share * largest * 1.02 + 1e-6);
    }
  }
}

}  // namespace
}  // namespace razorscope
