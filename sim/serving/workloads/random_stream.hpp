#pragma once

#include <cstdint>
#include <random>
#include <string_view>

namespace razorscope {

/// A generator of its own for each purpose ("arrivals", "input"), so that what one of them draws leaves the
/// others as they are. The same on every platform, as Boost.Random's distributions over it are; std's are
/// not.
inline std::mt19937_64 random_stream(uint64_t seed, std::string_view purpose) {
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : purpose) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  // SplitMix64's finaliser: near seeds must not give near states.
  uint64_t mixed = hash + 0x9e3779b97f4a7c15ULL * (seed + 1);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return std::mt19937_64(mixed ^ (mixed >> 31));
}

}  // namespace razorscope
