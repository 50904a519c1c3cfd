#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

// The codecs' definitions, written out plainly in double precision: what rows must read back as. Scales are computed in
// single precision where the definition says that they are rounded from there.
namespace razorscope::testing {

/// Nearest number of `fraction_bits` bits after the leading one and exponents from `lowest_exponent` on, ties to even.
inline double nearest_float(double x, int fraction_bits, int lowest_exponent, double largest) {
  if (x == 0.0 || !std::isfinite(x)) return x;
  const double step = std::ldexp(1.0, std::max(std::ilogb(x), lowest_exponent) - fraction_bits);
  const double rounded = std::nearbyint(x / step) * step;
  return std::fabs(rounded) > largest ? std::copysign(largest, x) : rounded;
}
inline double nearest_half(double x) { return nearest_float(x, 10, -14, 65504.0); }

/// A coded element: what it decodes to, and the distance of its neighbours on the grid.
struct Coded {
  double value = 0.0;
  double step = 0.0;
};

enum class Grid { q8_0, q4_0, q4_1, int8, four_bits, two_bits };

/// The elements that share a scale.
inline std::vector<Coded> define_group(Grid grid, const std::vector<float>& x) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  float peak = 0.0F;  // the first element of the largest magnitude
  for (const float value : x) {
    if (std::fabs(value) > std::fabs(peak)) peak = value;
  }
  std::vector<Coded> out;
  const auto add = [&](double scale, double code, double zero) { out.push_back({scale * code + zero, std::fabs(scale)}); };
  const auto add_all = [&](double levels) {  // with scale and zero as stored
    const double scale = nearest_half((*high - *low) / static_cast<float>(levels));
    const double zero = nearest_half(*low);
    for (const float value : x) {
      add(scale, scale == 0.0 ? 0.0 : std::clamp(std::nearbyint((value - zero) / scale), 0.0, levels), zero);
    }
  };
  switch (grid) {
    case Grid::q8_0: {
      const float d = std::fabs(peak) / 127.0F;
      for (const float value : x) add(nearest_half(d), d == 0.0F ? 0.0 : std::round(value / static_cast<double>(d)), 0.0);
      break;
    }
    case Grid::q4_0: {
      const float d = peak / -8.0F;
      for (const float value : x) {
        add(nearest_half(d), d == 0.0F ? 0.0 : std::min(15.0, std::floor(value / static_cast<double>(d) + 8.5)) - 8.0, 0.0);
      }
      break;
    }
    case Grid::q4_1: {
      const float d = (*high - *low) / 15.0F;
      for (const float value : x) {
        const double code = d == 0.0F ? 0.0 : std::min(15.0, std::floor((value - *low) / static_cast<double>(d) + 0.5));
        add(nearest_half(d), code, nearest_half(*low));
      }
      break;
    }
    case Grid::int8: add_all(255.0); break;
    case Grid::four_bits: add_all(15.0); break;
    case Grid::two_bits: add_all(3.0); break;
  }
  return out;
}

/// Groups of 32 channels, the last one filled up with zeros.
inline std::vector<Coded> define_blocks(Grid grid, const std::vector<float>& row) {
  std::vector<Coded> out;
  for (size_t begin = 0; begin < row.size(); begin += 32) {
    std::vector<float> block(32);
    std::copy(row.begin() + static_cast<ptrdiff_t>(begin), row.begin() + static_cast<ptrdiff_t>(std::min(begin + 32, row.size())),
              block.begin());
    const std::vector<Coded> coded = define_group(grid, block);
    out.insert(out.end(), coded.begin(), coded.end());
  }
  out.resize(row.size());
  return out;
}

/// A row of a row format; kivi4 and kivi2: of values. `largest`: magnitude in the head's prefix, for fp8-e4m3.
inline std::vector<Coded> define_row(const std::string& codec, const std::vector<float>& row, float largest = 0.0F) {
  if (codec == "q8_0") return define_blocks(Grid::q8_0, row);
  if (codec == "q4_0") return define_blocks(Grid::q4_0, row);
  if (codec == "q4_1") return define_blocks(Grid::q4_1, row);
  if (codec == "kivi4") return define_blocks(Grid::four_bits, row);
  if (codec == "kivi2") return define_blocks(Grid::two_bits, row);
  if (codec == "int8-token") return define_group(Grid::int8, row);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<Coded> out;
  for (const float x : row) {
    if (codec == "f32") out.push_back({x, 0.0});
    if (codec == "f16") out.push_back({nearest_float(x, 10, -14, infinity), 0.0});
    if (codec == "bf16") out.push_back({nearest_float(x, 7, -126, infinity), 0.0});
    if (codec == "fp8-e4m3") {
      const float scale = largest > 0.0F ? largest / 448.0F : 1.0F;
      const double code = nearest_float(x / static_cast<double>(scale), 3, -6, 448.0);
      const int exponent = code == 0.0 ? -6 : std::max(std::ilogb(code), -6);
      out.push_back({code * scale, std::ldexp(static_cast<double>(scale), exponent - 3)});
    }
  }
  return out;
}

/// 32 rows of KIVI's keys, grouped along tokens.
inline std::vector<std::vector<Coded>> define_key_group(Grid grid, const std::vector<std::vector<float>>& rows) {
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

/// Whether a row reads back as defined. An element on the border between two codes may have either: then it is as far off
/// as the definition is. `tolerance` is relative to the row's largest magnitude.
inline bool reads_as(const std::vector<float>& read, const std::vector<float>& row, const std::vector<Coded>& defined,
                     double tolerance = 2e-6) {
  double largest = 0.0;
  for (size_t i = 0; i < row.size(); ++i) largest = std::max({largest, std::fabs(static_cast<double>(row[i])), std::fabs(defined[i].value)});
  for (size_t i = 0; i < row.size(); ++i) {
    if (static_cast<double>(read[i]) == defined[i].value) continue;
    if (defined[i].step == 0.0 && tolerance < 1e-5) {
      if (std::fabs(read[i] - defined[i].value) > 1e-7 * largest) return false;
      continue;
    }
    const double slack = tolerance * largest;
    const double error = std::fabs(static_cast<double>(row[i]) - static_cast<double>(read[i]));
    const double defined_error = std::fabs(static_cast<double>(row[i]) - defined[i].value);
    if (!(std::fabs(error - defined_error) <= slack)) return false;
    if (!(std::fabs(read[i] - defined[i].value) <= defined[i].step + slack)) return false;
  }
  return true;
}

}  // namespace razorscope::testing
