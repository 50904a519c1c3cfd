#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "policies/codecs/codec.hpp"
#include "policies/policy.hpp"

namespace razorscope::testing {

using Row = std::vector<float>;
using Rows = std::vector<Row>;

/// "kivi4/chunk:residual=64", as a policy would name it.
inline std::unique_ptr<const Codec> make_codec(const std::string& text) {
  const Policy policy = Policy::parse("full+" + text);
  const CodecChoice& choice = policy.codec_of(true, false);
  return find_codec("test", choice.name).make(choice.variants, choice.values);
}

/// Rows as keys have them: channels of different size and mean, some outliers, now and then a constant row.
inline Rows random_rows(size_t count, int head_size, std::mt19937& random) {
  std::normal_distribution<float> normal;
  const auto d = static_cast<size_t>(head_size);
  Row means(d);
  Row sizes(d);
  for (float& mean : means) mean = 0.5F * normal(random);
  for (float& size : sizes) size = std::exp(normal(random));
  Rows rows(count, Row(d));
  for (Row& row : rows) {
    const bool constant = random() % 50 == 0;
    for (size_t c = 0; c < d; ++c) row[c] = constant ? means[0] : means[c] + sizes[c] * normal(random);
  }
  return rows;
}

/// A store with a prefix in it.
inline std::unique_ptr<RowStore> fill(const Codec& codec, const Rows& prefix, int head_size, RowRole role,
                                      AllocationCounter& counter) {
  std::unique_ptr<RowStore> store = codec.make_store(head_size, role, counter);
  store->reserve(static_cast<int>(prefix.size()));
  if (store->wants_calibration()) {
    for (const Row& row : prefix) store->calibrate(row.data());
  }
  for (const Row& row : prefix) store->append(row.data());
  store->end_prefix();
  return store;
}

inline Rows read_all(const RowStore& store, int head_size) {
  const auto d = static_cast<size_t>(head_size);
  Row flat(static_cast<size_t>(store.rows()) * d);
  store.read_all(flat.data());
  Rows rows;
  for (size_t begin = 0; begin < flat.size(); begin += d) {
    rows.emplace_back(flat.begin() + static_cast<ptrdiff_t>(begin),
                      flat.begin() + static_cast<ptrdiff_t>(begin + d));
  }
  return rows;
}

}  // namespace razorscope::testing
