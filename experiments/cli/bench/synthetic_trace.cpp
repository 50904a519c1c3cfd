#include "experiments/cli/bench/synthetic_trace.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <system_error>
#include <vector>

namespace razorscope::cli {
namespace {

/// A folder that is gone with this object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "razorscope_bench_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      throw std::system_error(errno, std::generic_category(), name + ": cannot be made");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

HeadScores random_probe(const SyntheticTrace& wanted, std::mt19937& random) {
  HeadScores scores;
  scores.layers = wanted.layers;
  scores.query_heads = wanted.query_heads();
  scores.kv_heads = wanted.kv_heads;
  scores.seed = wanted.seed;
  scores.variant = "sum-prior";
  scores.token_source = "vocabulary";
  std::uniform_real_distribution<double> share;
  for (int i = 0; i < wanted.layers * wanted.query_heads(); ++i) {
    scores.echo.push_back(share(random));
    scores.induction.push_back(share(random));
  }
  return scores;
}

}  // namespace

size_t SyntheticTrace::bytes() const {
  const auto rows = static_cast<size_t>(query_heads() + 2 * kv_heads);
  return static_cast<size_t>(layers) * static_cast<size_t>(tokens) * rows * static_cast<size_t>(head_size) *
         sizeof(float);
}

Trace make_trace(const SyntheticTrace& wanted) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(wanted.seed));
  const auto tokens = static_cast<uint64_t>(wanted.tokens);
  const auto head_size = static_cast<uint64_t>(wanted.head_size);
  const auto query_heads = static_cast<uint64_t>(wanted.query_heads());
  const auto kv_heads = static_cast<uint64_t>(wanted.kv_heads);
  std::vector<SafeTensorDeclaration> tensors;
  for (int layer = 0; layer < wanted.layers; ++layer) {
    tensors.push_back({fmt::format("q.{}", layer), "F32", {tokens, query_heads, head_size}});
    tensors.push_back({fmt::format("k.{}", layer), "F32", {tokens, kv_heads, head_size}});
    tensors.push_back({fmt::format("v.{}", layer), "F32", {tokens, kv_heads, head_size}});
  }
  std::vector<SafeTensorDeclaration> declared = tensors;
  declared.push_back({"tokens", "I32", {tokens}});
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "trace.safetensors";
  SafetensorsWriter writer(
      path, declared, {{"format", trace_format}, {"probe", to_json(random_probe(wanted, random)).dump()}});
  const std::vector<int32_t> ids(tokens, 0);
  writer.write("tokens", 0, std::as_bytes(std::span(ids)));
  std::normal_distribution<float> normal;
  std::vector<float> numbers;
  for (const SafeTensorDeclaration& tensor : tensors) {
    numbers.resize(tensor.dims[0] * tensor.dims[1] * tensor.dims[2]);
    for (float& x : numbers) x = normal(random);
    writer.write(tensor.name, 0, std::as_bytes(std::span(numbers)));
  }
  writer.commit();
  return Trace(path);  // maps the file, so that its name is no longer needed
}

}  // namespace razorscope::cli
