#include "experiments/cli/bench/limits.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <numeric>

namespace razorscope::cli {
namespace {

struct ProductSize {
  size_t rows;
  size_t inputs;
  size_t outputs;

  double flops() const { return 2.0 * static_cast<double>(rows * inputs * outputs); }
};

// Some 5 to 10 GFLOP each; which of them is fastest differs between processors.
constexpr std::array<ProductSize, 3> product_sizes = {
    {{512, 1024, 8192}, {1024, 1024, 4096}, {2048, 2048, 1024}}};

constexpr int parts = 64;  // of the memory that is read, dealt to the threads

Matrix filled(size_t rows, size_t columns) {
  Matrix matrix(rows, columns);
  std::fill_n(matrix.data(), rows * columns, 0.5F);
  return matrix;
}

}  // namespace

ProductPeak::ProductPeak(Compute compute) {
  for (const ProductSize& size : product_sizes) {
    products_.push_back({PackedWeights(filled(size.outputs, size.inputs), compute),
                         filled(size.rows, size.inputs), Matrix(size.rows, size.outputs)});
  }
}

std::vector<TimedWork> ProductPeak::works() const {
  std::vector<TimedWork> works;
  for (Product& product : products_) {
    works.emplace_back([&product] {
      return seconds_of([&] { product.w.multiply(product.x.data(), product.x.rows, product.y.data()); });
    });
  }
  return works;
}

double ProductPeak::gflop_per_s(const std::vector<double>& seconds) const {
  double best = 0.0;
  for (size_t i = 0; i < product_sizes.size(); ++i)
    best = std::max(best, product_sizes[i].flops() / seconds[i] / 1e9);
  return best;
}

// 256 MiB where caches are of the usual size: short passes would measure the threads' start.
ReadPeak::ReadPeak() : values_(std::max(size_t{256} << 20U, more_than_caches_hold()) / sizeof(float)) {
  std::fill_n(values_.data(), values_.size(), 1.0F);
}

TimedWork ReadPeak::work() const {
  return [this] {
    return seconds_of([this] {
      // As many sums as hide the latency of an addition.
      constexpr size_t lanes = 64;
      const auto groups = static_cast<ptrdiff_t>(values_.size() / lanes);
      float sum = 0.0F;
#pragma omp parallel for schedule(static) reduction(+ : sum)
      for (int part = 0; part < parts; ++part) {
        std::array<float, lanes> sums = {};
        for (ptrdiff_t g = groups * part / parts; g < groups * (part + 1) / parts; ++g) {
          const float* group = values_.data() + static_cast<size_t>(g) * lanes;
          for (size_t i = 0; i < lanes; ++i) sums[i] += group[i];
        }
        sum = std::accumulate(sums.begin(), sums.end(), sum);
      }
      volatile float kept = sum;  // or nothing would be read
      (void)kept;
    });
  };
}

size_t more_than_caches_hold() {
  // In KiB. glibc's sysconf says ten times as much inside some virtual machines.
  size_t last_level = 32768;  // where the system does not say
  std::ifstream("/sys/devices/system/cpu/cpu0/cache/index3/size") >> last_level;
  return 8 * std::max(last_level, size_t{1024}) * 1024;
}

CopyPeak::CopyPeak()
    : from_(more_than_caches_hold() / sizeof(float)), to_(more_than_caches_hold() / sizeof(float)) {
  std::fill_n(from_.data(), from_.size(), 1.0F);
  std::fill_n(to_.data(), to_.size(), 0.0F);
}

TimedWork CopyPeak::work() const {
  return [this] {
    return seconds_of([this] {
#pragma omp parallel for schedule(static)
      for (size_t part = 0; part < parts; ++part) {
        const size_t begin = from_.size() * part / parts;
        const size_t end = from_.size() * (part + 1) / parts;
        std::memcpy(to_.data() + begin, from_.data() + begin, (end - begin) * sizeof(float));
      }
    });
  };
}

double CopyPeak::gb_per_s(double seconds) const {
  return 2.0 * static_cast<double>(from_.size() * sizeof(float)) / seconds / 1e9;
}

double ReadPeak::gb_per_s(double seconds) const {
  return static_cast<double>(values_.size() * sizeof(float)) / seconds / 1e9;
}

}  // namespace razorscope::cli
