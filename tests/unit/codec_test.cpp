#include "policies/codecs/codec.hpp"

#include <array>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <rapidcheck/gtest.h>

#include "models/base/error.hpp"
#include "models/base/half.hpp"
#include "policies/codecs/rounding.hpp"
#include "policies/codecs/row_codec.hpp"
#include "policies/kernels/hadamard.hpp"
#include "policies/kernels/stored_element.hpp"
#include "tests/support/codec_definitions.hpp"
#include "tests/support/codec_store.hpp"

namespace razorscope {
namespace {

using namespace razorscope::testing;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

const std::vector<std::string> row_formats = {"f32",  "f16",  "bf16",       "q8_0",
                                              "q4_0", "q4_1", "int8-token", "fp8-e4m3"};
const std::vector<int> head_sizes = {8, 32, 40, 64, 80, 96, 128};

// What a row is stored as, byte by byte.
std::vector<unsigned> stored_bytes(const std::string& codec, const Row& row, float head_scale = 1.0F) {
  const std::unique_ptr<const Codec> made = make_codec(codec);
  const RowFormatCodec& format = dynamic_cast<const RowCodec&>(*made).format();
  const auto head_size = static_cast<int>(row.size());
  std::vector<std::byte> bytes(format.row_bytes(head_size));
  format.encode(row.data(), head_size, head_scale, bytes.data());
  std::vector<unsigned> out;
  for (const std::byte byte : bytes) out.push_back(static_cast<unsigned>(byte));
  return out;
}

// A row by itself in a store: coded, as the last of a prefix without a residual.
Row round_trip(const std::string& codec, const Row& row, RowRole role = RowRole::values) {
  AllocationCounter counter;
  const bool kivi = codec.starts_with("kivi");
  const std::unique_ptr<const Codec> made = make_codec(kivi ? codec + ":residual=0" : codec);
  const auto head_size = static_cast<int>(row.size());
  return read_all(*fill(*made, Rows(kivi && role == RowRole::keys ? 32 : 1, row), head_size, role, counter),
                  head_size)[0];
}

Row block_of(std::initializer_list<float> first) {
  Row block(first);
  block.resize(32);
  return block;
}

std::vector<unsigned> bytes_of(std::initializer_list<unsigned> first, size_t size, unsigned rest) {
  std::vector<unsigned> bytes(first);
  bytes.resize(size, rest);
  return bytes;
}

TEST(Rounding, HalvesWidenAsTheFormatSays) {
  for (unsigned bits = 0; bits <= 0xffff; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    float expected = 0.0F;
    load_half(reinterpret_cast<const std::byte*>(&half), 1, &expected);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(half_to_float(half))) << bits;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(half_to_float(half)), std::bit_cast<uint32_t>(expected)) << bits;
    }
  }
}

TEST(Rounding, HalvesSaturate) {
  EXPECT_EQ(saturated_half(65504.0F), 0x7bff);
  EXPECT_EQ(saturated_half(65536.0F), 0x7bff);
  EXPECT_EQ(saturated_half(-std::numeric_limits<float>::infinity()), 0xfbff);
  EXPECT_EQ(saturated_half(-0.0F), 0x8000);
  EXPECT_EQ(saturated_half(1.0F), 0x3c00);
  EXPECT_EQ(saturated_half(0x1p-24F), 0x0001);
  EXPECT_EQ(saturated_half(0x1p-25F), 0x0000);  // a tie, to even
}

TEST(Rounding, TiesAwayAndToEven) {
  for (const float x :
       {0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F, 0.49999997F, -0.49999997F, 126.5F, -127.0F, 0.0F, -0.0F}) {
    EXPECT_EQ(round_half_away(x), static_cast<int>(std::round(x))) << x;
    EXPECT_EQ(round_half_even(x), std::nearbyint(x)) << x;
  }
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-300.0F, 300.0F);
  for (int i = 0; i < 10000; ++i) {
    const float x = uniform(random);
    EXPECT_EQ(round_half_away(x), static_cast<int>(std::round(x))) << x;
    EXPECT_EQ(round_half_even(x), std::nearbyint(x)) << x;
  }
}

TEST(Codec, Q8LiesAsInGgml) {
  // d = 254 / 127 = 2; 3 and 1 are ties, away from zero; 0.98 is less than half a step.
  const Row row = block_of({254, -254, 3, -3, 1, -1, 0.98F, 100});
  EXPECT_THAT(stored_bytes("q8_0", row),
              ElementsAreArray(bytes_of({0x00, 0x40, 127, 129, 2, 254, 1, 255, 0, 50}, 34, 0)));
}

TEST(Codec, Q4LiesAsInGgml) {
  // The peak is negative: d = 1, and 7.5 rounds up to 15 - 8. Byte i: element i low, element 16 + i high.
  Row row = block_of({-8, 7.5F, 0, 1, -0.5F, 0.49F});
  row[16] = 2;
  row[17] = -3;
  EXPECT_THAT(stored_bytes("q4_0", row),
              ElementsAreArray(bytes_of({0x00, 0x3c, 0xa0, 0x5f, 0x88, 0x89, 0x88, 0x88}, 18, 0x88)));
  // The peak is positive: d = -1; -8 would be code 16 and becomes 15.
  row = block_of({8, -8, 4});
  row[31] = -7;
  std::vector<unsigned> expected = bytes_of({0x00, 0xbc, 0x80, 0x8f, 0x84}, 18, 0x88);
  expected[17] = 0xf8;
  EXPECT_THAT(stored_bytes("q4_0", row), ElementsAreArray(expected));
  // Of two peaks the first counts.
  EXPECT_THAT(stored_bytes("q4_0", block_of({-8, 8})),
              ElementsAreArray(bytes_of({0x00, 0x3c, 0x80, 0x8f}, 18, 0x88)));
}

TEST(Codec, Q4WithMinimumLiesAsInGgml) {
  // Minimum -1, d = 15 / 15 = 1. Half a step rounds up.
  Row row(32, -1.0F);
  row[0] = 14;
  row[1] = 0;
  row[2] = 1.5F;
  row[16] = 5;
  row[31] = 13.4F;
  std::vector<unsigned> expected = bytes_of({0x00, 0x3c, 0x00, 0xbc, 0x6f, 0x01, 0x03}, 20, 0x00);
  expected[19] = 0xe0;
  EXPECT_THAT(stored_bytes("q4_1", row), ElementsAreArray(expected));
}

TEST(Codec, OtherRowFormatsLieAsDocumented) {
  // scale (255 - 0) / 255 = 1, zero 0, codes; 2.5 and 3.5 are ties, to even.
  EXPECT_THAT(stored_bytes("int8-token", {0, 255, 2.5F, 3.5F}),
              ElementsAre(0x00, 0x3c, 0x00, 0x00, 0, 255, 2, 4));
  // The lower half of the float is more than, exactly, exactly half a unit: up, to even, to even.
  const auto value = [](uint32_t bits) { return std::bit_cast<float>(bits); };
  EXPECT_THAT(stored_bytes("bf16", {value(0x3f808001), value(0x3f808000), value(0x3f818000)}),
              ElementsAre(0x81, 0x3f, 0x80, 0x3f, 0x82, 0x3f));
  EXPECT_TRUE(std::isnan(round_trip("bf16", {std::numeric_limits<float>::quiet_NaN()})[0]));
  // 448, saturation, 17 and 19 as ties to even, -1, the smallest normal and subnormal numbers, half of that,
  // -0.
  EXPECT_THAT(stored_bytes("fp8-e4m3", {448, 1000, -1000, 17, 19, -1, 0x1p-6F, 0x1p-9F, 0x1p-10F, -0.0F}),
              ElementsAre(0x7e, 0x7e, 0xfe, 0x58, 0x5a, 0xb8, 0x08, 0x01, 0x00, 0x80));
  EXPECT_THAT(stored_bytes("fp8-e4m3", {20}, 2.0F), ElementsAre(0x52));
}

TEST(Codec, ZerosAreZeros) {
  for (const int head_size : head_sizes) {
    for (const float zero : {0.0F, -0.0F}) {
      const Row row(static_cast<size_t>(head_size), zero);
      for (const CodecEntry& codec : codec_registry()) {
        EXPECT_THAT(round_trip(codec.name, row), Each(0.0F)) << codec.name;
        EXPECT_THAT(round_trip(codec.name, row, RowRole::keys), Each(0.0F)) << codec.name;
      }
    }
  }
  // As in ggml, the scale 0 / -8 of q4_0 is -0.
  EXPECT_THAT(stored_bytes("q4_0", Row(32)), ElementsAreArray(bytes_of({0x00, 0x80}, 18, 0x88)));
  EXPECT_THAT(stored_bytes("q8_0", Row(32)), Each(0U));
  EXPECT_THAT(stored_bytes("q4_1", Row(32)), Each(0U));
}

TEST(Codec, ConstantsComeBack) {
  for (const float constant : {3.0F, -0.625F, 1000.0F}) {
    for (const CodecEntry& codec : codec_registry()) {
      for (const RowRole role : {RowRole::keys, RowRole::values}) {
        // Of head size 64: a padded block is not constant. Powers of two times 127 or 448 have exact scales.
        EXPECT_THAT(round_trip(codec.name, Row(64, constant), role),
                    Each(::testing::FloatNear(constant, 5e-4F * std::fabs(constant))))
            << codec.name;
      }
    }
  }
  // With a scale of 0 a group is its zero, and all codes are 0.
  EXPECT_THAT(stored_bytes("int8-token", Row(4, 0.1F)), ElementsAre(0x00, 0x00, 0x66, 0x2e, 0, 0, 0, 0));
  EXPECT_THAT(round_trip("kivi2", Row(64, 0.1F)), Each(round_to_half(0.1F)));
  EXPECT_THAT(round_trip("kivi2", Row(64, 0.1F), RowRole::keys), Each(round_to_half(0.1F)));
}

// What is too small for a half-precision scale reads as (nearly) zero, never as NaN.
TEST(Codec, DenormalNumbersBecomeSmallOnes) {
  for (const float tiny : {1e-45F, 1e-40F, 1e-38F, 1e-20F}) {
    Row row(64, tiny);
    row[1] = -tiny;
    row[2] = 0.0F;
    for (const CodecEntry& codec : codec_registry()) {
      for (const RowRole role : {RowRole::keys, RowRole::values}) {
        for (const float x : round_trip(codec.name, row, role))
          EXPECT_LE(std::fabs(x), 1.01F * tiny) << codec.name;
      }
    }
  }
}

// What is too large for a half-precision scale saturates: a block shrinks as a whole, and stays finite.
TEST(Codec, HugeNumbersSaturate) {
  for (const float huge : {1e6F, 1e9F, std::numeric_limits<float>::max()}) {
    Row row(64, 0.0F);
    row[0] = huge;
    row[1] = -huge;
    row[2] = huge / 2;
    for (const CodecEntry& codec : codec_registry()) {
      if (codec.name == "f16") continue;  // infinite, as the format says
      if (codec.name == "bf16" && huge > 1e38F) continue;
      for (const RowRole role : {RowRole::keys, RowRole::values}) {
        const Row read = round_trip(codec.name, row, role);
        EXPECT_TRUE(std::all_of(read.begin(), read.end(), [](float x) { return std::isfinite(x); }))
            << codec.name;
        EXPECT_GE(read[0], read[2]) << codec.name;
        EXPECT_GE(read[2], read[1]) << codec.name;
      }
    }
  }
  Row row = block_of({std::numeric_limits<float>::max(), -1e38F});
  EXPECT_EQ(round_trip("q8_0", row)[0], 127.0F * 65504.0F);
  EXPECT_EQ(round_trip("q4_0", row)[0], 8.0F * 65504.0F);
  // NaN and infinity, which no head should have, do no harm beyond their own block.
  row = Row(64, 1.0F);
  row[3] = std::numeric_limits<float>::quiet_NaN();
  row[4] = -std::numeric_limits<float>::infinity();
  for (const std::string codec : {"q8_0", "q4_0", "q4_1", "kivi4", "kivi2"}) {
    const Row read = round_trip(codec, row);
    EXPECT_THAT(Row(read.begin() + 32, read.end()), Each(::testing::FloatNear(1.0F, 1e-3F))) << codec;
    EXPECT_TRUE(std::all_of(read.begin(), read.end(), [](float x) { return std::isfinite(x); })) << codec;
  }
}

RC_GTEST_PROP(Codec, RowsReadAsDefined, ()) {
  const auto codec = *rc::gen::elementOf(row_formats);
  const auto head_size = *rc::gen::elementOf(head_sizes);
  std::mt19937 random(*rc::gen::arbitrary<unsigned>());
  const Rows rows = random_rows(4, head_size, random);
  AllocationCounter counter;
  const std::unique_ptr<const Codec> made = make_codec(codec);
  const std::unique_ptr<RowStore> store = fill(*made, rows, head_size, RowRole::keys, counter);
  float largest = 0.0F;
  for (const Row& row : rows) {
    for (const float x : row) largest = std::max(largest, std::fabs(x));
  }
  const Rows read = read_all(*store, head_size);
  for (size_t i = 0; i < rows.size(); ++i) RC_ASSERT(reads_as(read[i], define_row(codec, rows[i], largest)));
}

// |x - decoded| <= half a step of the grid, and what rounding scale and zero to half precision adds.
RC_GTEST_PROP(Codec, ErrorsStayWithinHalfAStep, ()) {
  struct Bound {
    std::string codec;
    double levels;
    bool has_zero;
  };
  const auto bound = *rc::gen::elementOf(std::vector<Bound>{{"q8_0", 254, false},
                                                            {"q4_0", 16, false},
                                                            {"q4_1", 15, true},
                                                            {"kivi4", 15, true},
                                                            {"kivi2", 3, true},
                                                            {"int8-token", 255, true}});
  const auto head_size = *rc::gen::elementOf(std::vector<int>{32, 64, 96, 128});
  std::mt19937 random(*rc::gen::arbitrary<unsigned>());
  const Row row = random_rows(1, head_size, random)[0];
  const Row read = round_trip(bound.codec, row);
  const size_t group = bound.codec == "int8-token" ? row.size() : 32;
  for (size_t i = 0; i < row.size(); ++i) {
    const auto begin = row.begin() + static_cast<ptrdiff_t>(i / group * group);
    const auto [low, high] = std::minmax_element(begin, begin + static_cast<ptrdiff_t>(group));
    const double magnitude = std::max(std::fabs(*low), std::fabs(*high));
    const double range = bound.has_zero ? static_cast<double>(*high) - *low : 2 * magnitude;
    const double step = range / bound.levels;
    double allowed = 0.5 * step + (range + (bound.has_zero ? magnitude : 0.0)) * 0x1p-11 + 1e-6;
    // q4_0 has no code for what is as large as the peak, with the other sign.
    const bool beyond = bound.codec == "q4_0" && std::fabs(row[i]) > 7.5 * step - 1e-6;
    if (beyond) allowed += 0.5 * step;
    RC_ASSERT(std::fabs(static_cast<double>(row[i]) - read[i]) <= allowed);
  }
}

TEST(Codec, Fp8SaturatesAfterItsPrefix) {
  AllocationCounter counter;
  const std::unique_ptr<const Codec> codec = make_codec("fp8-e4m3");
  const std::unique_ptr<RowStore> store =
      fill(*codec, {Row(8, -448.0F), Row(8, 3.0F)}, 8, RowRole::keys, counter);
  store->append(Row(8, 1e6F).data());
  EXPECT_THAT(read_all(*store, 8), ElementsAre(Each(-448.0F), Each(3.0F), Each(448.0F)));
  // A prefix of zeros says nothing about a scale: 1.
  const std::unique_ptr<RowStore> zeros = fill(*codec, {Row(8, 0.0F)}, 8, RowRole::keys, counter);
  zeros->append(Row(8, 2.0F).data());
  EXPECT_THAT(read_all(*zeros, 8), ElementsAre(Each(0.0F), Each(2.0F)));
}

TEST(Codec, HadamardIsTheTransformOfItsMatrix) {
  std::mt19937 random(5);
  for (const int head_size : {1, 2, 4, 7, 8, 12, 40, 64, 80, 96, 128, 256}) {
    const Row row = random_rows(1, head_size, random)[0];
    Row transformed = row;
    hadamard(transformed.data(), head_size);
    EXPECT_THAT(transformed, ::testing::Pointwise(::testing::FloatNear(1e-5F), define_hadamard(row)))
        << head_size;
    hadamard(transformed.data(), head_size);
    EXPECT_THAT(transformed, ::testing::Pointwise(::testing::FloatNear(1e-5F), row)) << head_size;
  }
}

TEST(Codec, BitsPerElement) {
  struct Case {
    std::string codec;
    double whole;         // head sizes 32, 64, 96, 128
    double d80, d40, d8;  // padded to 96, 64 and 32
  };
  const std::vector<Case> cases = {
      {"f32", 32, 32, 32, 32},       {"f16", 16, 16, 16, 16},     {"bf16", 16, 16, 16, 16},
      {"q8_0", 8.5, 10.2, 13.6, 34}, {"q4_0", 4.5, 5.4, 7.2, 18}, {"q4_1", 5, 6, 8, 20},
      {"kivi4", 5, 5, 5, 5},         {"kivi2", 3, 3, 3, 3},       {"fp8-e4m3", 8, 8, 8, 8},
  };
  for (const Case& c : cases) {
    const std::unique_ptr<const Codec> codec = make_codec(c.codec);
    for (const int head_size : {32, 64, 96, 128})
      EXPECT_DOUBLE_EQ(codec->bits_per_element(head_size), c.whole) << c.codec;
    EXPECT_DOUBLE_EQ(codec->bits_per_element(80), c.d80) << c.codec;
    EXPECT_DOUBLE_EQ(codec->bits_per_element(40), c.d40) << c.codec;
    EXPECT_DOUBLE_EQ(codec->bits_per_element(8), c.d8) << c.codec;
  }
  for (const int head_size : head_sizes)
    EXPECT_DOUBLE_EQ(make_codec("int8-token")->bits_per_element(head_size), 8 + 32.0 / head_size);
}

TEST(Codec, LogicalBytesAreThoseBits) {
  constexpr int tokens = 96;
  for (const CodecEntry& entry : codec_registry()) {
    for (const int head_size : {32, 64, 128}) {
      for (const RowRole role : {RowRole::keys, RowRole::values}) {
        AllocationCounter counter;
        const std::unique_ptr<const Codec> codec =
            make_codec(entry.name.starts_with("kivi") ? entry.name + ":residual=0" : entry.name);
        const std::unique_ptr<RowStore> store =
            fill(*codec, Rows(tokens, Row(static_cast<size_t>(head_size), 1.0F)), head_size, role, counter);
        const double bits =
            codec->bits_per_element(head_size) * tokens * head_size + (entry.name == "fp8-e4m3" ? 32 : 0);
        EXPECT_DOUBLE_EQ(8.0 * static_cast<double>(store->bytes().logical()), bits) << entry.name;
        EXPECT_EQ(store->bytes().residual, 0U);
      }
    }
  }
}

TEST(Codec, EffectiveBitsOfKivi) {
  std::mt19937 random(2);
  const auto bits = [&](const std::string& name, int tokens) {
    AllocationCounter counter;
    const std::unique_ptr<const Codec> codec = make_codec(name);
    const Rows rows = random_rows(static_cast<size_t>(tokens), 64, random);
    return effective_bits(fill(*codec, rows, 64, RowRole::keys, counter)->bytes(),
                          fill(*codec, rows, 64, RowRole::values, counter)->bytes(), tokens, 64);
  };
  EXPECT_NEAR(bits("kivi4", 768), 6.83, 0.005);
  EXPECT_NEAR(bits("kivi4/prefix", 768), 6.83, 0.005);
  EXPECT_NEAR(bits("kivi4", 2048), 5.69, 0.005);
  // Of the 768, chunks leave no key in f16.
  EXPECT_DOUBLE_EQ(bits("kivi4/chunk", 768), (5.0 + 41.0 / 6.0) / 2.0);
}

TEST(Codec, PredictsItsAllocation) {
  std::mt19937 random(3);
  for (const CodecEntry& entry : codec_registry()) {
    std::vector<std::string> names = {entry.name};
    for (const std::string& variant : entry.variants) names.push_back(entry.name + "/" + variant);
    if (entry.variants.size() == 2) names.push_back(entry.name + "/chunk/prefix");
    const bool has_residual = entry.parameters.size() > 0;
    for (const std::string& name : names) {
      for (const std::string residual : {"0", "32", "37", "128"}) {
        if (!has_residual && residual != "0") continue;
        if (name.find("chunk") != std::string::npos && (residual == "0" || residual == "37")) continue;
        const std::unique_ptr<const Codec> codec =
            make_codec(has_residual ? name + ":residual=" + residual : name);
        for (const int head_size : {8, 64, 80}) {
          for (const int tokens : {0, 1, 15, 16, 31, 32, 33, 127, 128, 160, 161, 300}) {
            for (const RowRole role : {RowRole::keys, RowRole::values}) {
              AllocationCounter counter;
              const Rows rows = random_rows(static_cast<size_t>(tokens), head_size, random);
              const std::unique_ptr<RowStore> store = fill(*codec, rows, head_size, role, counter);
              EXPECT_EQ(store->bytes().allocated, codec->allocated_bytes(tokens, head_size, role))
                  << name << " " << tokens;
              EXPECT_EQ(store->bytes().allocated, counter.live()) << name << " " << tokens;
              EXPECT_LE(store->bytes().logical(), store->bytes().allocated) << name << " " << tokens;
            }
          }
        }
      }
    }
  }
}

TEST(Codec, ChunksAreWholeGroups) {
  EXPECT_NO_THROW(make_codec("kivi4/chunk:residual=96"));
  for (const std::string residual : {"0", "40"}) {
    try {
      make_codec("kivi2/chunk/prefix:residual=" + residual);
      FAIL() << residual;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("codec kivi2/chunk: residual: " + residual +
                                          " is no multiple of the group of 32 tokens"));
    }
  }
}

/// What kernels would read of a segment's rows, [segment.rows, head_size].
Rows stored_rows(const RowSegment& segment, int head_size) {
  Rows rows;
  for (int row = 0; row < segment.rows; ++row) {
    Row& out = rows.emplace_back();
    for (int i = 0; i < head_size; ++i)
      out.push_back(static_cast<float>(stored_element(segment, head_size, row, i)));
    if (segment.rotated) hadamard(out.data(), head_size);
  }
  return rows;
}

TEST(Codec, KernelsReadWhatTheStoreReads) {
  constexpr int head_size = 64;
  AllocationCounter counter;
  Rows exact;
  for (int t = 0; t < 200; ++t) {
    Row& row = exact.emplace_back();
    for (int i = 0; i < head_size; ++i)
      row.push_back(std::sin(0.37F * static_cast<float>(t * head_size + i)));
  }
  for (const std::string name : {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "int8-token", "fp8-e4m3",
                                 "kivi4", "kivi2", "kivi4/chunk", "kivi4/prefix", "q4_0:residual=40",
                                 "q8_0/prefix", "q4_0:residual=16,rotate=yes", "bf16:residual=4"}) {
    const std::unique_ptr<const Codec> codec = make_codec(name);
    for (const RowRole role : {RowRole::keys, RowRole::values}) {
      SCOPED_TRACE(name);
      const std::unique_ptr<RowStore> store = fill(*codec, exact, head_size, role, counter);
      for (int t = 0; t < 50; ++t) store->append(exact[static_cast<size_t>(t)].data());
      const std::optional<RowSegments> segments = store->kernel_rows();
      ASSERT_TRUE(segments.has_value());
      ASSERT_EQ(segments->rows(), store->rows());
      const Rows read = read_all(*store, head_size);
      size_t slot = 0;
      for (int s = 0; s < segments->count(); ++s) {
        for (const Row& row : stored_rows((*segments)[s], head_size)) {
          for (size_t i = 0; i < row.size(); ++i)
            ASSERT_NEAR(row[i], read[slot][i], 1e-6) << slot << ' ' << i;
          ++slot;
        }
      }
    }
  }
}

TEST(Codec, KiviGroupsWithDeadSlotsAreReadDecoded) {
  AllocationCounter counter;
  const std::unique_ptr<const Codec> codec = make_codec("kivi4:residual=0");
  const std::unique_ptr<RowStore> store = fill(*codec, Rows(320, Row(8)), 8, RowRole::keys, counter);
  EXPECT_TRUE(store->kernel_rows().has_value());
  store->remove(5, 5);
  EXPECT_FALSE(store->kernel_rows().has_value());
}

}  // namespace
}  // namespace razorscope
