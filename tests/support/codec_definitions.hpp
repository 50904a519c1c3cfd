#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

// The codecs' definitions, written out plainly in double precision: what rows must read back as. Scales are
// computed in single precision where the definition says that they are rounded from there.
namespace razorscope::testing {

/// Nearest number of `fraction_bits` bits after the leading one and exponents from `lowest_exponent` on, ties
/// to even.
inline double nearest_float(double x, int fraction_bits, int lowest_exponent, double largest) {
  if (x == 0.0 || !std::isfinite(x)) return x;
  const double step = std::ldexp(1.0, std::max(std::ilogb(x), lowest_exponent) - fraction_bits);
  const double rounded = std::nearbyint(x / step) * step;
  return std::fabs(rounded) > largest ? std::copysign(largest, x) : rounded;
}
inline double nearest_half(double x) { return nearest_float(x, 10, -14, 65504.0); }

/// What a coded element decodes to. An element near the border between two codes may have the other one:
/// arithmetic in single precision tips it over.
struct Coded {
  double value = 0.0;
  double other = 0.0;
};

enum class Grid { q8_0, q4_0, q4_1, int8, four_bits, two_bits };

/// zero + scale·code, where code = round(position).
template <typename Rounding>
Coded on_grid(double scale, double zero, double position, const Rounding& round) {
  constexpr double border = 1e-3;
  const double code = round(position);
  const double above = round(position + border);
  const double below = round(position - border);
  return {zero + scale * code, zero + scale * (above == code ? below : above)};
}

/// The elements that share a scale.
inline std::vector<Coded> define_group(Grid grid, const std::vector<float>& x) {
  const float low = *std::min_element(x.begin(), x.end());
  const float high = *std::max_element(x.begin(), x.end());
  float peak = 0.0F;  // the first element of the largest magnitude
  for (const float value : x) {
    if (std::fabs(value) > std::fabs(peak)) peak = value;
  }
  std::vector<Coded> out;
  const auto quotient = [](double a, double b) { return b == 0.0 ? 0.0 : a / b; };
  const auto add_all = [&](double levels) {  // with scale and zero as stored
    const double scale = nearest_half((high - low) / static_cast<float>(levels));
    const double zero = nearest_half(low);
    for (const float value : x) {
      out.push_back(on_grid(scale, zero, quotient(value - zero, scale), [&](double position) {
        return std::clamp(std::nearbyint(position), 0.0, levels);
      }));
    }
  };
  switch (grid) {
    case Grid::q8_0: {
      const float d = std::fabs(peak) / 127.0F;
      for (const float value : x) {
        out.push_back(on_grid(nearest_half(d), 0.0, quotient(value, d),
                              [](double position) { return std::round(position); }));
      }
      break;
    }
    case Grid::q4_0: {
      const float d = peak / -8.0F;
      for (const float value : x) {
        out.push_back(on_grid(nearest_half(d), 0.0, quotient(value, d), [](double position) {
          return std::clamp(std::floor(position + 8.5), 0.0, 15.0) - 8.0;
        }));
      }
      break;
    }
    case Grid::q4_1: {
      const float d = (high - low) / 15.0F;
      for (const float value : x) {
        out.push_back(
            on_grid(nearest_half(d), nearest_half(low), quotient(static_cast<double>(value) - low, d),
                    [](double position) { return std::clamp(std::floor(position + 0.5), 0.0, 15.0); }));
      }
      break;
    }
    case Grid::int8:
      add_all(255.0);
      break;
    case Grid::four_bits:
      add_all(15.0);
      break;
    case Grid::two_bits:
      add_all(3.0);
      break;
  }
  return out;
}

/// Groups of 32 channels, the last one filled up with zeros.
inline std::vector<Coded> define_blocks(Grid grid, const std::vector<float>& row) {
  std::vector<Coded> out;
  for (size_t begin = 0; begin < row.size(); begin += 32) {
    std::vector<float> block(32);
    std::copy(row.begin() + static_cast<ptrdiff_t>(begin),
              row.begin() + static_cast<ptrdiff_t>(std::min(begin + 32, row.size())), block.begin());
    const std::vector<Coded> coded = define_group(grid, block);
    out.insert(out.end(), coded.begin(), coded.end());
  }
  out.resize(row.size());
  return out;
}

/// A row of a row format; kivi4 and kivi2: of values. `largest`: magnitude in the head's prefix, for
/// fp8-e4m3.
inline std::vector<Coded> define_row(const std::string& codec, const std::vector<float>& row,
                                     float largest = 0.0F) {
  if (codec == "q8_0") return define_blocks(Grid::q8_0, row);
  if (codec == "q4_0") return define_blocks(Grid::q4_0, row);
  if (codec == "q4_1") return define_blocks(Grid::q4_1, row);
  if (codec == "kivi4") return define_blocks(Grid::four_bits, row);
  if (codec == "kivi2") return define_blocks(Grid::two_bits, row);
  if (codec == "int8-token") return define_group(Grid::int8, row);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<Coded> out;
  for (const float x : row) {
    const auto exactly = [&](double value) { out.push_back({value, value}); };
    if (codec == "f32") exactly(x);
    if (codec == "f16") exactly(nearest_float(x, 10, -14, infinity));
    if (codec == "bf16") exactly(nearest_float(x, 7, -126, infinity));
    if (codec == "fp8-e4m3") {
      const float scale = largest > 0.0F ? largest / 448.0F : 1.0F;
      const auto code = [&](double factor) {
        return nearest_float(factor * x / static_cast<double>(scale), 3, -6, 448.0);
      };
      const double other = code(1 + 1e-6) == code(1) ? code(1 - 1e-6) : code(1 + 1e-6);
      out.push_back({code(1) * scale, other * scale});
    }
  }
  return out;
}

/// 32 rows of KIVI's keys, grouped along tokens.
inline std::vector<std::vector<Coded>> define_key_group(Grid grid,
                                                        const std::vector<std::vector<float>>& rows) {
  std::vector<std::vector<Coded>> out(rows.size(), std::vector<Coded>(rows[0].size()));
  for (size_t c = 0; c < rows[0].size(); ++c) {
    std::vector<float> channel;
    for (const std::vector<float>& row : rows) channel.push_back(row[c]);
    const std::vector<Coded> coded = define_group(grid, channel);
    for (size_t t = 0; t < rows.size(); ++t) out[t][c] = coded[t];
  }
  return out;
}

/// Orthonormal Hadamard transform on blocks of the largest power of two that divides the size, by its matrix.
inline std::vector<float> define_hadamard(const std::vector<float>& row) {
  size_t block = 1;
  while (row.size() % (2 * block) == 0) block *= 2;
  std::vector<float> out;
  for (size_t i = 0; i < row.size(); ++i) {
    double sum = 0.0;
    for (size_t j = 0; j < block; ++j) {
      const bool negative = __builtin_parityll(i % block & j) != 0;
      sum += (negative ? -1.0 : 1.0) * static_cast<double>(row[i / block * block + j]);
    }
    out.push_back(static_cast<float>(sum / std::sqrt(static_cast<double>(block))));
  }
  return out;
}

/// Whether a row reads back as defined. `tolerance` is relative to the row's largest element.
inline bool reads_as(const std::vector<float>& read, const std::vector<Coded>& defined,
                     double tolerance = 1e-6) {
  double largest = 0.0;
  for (const Coded& coded : defined)
    largest = std::max({largest, std::fabs(coded.value), std::fabs(coded.other)});
  for (size_t i = 0; i < defined.size(); ++i) {
    const double off = std::min(std::fabs(read[i] - defined[i].value), std::fabs(read[i] - defined[i].other));
    if (!(off <= tolerance * largest)) return false;
  }
  return true;
}

}  // namespace razorscope::testing
