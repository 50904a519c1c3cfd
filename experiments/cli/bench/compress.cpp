#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fmt/format.h>
#include <malloc.h>
#include <random>

#include "experiments/cli/bench/bench.hpp"
#include "experiments/cli/bench/command.hpp"
#include "experiments/cli/bench/limits.hpp"
#include "experiments/cli/bench/rows.hpp"
#include "experiments/cli/bench/timing.hpp"
#include "experiments/cli/options.hpp"
#include "policies/cache/head_cache.hpp"
#include "policies/policy.hpp"

namespace razorscope::cli {
namespace {

struct Options {
  CommonOptions common;
  int tokens = 32768;
  int heads = 8;
  int head_size = 128;
  double full_heads = 0.15;
  double keep = 0.2;
  std::string codecs = "f16,bf16,q8_0,q4_0,kivi4";
  int layers = 0;  // 0: as many as no cache holds
  int repeats = 5;
};

constexpr int sinks = 4;

/// What a prefill left: f16 keys and values of every layer, a head's tokens side by side.
class Prefix {
 public:
  explicit Prefix(const Options& options)
      : tokens_(static_cast<size_t>(options.tokens)), row_bytes_(2 * static_cast<size_t>(options.head_size)) {
    const size_t layer = 2 * static_cast<size_t>(options.heads) * head_bytes();
    const size_t enough = (more_than_caches_hold() + layer - 1) / layer;
    const size_t layers = options.layers > 0 ? static_cast<size_t>(options.layers) : enough;
    heads_ = layers * static_cast<size_t>(options.heads);
    memory_ = Floats(layers * layer / sizeof(float));
    std::mt19937 random(static_cast<std::mt19937::result_type>(options.common.seed));
    auto* halves = reinterpret_cast<uint16_t*>(memory_.data());
    std::vector<uint16_t> numbers(size_t{1} << 16U);
    // Any sign and fraction, exponents that make magnitudes of 1/8 to 2.
    for (uint16_t& half : numbers) half = static_cast<uint16_t>(0x3000U + (random() & 0x8fffU));
    const size_t count = layers * layer / sizeof(uint16_t);
    for (size_t begin = 0; begin < count; begin += numbers.size())
      std::copy_n(numbers.data(), std::min(numbers.size(), count - begin), halves + begin);
  }

  size_t heads() const { return heads_; }
  SourceRows keys(size_t head) const { return rows(2 * head); }
  SourceRows values(size_t head) const { return rows(2 * head + 1); }
  /// Of a token's key and value.
  double token_bytes() const { return 2.0 * static_cast<double>(row_bytes_); }

 private:
  size_t head_bytes() const { return tokens_ * row_bytes_; }
  SourceRows rows(size_t index) const {
    return {RowFormat::f16, reinterpret_cast<const std::byte*>(memory_.data()) + index * head_bytes(),
            row_bytes_};
  }

  size_t tokens_;
  size_t row_bytes_;
  size_t heads_ = 0;
  Floats memory_;
};

/// Full heads keep everything, the others sinks and a recent window; what leaves is folded.
std::vector<HeadPlan> plans_of(const Options& options, size_t heads) {
  const auto full = static_cast<size_t>(std::lround(options.full_heads * static_cast<double>(heads)));
  HeadPlan window;
  const int kept = std::max(sinks, static_cast<int>(std::lround(options.keep * options.tokens)));
  for (int32_t t = sinks; t < options.tokens - (kept - sinks); ++t) window.dropped.push_back(t);
  window.fold = true;
  std::vector<HeadPlan> plans(heads, window);
  // The largest first, so that threads end together.
  std::fill_n(plans.begin(), full, HeadPlan());
  return plans;
}

/// Compresses the whole prefix into caches of one codec.
class Compression {
 public:
  Compression(const Options& options, const std::string& codec, const Prefix& prefix,
              const std::vector<HeadPlan>& plans)
      : tokens_(options.tokens), prefix_(prefix), plans_(plans), name_(codec) {
    const Policy policy = Policy::parse("full+" + codec);
    const CodecChoice& choice = policy.codec_of(true, false);
    codec_ = find_codec("--codecs", choice.name).make(choice.variants, choice.values);
    spec_.head_size = options.head_size;
    spec_.key_codec = spec_.value_codec = codec_.get();
    spec_.compensation = Compensation::weighted;
  }

  /// Caches are made, compress() takes their memory, and they are gone again; only compress() is timed.
  double seconds() {
    std::vector<HeadCache> caches;
    caches.reserve(plans_.size());
    for (size_t i = 0; i < plans_.size(); ++i) caches.emplace_back(spec_, counter_);
    const double taken = seconds_of([&] {
#pragma omp parallel for schedule(dynamic)
      for (size_t i = 0; i < plans_.size(); ++i)
        caches[i].compress(prefix_.keys(i), prefix_.values(i), tokens_, plans_[i]);
    });
    bytes_ = 0.0;
    for (const HeadCache& cache : caches) {
      const double read = prefix_.token_bytes() * (cache.has_compensation() ? tokens_ : cache.tokens());
      bytes_ += read + static_cast<double>(cache.ledger().logical());
    }
    return taken;
  }

  const std::string& name() const { return name_; }
  /// Read and written by the last run.
  double bytes() const { return bytes_; }

 private:
  int tokens_;
  const Prefix& prefix_;
  const std::vector<HeadPlan>& plans_;
  std::string name_;
  std::unique_ptr<const Codec> codec_;
  HeadCacheSpec spec_;
  AllocationCounter counter_;
  double bytes_ = 0.0;
};

BenchRow row_of(const Options& options, const Compression& work, double seconds, double limit, size_t heads) {
  BenchRow row;
  row.name = "compress";
  row.codec = work.name();
  row.tokens = options.tokens;
  row.seconds_median = seconds;
  row.unit = RateUnit::gb_per_s;
  row.rate = work.bytes() / seconds / 1e9;
  row.limit = limit;
  // Other codecs compute as they encode; f16 only moves.
  if (work.name() == "f16") row.aim = BenchAim{"of memcpy", 0.8, row.ratio()};
  row.more = {{"heads", heads},       {"head_size", options.head_size}, {"full_heads", options.full_heads},
              {"keep", options.keep}, {"repeats", options.repeats},     {"bytes", work.bytes()}};
  return row;
}

/// An engine's caches come from memory that it holds. Else malloc would give freed caches back to the system
/// and fetch every page anew, and page faults would be most of what is measured.
void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that is allowed
  ::mallopt(M_TRIM_THRESHOLD, -1);        // never
  ::mallopt(M_ARENA_MAX, 1);              // other arenas give whole heaps back
}

void run(const Options& options) {
  keep_freed_memory();
  const Prefix prefix(options);
  const std::vector<HeadPlan> plans = plans_of(options, prefix.heads());
  std::vector<std::unique_ptr<Compression>> compressions;
  for (const std::string& codec : names_in(options.codecs))
    compressions.push_back(std::make_unique<Compression>(options, codec, prefix, plans));
  const CopyPeak peak;
  std::vector<TimedWork> works = {peak.work()};
  for (const auto& compression : compressions)
    works.emplace_back([&compression = *compression] { return compression.seconds(); });
  const std::unique_ptr<Progress> progress = terminal_progress();
  const std::vector<double> seconds =
      interleaved_medians(works, options.repeats, *progress, "bench compress");
  std::vector<BenchRow> rows;
  for (size_t i = 0; i < compressions.size(); ++i) {
    rows.push_back(
        row_of(options, *compressions[i], seconds[i + 1], peak.gb_per_s(seconds[0]), prefix.heads()));
  }
  print_bench(
      rows,
      {fmt::format("{} heads of {} tokens in f16, {:.0f} % full, {:.0f} % of the others kept, the rest "
                   "folded; rate: bytes read and written; limit: memcpy's, same run",
                   prefix.heads(), options.tokens, 100.0 * options.full_heads, 100.0 * options.keep)},
      options.common.json);
}

}  // namespace

void add_bench_compress(CLI::App& bench) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(bench, "compress",
                  "what follows the prefill: dropped tokens folded, kept ones copied or encoded "
                  "into their caches, against memcpy",
                  "razorscope bench compress --codecs f16,q4_0 --threads 1");
  command->add_option("--tokens", options->tokens, "tokens of the prefix")
      ->capture_default_str()
      ->check(CLI::Range(8, 1 << 24));
  command->add_option("--heads", options->heads, "KV heads of a layer")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command->add_option("--head-size", options->head_size, "channels of a head")
      ->capture_default_str()
      ->check(CLI::Range(2, 1024));
  command->add_option("--full-heads", options->full_heads, "share of the heads that keep every token")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--keep", options->keep,
                   "share of the tokens that the other heads keep: 4 sinks and the latest")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--codecs", options->codecs, "of the caches, separated by commas")
      ->capture_default_str();
  command
      ->add_option("--layers", options->layers, "layers; 0: as many as make eight times the last-level cache")
      ->capture_default_str()
      ->check(CLI::Range(0, 1 << 20));
  add_repeats_option(*command, options->repeats);
  run_on_parse(*command, options, run);
}

}  // namespace razorscope::cli
