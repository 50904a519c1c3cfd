#include <algorithm>
#include <fmt/format.h>

#include "experiments/cli/bench/bench.hpp"
#include "experiments/cli/bench/command.hpp"
#include "experiments/cli/bench/layer_copies.hpp"
#include "experiments/cli/bench/limits.hpp"
#include "experiments/cli/bench/rows.hpp"
#include "experiments/cli/bench/timing.hpp"
#include "experiments/cli/options.hpp"
#include "models/base/machine.hpp"
#include "policies/kernels/target.hpp"

namespace razorscope::cli {
namespace {

constexpr size_t working_set = size_t{1200} << 20U;  // read in turn: many times any last-level cache

struct Options {
  CommonOptions common;
  std::string codecs = "bf16,f16,q8_0,q4_0,kivi4";
<<<<<<< HEAD
  LayerSize layer;
  int repeats = 5;
};

=======
  int tokens = 4096;
  int kv_heads = 8;
  int group = 4;
  int head_size = 128;
  bool razor = false;
  bool byte_products = false;
  int repeats = 5;
};

// razor as the comparison has it: this share of the heads is kept whole, the others keep a fifth.
constexpr double full_heads = 0.15;
constexpr double kept_elsewhere = 0.2;

/// Keys or values of one head of normal random rows, coded as a cache would.
std::unique_ptr<RowStore> coded_rows(const Codec& codec, RowRole role, const Options& options,
                                     AllocationCounter& counter) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(options.common.seed));
  std::normal_distribution<float> normal;
  const auto width = static_cast<size_t>(options.head_size);
  std::vector<float> rows(static_cast<size_t>(options.tokens) * width);
  for (float& x : rows) x = normal(random);
  std::unique_ptr<RowStore> store = codec.make_store(options.head_size, role, counter);
  store->reserve(options.tokens);
  for (size_t at = 0; at < rows.size() && store->wants_calibration(); at += width)
    store->calibrate(rows.data() + at);
  for (size_t at = 0; at < rows.size(); at += width) store->append(rows.data() + at);
  store->end_prefix();
  return store;
}

/// The codec without a residual window, so that all rows are read as codes.
std::unique_ptr<const Codec> codec_named(const std::string& name) {
  const CodecEntry& entry = find_codec("--codecs", name);
  std::vector<std::pair<std::string, std::string>> given;
  for (const Parameter& parameter : entry.parameters) {
    if (parameter.name == "residual") given.emplace_back("residual", "0");
  }
  return entry.make({}, complete_parameters("--codecs", entry.name, "", entry.parameters, given));
}

size_t bytes_of(const RowSegment& segment) {
  const bool groups = segment.format == RowFormat::kivi4_keys || segment.format == RowFormat::kivi2_keys;
  return segment.stride * static_cast<size_t>(groups ? segment.rows / 32 : segment.rows);
}

/// Copies of a model layer's cache, which decode steps read in turn.
class LayerCopies {
 public:
  LayerCopies(const Options& options, const std::string& codec, Floats& memory)
      : options_(options), codec_(codec_named(codec)) {
    const std::unique_ptr<RowStore> keys = coded_rows(*codec_, RowRole::keys, options, counter_);
    const std::unique_ptr<RowStore> values = coded_rows(*codec_, RowRole::values, options, counter_);
    const auto group = static_cast<size_t>(options.kv_heads) * static_cast<size_t>(options.group);
    queries_.resize(group * static_cast<size_t>(options.head_size));
    out_.resize(queries_.size());
    std::mt19937 random(static_cast<std::mt19937::result_type>(options.common.seed + 1));
    std::normal_distribution<float> normal;
    for (float& x : queries_) x = normal(random);
    auto* at = reinterpret_cast<std::byte*>(memory.data());
    const std::byte* end = at + memory.size() * sizeof(float);
    while (true) {
      std::vector<AttentionJob> layer;
      for (int h = 0; h < options.kv_heads; ++h) {
        AttentionJob& job = layer.emplace_back();
        job.head.head_size = options.head_size;
        job.head.slots = slots_of(h);
        const std::optional<RowSegment> k = copy(*keys, job.head.slots, at, end);
        const std::optional<RowSegment> v = copy(*values, job.head.slots, at, end);
        if (!k || !v) break;
        job.head.keys = *k;
        job.head.values = *v;
        const size_t first = static_cast<size_t>(h * options.group) * static_cast<size_t>(options.head_size);
        job.query.group = options.group;
        job.query.q = queries_.data() + first;
        job.query.byte_products = options.byte_products;
        job.query.scale = 1.0F / std::sqrt(static_cast<float>(options.head_size));
        job.output.out = out_.data() + first;
      }
      if (static_cast<int>(layer.size()) < options.kv_heads || layer.back().head.values.count() == 0) break;
      copies_.push_back(std::move(layer));
    }
    if (copies_.empty())
      throw InputError("--tokens",
                       fmt::format("a layer of {} tokens does not fit into {}", options.tokens,
                                   format_bytes(static_cast<double>(memory.size() * sizeof(float)))));
    for (const AttentionJob& job : copies_.front())
      bytes_ += static_cast<double>(bytes_of(job.head.keys[0]) + bytes_of(job.head.values[0]));
  }

  /// Of one pass over a copy; each call takes the next one.
  double seconds() {
    const std::vector<AttentionJob>& layer = copies_[next_++ % copies_.size()];
    return seconds_of([&] { attend_heads(layer); });
  }
  /// Several passes, so that short ones are timed as well as long ones.
  double mean_seconds() {
    const size_t passes = std::clamp<size_t>(copies_.size(), 1, 16);
    double total = 0.0;
    for (size_t i = 0; i < passes; ++i) total += seconds();
    return total / static_cast<double>(passes);
  }
  double bytes() const { return bytes_; }
  size_t copies() const { return copies_.size(); }

 private:
  int slots_of(int head) const {
    if (!options_.razor) return options_.tokens;
    const int whole = std::max(1, static_cast<int>(std::lround(full_heads * options_.kv_heads)));
    return head < whole ? options_.tokens : static_cast<int>(kept_elsewhere * options_.tokens) / 32 * 32;
  }
  static std::optional<RowSegment> copy(const RowStore& store, int rows, std::byte*& at,
                                        const std::byte* end) {
    RowSegment segment = (*store.kernel_rows())[0];
    segment.rows = std::min(rows, segment.rows);
    const size_t bytes = bytes_of(segment);
    // Apart by more than a page's multiple, as allocations are, so that streams don't meet in the same sets.
    const size_t step = (bytes + 63) / 64 * 64 + 2112;
    if (at + step > end) return std::nullopt;
    std::memcpy(at, segment.data, bytes);
    segment.data = at;
    at += step;
    return segment;
  }

  const Options& options_;
  AllocationCounter counter_;
  std::unique_ptr<const Codec> codec_;
  std::vector<float> queries_;
  std::vector<float> out_;
  std::vector<std::vector<AttentionJob>> copies_;
  size_t next_ = 0;
  double bytes_ = 0.0;
};

>>>>>>> kernels2
std::optional<double> aim_of(const std::string& codec, Target target) {
  if (codec == "bf16" && target == Target::avx512_bf16) return 0.95;
  if (codec == "f16" && (target == Target::avx512 || target == Target::avx512_bf16)) return 0.9;
  if (codec == "f16" && target == Target::avx2) return 0.8;
  return std::nullopt;
}

double times_f16_aim(const std::string& codec, bool byte_products) {
  if (byte_products && codec == "q8_0") return 0.55;
  if (byte_products && codec == "q4_0") return 0.35;
  return codec == "kivi4" ? 1.1 : 1.0;
}

void run(const Options& options) {
  refuse_beyond_memory("bench attention", "the caches that are read in turn", 2 * working_set);
  const std::unique_ptr<Progress> progress = terminal_progress();
  Floats memory(working_set / sizeof(float));
  std::fill_n(memory.data(), memory.size(), 0.0F);
  const ReadPeak peak;
  const MultiplyAddPeak products;
  std::vector<BenchRow> rows;
  double f16_seconds = 0.0;
  for (const std::string& name : names_in(options.codecs)) {
    LayerCopies layer(options.layer, name, "--codecs", options.common.seed,
                      {reinterpret_cast<std::byte*>(memory.data()), memory.size() * sizeof(float)});
    const std::vector<double> seconds =
        interleaved_medians({peak.work(), [&] { return layer.mean_seconds(); }, products.work()},
                            options.repeats, *progress, fmt::format("bench attention {}", name));
    BenchRow& row = rows.emplace_back();
    row.name = options.layer.razor ? "attention, razor" : "attention";
    row.codec = name;
    row.tokens = options.layer.tokens;
    row.seconds_median = seconds[1];
    row.unit = RateUnit::gb_per_s;
    row.rate = layer.bytes() / seconds[1] / 1e9;
    const double stream = peak.gb_per_s(seconds[0]);
    const bool f32_products =
        name == "f32" || name == "f16" || (name == "bf16" && active_target() != Target::avx512_bf16);
    // Each element of K and of V is multiplied and added once for each query head of the group.
    const double flops = 2.0 * options.layer.group * layer.bytes() / (name == "f32" ? 4.0 : 2.0);
    const double product_limit = layer.bytes() / (flops / products.gflop_per_s(seconds[2]));
    row.limit = f32_products ? std::min(stream, product_limit) : stream;
    row.more = {{"bytes", layer.bytes()},       {"copies", layer.copies()},
                {"stream_gb_per_s", stream},    {"kv_heads", options.layer.kv_heads},
                {"group", options.layer.group}, {"head_size", options.layer.head_size}};
    if (f32_products) row.more["product_limit_gb_per_s"] = product_limit;
    if (name == "f16") f16_seconds = seconds[1];
    if (const std::optional<double> aim = aim_of(name, active_target()))
      row.aim = BenchAim{fmt::format("of {}'s limit", name), *aim, row.ratio()};
    if (f16_seconds > 0.0) {
      row.more["times_f16"] = seconds[1] / f16_seconds;
      if (name == "q8_0" || name == "q4_0" || name == "kivi4")
        row.aim = BenchAim{fmt::format("times f16's time for {}", name),
                           times_f16_aim(name, options.byte_products), seconds[1] / f16_seconds, true};
    }
  }
  print_bench(
      rows,
      {fmt::format(
          "{} query heads on {} KV heads, head size {}; rate: bytes of K and V that are read; limit: "
          "reading memory, same run, and for f32 products what the processor multiplies",
          options.layer.kv_heads * options.layer.group, options.layer.kv_heads, options.layer.head_size)},
      options.common.json);
}

}  // namespace

void add_bench_attention(CLI::App& bench) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(bench, "attention", "decode attention over caches that no processor cache holds",
                  "razorscope bench attention --codecs bf16,f16,q8_0 --tokens 32768 --threads 1");
  command->add_option("--codecs", options->codecs, "codecs of K and V, separated by commas")
      ->capture_default_str();
  command->add_option("--tokens", options->layer.tokens, "slots of a head")
      ->capture_default_str()
      ->check(CLI::Range(32, 1 << 20));
  command->add_option("--kv-heads", options->layer.kv_heads, "KV heads of the layer")
      ->capture_default_str()
      ->check(CLI::Range(1, 128));
  command->add_option("--group", options->layer.group, "query heads that share a KV head")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  command->add_option("--head-size", options->layer.head_size, "channels")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
<<<<<<< HEAD
  command->add_flag("--razor", options->layer.razor,
                    "15 % of the heads whole, a fifth of the slots in the others");
=======
  command->add_flag("--razor", options->razor, "15 % of the heads whole, a fifth of the slots in the others");
  command->add_flag(
      "--byte-products", options->byte_products,
      "queries and weights in 8 bits, where K or V are codes of 8 or 4 bits and the processor has "
      "AVX512-VNNI: scores and outputs differ by about 1 %");
>>>>>>> kernels2
  add_repeats_option(*command, options->repeats);
  run_on_parse(*command, options, run);
}

}  // namespace razorscope::cli
