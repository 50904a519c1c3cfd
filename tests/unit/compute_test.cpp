// A model whose products with weights are in bf16, against the same in f32.
#include "models/language/compute.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <optional>

#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "policies/cache/exact_memory.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/omp_threads.hpp"
#include "tests/support/random_model.hpp"
#include "tests/support/small_model.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::LogitRows;

/// f32 where this processor lacks instructions for bf16.
Compute bf16_if_it_runs() {
  try {
    return compute_named("test", "bf16");
  } catch (const InputError&) {
    return Compute::f32;
  }
}

class ComputeTest : public ::testing::TestWithParam<const char*> {
 protected:
  ComputeTest() : file_(write(folder_ / "m.gguf")) {}

  LogitRows logits(Compute compute, size_t tokens) const {
    const Transformer transformer = file_.load(compute);
    EXPECT_EQ(transformer.compute(), compute);
    ExactMemory memory(transformer.shape(), static_cast<int>(tokens));
    return testing::read_block(transformer, memory, testing::random_ids(tokens), 0);
  }
  size_t weight_bytes(Compute compute) const { return file_.weight_bytes(compute); }
  size_t weights() const { return file_.weights(); }
  const Shape& shape() const { return file_.shape(); }

 private:
  static std::filesystem::path write(const std::filesystem::path& path) {
    testing::RandomModelOptions options;
    options.architecture = GetParam();
    if (options.architecture == "mpt") options.kv_heads = options.query_heads;
    options.untied_output = options.architecture == "mpt";
    return testing::write_random_model(path, options);
  }

  testing::OmpThreads one_{1};
  testing::TemporaryFolder folder_;
  ModelFile file_;
};

TEST_P(ComputeTest, Bf16ChangesLogitsLittle) {
  const Compute compute = bf16_if_it_runs();
  if (compute == Compute::f32) GTEST_SKIP() << "this processor has no bf16 instructions";
  const LogitRows expected = logits(Compute::f32, 150);
  const LogitRows got = logits(compute, 150);
  double error = 0.0;
  double size = 0.0;
  for (size_t r = 0; r < expected.size(); ++r) {
    for (size_t i = 0; i < expected[r].size(); ++i) {
      error += std::pow(double{got[r][i]} - double{expected[r][i]}, 2);
      size += std::pow(double{expected[r][i]}, 2);
    }
  }
  // Nine products in a row, each with a normalised mean squared error of some (0.16 %)².
  EXPECT_LE(error / size, 1e-4);
  EXPECT_GT(error, 0.0) << "the same in both: was it f32?";
}

TEST_P(ComputeTest, GivesTheSameBitsForOneAndTwoThreads) {
  const Compute compute = bf16_if_it_runs();
  const LogitRows one = logits(compute, 70);
  const testing::OmpThreads both(2);
  EXPECT_EQ(one, logits(compute, 70));
}

TEST_P(ComputeTest, TakesTheMemoryThatItSays) {
  const auto embedding = static_cast<size_t>(shape().vocabulary * shape().hidden);
  const size_t multiplied = GetParam() == std::string("llama") ? weights() : weights() - embedding;
  EXPECT_EQ(weight_bytes(Compute::f32), 4 * (embedding + multiplied)) << "llama's head is tied";
  EXPECT_EQ(weight_bytes(Compute::bf16), 4 * embedding + 2 * multiplied);
}

INSTANTIATE_TEST_SUITE_P(Models, ComputeTest, ::testing::Values("llama", "mpt"),
                         [](const auto& model) { return model.param; });

TEST(ComputeNameTest, IsFoundOrRefused) {
  EXPECT_EQ(compute_named("--compute", "f32"), Compute::f32);
  EXPECT_EQ(compute_name(Compute::f32), "f32");
  EXPECT_EQ(compute_name(Compute::bf16), "bf16");
  for (const char* wrong : {"bf61", "", "BF16", "f16"}) {
    testing::expect_input_error([&] { compute_named("--compute", wrong); },
                                {"--compute: ", wrong, "f32, bf16"});
  }
}

}  // namespace
}  // namespace razorscope
