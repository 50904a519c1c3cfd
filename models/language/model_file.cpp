#include "models/language/model_file.hpp"

#include <array>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "models/language/architecture.hpp"

namespace razorscope {
namespace {

struct NamedModel {
  std::string_view name;
  std::string_view file;
};

constexpr std::array<NamedModel, 2> named_models = {{
    {"smollm2-135m", "SmolLM2-135M-Instruct.Q4_1.gguf"},
    {"tiny-alibi", "tiny-alibi.gguf"},
}};

}  // namespace

ModelFile::ModelFile(const std::filesystem::path& path)
    : file_(std::make_unique<GgufFile>(path)), shape_(architecture_of(*file_).read_shape(*file_)) {}

size_t ModelFile::weights() const {
  size_t elements = 0;
  for (const GgufTensor& tensor : file_->tensors()) elements += tensor.elements();
  return elements;
}

size_t ModelFile::weight_bytes(Compute compute) const {
  const auto embedding = static_cast<size_t>(shape_.vocabulary) * static_cast<size_t>(shape_.hidden);
  const bool tied = file_->find_tensor("output.weight") == nullptr;
  const size_t multiplied = weights() - (tied ? 0 : embedding);
  return embedding * sizeof(float) + multiplied * bytes_per_weight(compute);
}

Transformer ModelFile::load(Compute compute) const {
  refuse_beyond_memory(file_->path().string(), fmt::format("the weights as {}", compute_name(compute)),
                       weight_bytes(compute));
  WeightReader reader(*file_, compute);
  const Architecture& architecture = architecture_of(*file_);
  Weights weights = architecture.read_weights(reader, shape_);
  reader.refuse_unread_tensors(architecture.name);
  return {shape_, std::move(weights), compute};
}

std::filesystem::path find_model(const std::string& name_or_path) {
  std::vector<std::string> names;
  for (const NamedModel& model : named_models) {
    names.emplace_back(model.name);
    if (model.name != name_or_path) continue;
    const std::array<std::filesystem::path, 3> folders = {
        user_directory("XDG_CACHE_HOME", ".cache") / "models",
        program_directory() / "../share/razorscope/models", RAZORSCOPE_MODEL_DATA_DIR};
    for (const std::filesystem::path& folder : folders) {
      if (std::filesystem::exists(folder / model.file)) return folder / model.file;
    }
    throw InputError("--model",
                     fmt::format("{} is not installed: {} is neither in {} nor beside the program; "
                                 "experiments/quickstart fetches it",
                                 model.name, model.file, folders[0].string()));
  }
  std::error_code problem;  // names may be too long to be paths
  if (!std::filesystem::exists(name_or_path, problem)) {
    throw InputError("--model", "no such file, and " + unknown_name("model name", name_or_path, names));
  }
  return name_or_path;
}

}  // namespace razorscope
