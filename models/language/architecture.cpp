#include "models/language/architecture.hpp"

#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

const std::vector<const Architecture*>& architectures() {
  static const std::vector<const Architecture*> all = {&llama_architecture(), &mpt_architecture()};
  return all;
}

}  // namespace

const Architecture& architecture_of(const GgufFile& file) {
  const std::string name = file.text("general.architecture");
  std::vector<std::string> names;
  for (const Architecture* architecture : architectures()) {
    if (architecture->name == name) return *architecture;
    names.emplace_back(architecture->name);
  }
  file.fail("general.architecture", unknown_name("architecture", name, names));
}

Shape read_common_shape(const GgufFile& file, const std::string& norm_epsilon_key) {
  constexpr int64_t most = 1 << 20;
  Shape shape;
  shape.architecture = file.text("general.architecture");
  shape.name = file.text("general.name", file.path().stem().string());
  const std::string prefix = shape.architecture + ".";
  const auto count = [&](const std::string& key, int64_t highest,
                         std::optional<int64_t> fallback = std::nullopt) {
    return static_cast<int>(file.integer(prefix + key, 1, highest, fallback));
  };
  shape.layers = count("block_count", 1024);
  shape.hidden = count("embedding_length", most);
  shape.feed_forward = count("feed_forward_length", most);
  shape.context = count("context_length", int64_t{1} << 27);
  shape.query_heads = count("attention.head_count", 1024);
  shape.kv_heads = count("attention.head_count_kv", 1024, shape.query_heads);
  if (shape.query_heads % shape.kv_heads != 0) {
    file.fail(prefix + "attention.head_count_kv",
              fmt::format("{} KV heads do not divide {} query heads", shape.kv_heads, shape.query_heads));
  }
  if (!file.has(prefix + "attention.key_length") && shape.hidden % shape.query_heads != 0) {
    file.fail(prefix + "attention.head_count",
              fmt::format("{} heads do not divide the embedding length {}", shape.query_heads, shape.hidden));
  }
  shape.head_size = count("attention.key_length", 4096, shape.hidden / shape.query_heads);
  if (count("attention.value_length", 4096, shape.head_size) != shape.head_size) {
    file.fail(prefix + "attention.value_length", "keys and values of different sizes are not supported");
  }
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr) file.fail("token_embd.weight", "the tensor is missing");
  if (embedding->rows() > static_cast<uint64_t>(1) << 24U)
    file.fail("token_embd.weight", "has absurdly many rows");
  shape.vocabulary = static_cast<int>(embedding->rows());
  shape.tied_head = file.find_tensor("output.weight") == nullptr;
  const double epsilon = file.real(prefix + norm_epsilon_key, 1e-5);
  if (epsilon <= 0.0 || epsilon > 1.0) file.fail(prefix + norm_epsilon_key, "allowed: above 0, at most 1");
  shape.norm_epsilon = static_cast<float>(epsilon);
  shape.score_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_size)));
  return shape;
}

void WeightReader::read(const std::string& name, std::vector<uint64_t> dims, float* out) {
  const GgufTensor* tensor = file_.find_tensor(name);
  if (tensor == nullptr) file_.fail(name, "the tensor is missing");
  if (tensor->dims != dims) {
    file_.fail(
        name,
        fmt::format("has the shape [{}], but the model's metadata ask for [{}] (fastest dimension first)",
                    fmt::join(tensor->dims, ", "), fmt::join(dims, ", ")));
  }
  const size_t columns = tensor->columns();
  const size_t row_bytes = tensor->data.size() / tensor->rows();
  const auto row_count = static_cast<int64_t>(tensor->rows());
  bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite)
  for (int64_t i = 0; i < row_count; ++i) {
    const std::span<float> row(out + static_cast<size_t>(i) * columns, columns);
    dequantise(tensor->type, tensor->data.subspan(static_cast<size_t>(i) * row_bytes, row_bytes), row);
    for (const float x : row) finite = finite && std::isfinite(x);
  }
  if (!finite) file_.fail(name, "holds values that are not finite numbers");
  taken_.insert(name);
}

Floats WeightReader::vector(const std::string& name, size_t size) {
  Floats out(size);
  read(name, {size}, out.data());
  return out;
}

Matrix WeightReader::matrix(const std::string& name, size_t rows, size_t columns) {
  Matrix out(rows, columns);
  read(name, {columns, rows}, out.data());
  return out;
}

void WeightReader::rows(const std::string& name, Matrix& into, size_t first, size_t rows) {
  read(name, {into.columns, rows}, into.row(first));
}

void WeightReader::refuse_unread_tensors(std::string_view architecture) const {
  for (const GgufTensor& tensor : file_.tensors()) {
    if (!taken_.contains(tensor.name)) {
      file_.fail(tensor.name,
                 fmt::format("the architecture {} as built in here does not use this tensor, so its results "
                             "would differ from the model's own",
                             architecture));
    }
  }
}

}  // namespace razorscope
