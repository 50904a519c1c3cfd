// The pieces that decode attention is made of, on rows that caches hold: `razorscope bench attention`
// measures the whole against memory. Run with --benchmark_filter=..., and RAZORSCOPE_TARGET for another
// target.
#include <benchmark/benchmark.h>
#include <cmath>
#include <random>
#include <string>

#include "policies/codecs/codec.hpp"
#include "policies/kernels/attend.hpp"
#include "policies/kernels/hadamard.hpp"
#include "tests/support/codec_store.hpp"

namespace razorscope {
namespace {

constexpr int head_size = 128;
constexpr int group = 4;
constexpr int slots = 1024;

std::vector<float> normal_numbers(size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float& x : numbers) x = normal(random);
  return numbers;
}

/// A codec's rows, filled in its contract's order.
std::unique_ptr<RowStore> filled(const Codec& codec, RowRole role, AllocationCounter& counter) {
  const std::vector<float> rows = normal_numbers(static_cast<size_t>(slots) * head_size);
  std::unique_ptr<RowStore> store = codec.make_store(head_size, role, counter);
  store->reserve(slots);
  for (size_t at = 0; at < rows.size() && store->wants_calibration(); at += head_size)
    store->calibrate(rows.data() + at);
  for (size_t at = 0; at < rows.size(); at += head_size) store->append(rows.data() + at);
  store->end_prefix();
  return store;
}

void attend(benchmark::State& state, const std::string& name) {
  AllocationCounter counter;
  const std::unique_ptr<const Codec> codec = testing::make_codec(name);
  const std::unique_ptr<RowStore> keys = filled(*codec, RowRole::keys, counter);
  const std::unique_ptr<RowStore> values = filled(*codec, RowRole::values, counter);
  const std::vector<float> q = normal_numbers(static_cast<size_t>(group) * head_size);
  std::vector<float> out(q.size());
  HeadView head;
  head.head_size = head_size;
  head.slots = slots;
  head.keys = *keys->kernel_rows();
  head.values = *values->kernel_rows();
  GroupQuery query;
  query.group = group;
  query.q = q.data();
  query.scale = 1.0F / std::sqrt(static_cast<float>(head_size));
  for (auto _ : state) {
    attend_group(head, query, {out.data(), nullptr, nullptr});
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * slots);
}

void encode(benchmark::State& state, const std::string& name) {
  const std::unique_ptr<const Codec> codec = testing::make_codec(name);
  for (auto _ : state) {
    AllocationCounter counter;
    benchmark::DoNotOptimize(filled(*codec, RowRole::keys, counter));
  }
  state.SetItemsProcessed(state.iterations() * slots);
}

void softmax(benchmark::State& state) {
  const std::vector<float> scores = normal_numbers(static_cast<size_t>(state.range(0)));
  std::vector<float> row(scores.size());
  for (auto _ : state) {
    row = scores;
    softmax_row(row.data(), row.size(), 0.0F);
    benchmark::DoNotOptimize(row.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(softmax)->Arg(64)->Arg(1024)->Arg(8192);

void hadamard_row(benchmark::State& state) {
  std::vector<float> row = normal_numbers(head_size);
  for (auto _ : state) {
    hadamard(row.data(), head_size);
    benchmark::DoNotOptimize(row.data());
  }
}
BENCHMARK(hadamard_row);

}  // namespace
}  // namespace razorscope

int main(int argc, char** argv) {
  for (const char* codec : {"f32", "f16", "bf16", "fp8-e4m3", "q8_0", "q4_0", "q4_1", "int8-token",
                            "kivi4:residual=0", "kivi2:residual=0"}) {
    const std::string name = codec;
    benchmark::RegisterBenchmark(("attend/" + name).c_str(),
                                 [name](benchmark::State& state) { razorscope::attend(state, name); });
    benchmark::RegisterBenchmark(("encode/" + name).c_str(),
                                 [name](benchmark::State& state) { razorscope::encode(state, name); });
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
