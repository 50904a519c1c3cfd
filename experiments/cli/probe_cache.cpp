#include "experiments/cli/probe_cache.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "experiments/store/write_file.hpp"
#include "models/base/mapped_file.hpp"
#include "models/base/user_directory.hpp"
#include "sim/probe/probe.hpp"

namespace razorscope::cli {
namespace {

// To be raised when run_default_probe comes to other figures.
constexpr int probe_version = 1;

std::filesystem::path cache_file(const ModelFile& model, const Transformer& transformer) {
  return user_directory("XDG_CACHE_HOME", ".cache") / "probes" /
         fmt::format("{}-{}-{}.json", model.sha256(), compute_name(transformer.compute()), probe_version);
}

std::optional<HeadScores> read_cached(const std::filesystem::path& path, const Shape& shape) {
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown)) return std::nullopt;
  try {
    HeadScores scores = head_scores_from_json(nlohmann::json::parse(read_utf8_file(path)));
    const bool fits = scores.layers == shape.layers && scores.query_heads == shape.query_heads &&
                      scores.kv_heads == shape.kv_heads;
    return fits ? std::optional(std::move(scores)) : std::nullopt;
  } catch (const std::exception&) {  // damaged: as good as none
    return std::nullopt;
  }
}

}  // namespace

HeadScores default_probe(const ModelFile& model, const Transformer& transformer, Progress& progress) {
  const std::filesystem::path path = cache_file(model, transformer);
  if (std::optional<HeadScores> cached = read_cached(path, model.shape())) return *cached;
  HeadScores scores = run_default_probe(transformer, model.tokenizer(), progress);
  try {
    std::filesystem::create_directories(path.parent_path());
    write_file(path, to_json(scores).dump());
  } catch (const std::exception&) {  // a cache that cannot be kept costs time only
    return scores;
  }
  return scores;
}

}  // namespace razorscope::cli
