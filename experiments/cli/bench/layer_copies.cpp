#include "experiments/cli/bench/layer_copies.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <random>

#include "experiments/cli/bench/timing.hpp"
#include "models/base/error.hpp"
#include "models/base/machine.hpp"

namespace razorscope::cli {
namespace {

// razor as the comparison has it: this share of the heads is kept whole, the others keep a fifth.
constexpr double full_heads = 0.15;
constexpr double kept_elsewhere = 0.2;

/// Keys or values of one head of normal random rows, coded as a cache would.
std::unique_ptr<RowStore> coded_rows(const Codec& codec, RowRole role, const LayerSize& size, uint64_t seed,
                                     AllocationCounter& counter) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  std::normal_distribution<float> normal;
  const auto width = static_cast<size_t>(size.head_size);
  std::vector<float> rows(static_cast<size_t>(size.tokens) * width);
  for (float& x : rows) x = normal(random);
  std::unique_ptr<RowStore> store = codec.make_store(size.head_size, role, counter);
  store->reserve(size.tokens);
  for (size_t at = 0; at < rows.size() && store->wants_calibration(); at += width)
    store->calibrate(rows.data() + at);
  for (size_t at = 0; at < rows.size(); at += width) store->append(rows.data() + at);
  store->end_prefix();
  return store;
}

/// The codec without a residual window, so that all rows are read as codes.
std::unique_ptr<const Codec> codec_named(const std::string& where, const std::string& name) {
  const CodecEntry& entry = find_codec(where, name);
  std::vector<std::pair<std::string, std::string>> given;
  for (const Parameter& parameter : entry.parameters) {
    if (parameter.name == "residual") given.emplace_back("residual", "0");
  }
  return entry.make({}, complete_parameters(where, entry.name, "", entry.parameters, given));
}

size_t bytes_of(const RowSegment& segment) {
  const bool groups = segment.format == RowFormat::kivi4_keys || segment.format == RowFormat::kivi2_keys;
  return segment.stride * static_cast<size_t>(groups ? segment.rows / 32 : segment.rows);
}

/// The first rows of a store at the front of `memory`, which is shortened by them; nullopt where they don't
/// fit.
std::optional<RowSegment> copy_rows(const RowStore& store, int rows, std::span<std::byte>& memory) {
  RowSegment segment = (*store.kernel_rows())[0];
  segment.rows = std::min(rows, segment.rows);
  const size_t bytes = bytes_of(segment);
  // Apart by more than a page's multiple, as allocations are, so that streams don't meet in the same sets.
  const size_t step = (bytes + 63) / 64 * 64 + 2112;
  if (step > memory.size()) return std::nullopt;
  std::memcpy(memory.data(), segment.data, bytes);
  segment.data = memory.data();
  memory = memory.subspan(step);
  return segment;
}

}  // namespace

LayerCopies::LayerCopies(const LayerSize& size, const std::string& codec, const std::string& where,
                         uint64_t seed, std::span<std::byte> memory)
    : size_(size) {
  AllocationCounter counter;
  const std::unique_ptr<const Codec> rows = codec_named(where, codec);
  const std::unique_ptr<RowStore> keys = coded_rows(*rows, RowRole::keys, size, seed, counter);
  const std::unique_ptr<RowStore> values = coded_rows(*rows, RowRole::values, size, seed, counter);
  queries_.resize(static_cast<size_t>(size.kv_heads) * static_cast<size_t>(size.group) *
                  static_cast<size_t>(size.head_size));
  out_.resize(queries_.size());
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed + 1));
  std::normal_distribution<float> normal;
  for (float& x : queries_) x = normal(random);
  const size_t all = memory.size();
  while (true) {
    std::vector<AttentionJob> layer = copy_layer(*keys, *values, memory);
    if (layer.empty()) break;
    copies_.push_back(std::move(layer));
  }
  if (copies_.empty())
    throw InputError("--tokens", fmt::format("a layer of {} tokens does not fit into {}", size.tokens,
                                             format_bytes(static_cast<double>(all))));
  for (const AttentionJob& job : copies_.front())
    bytes_ += static_cast<double>(bytes_of(job.head.keys[0]) + bytes_of(job.head.values[0]));
}

/// Empty where it does not fit whole.
std::vector<AttentionJob> LayerCopies::copy_layer(const RowStore& keys, const RowStore& values,
                                                  std::span<std::byte>& memory) {
  std::vector<AttentionJob> layer;
  for (int h = 0; h < size_.kv_heads; ++h) {
    AttentionJob& job = layer.emplace_back();
    job.head.head_size = size_.head_size;
    job.head.slots = slots_of(h);
    const std::optional<RowSegment> k = copy_rows(keys, job.head.slots, memory);
    const std::optional<RowSegment> v = copy_rows(values, job.head.slots, memory);
    if (!k || !v) return {};
    job.head.keys = *k;
    job.head.values = *v;
    const size_t first = static_cast<size_t>(h * size_.group) * static_cast<size_t>(size_.head_size);
    job.query.group = size_.group;
    job.query.q = queries_.data() + first;
    job.query.byte_products = size_.byte_products;
    job.query.scale = 1.0F / std::sqrt(static_cast<float>(size_.head_size));
    job.output.out = out_.data() + first;
  }
  return layer;
}

double LayerCopies::seconds() {
  const std::vector<AttentionJob>& layer = copies_[next_++ % copies_.size()];
  return seconds_of([&] { attend_heads(layer); });
}

double LayerCopies::mean_seconds() {
  const size_t passes = std::clamp<size_t>(copies_.size(), 1, 16);
  double total = 0.0;
  for (size_t i = 0; i < passes; ++i) total += seconds();
  return total / static_cast<double>(passes);
}

int LayerCopies::slots_of(int head) const {
  if (!size_.razor) return size_.tokens;
  const int whole = std::max(1, static_cast<int>(std::lround(full_heads * size_.kv_heads)));
  return head < whole ? size_.tokens : static_cast<int>(kept_elsewhere * size_.tokens) / 32 * 32;
}

}  // namespace razorscope::cli
