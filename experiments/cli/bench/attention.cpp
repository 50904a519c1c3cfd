#include <CLI/CLI.hpp>
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
  LayerSize layer;
  int repeats = 5;
};

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
                           times_f16_aim(name, options.layer.byte_products), seconds[1] / f16_seconds, true};
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
  command->add_flag("--razor", options->layer.razor,
                    "15 % of the heads whole, a fifth of the slots in the others");
  command->add_flag(
      "--byte-products", options->layer.byte_products,
      "queries and weights in 8 bits, where K or V are codes of 8 or 4 bits and the processor has "
      "AVX512-VNNI: scores and outputs differ by about 1 %");
  add_repeats_option(*command, options->repeats);
  run_on_parse(*command, options, run);
}

}  // namespace razorscope::cli
