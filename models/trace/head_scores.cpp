#include "models/trace/head_scores.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace razorscope {
namespace {

template <typename T>
T required(const nlohmann::json& value, const char* key) {
  const auto found = value.find(key);
  if (found == value.end()) throw std::invalid_argument(std::string(key) + " is missing");
  try {
    return found->get<T>();
  } catch (const nlohmann::json::exception&) {
    throw std::invalid_argument(std::string(key) + " has the wrong type");
  }
}

}  // namespace

std::vector<double> HeadScores::group_maximum(const std::vector<double>& scores) const {
  const auto group = static_cast<size_t>(query_heads / kv_heads);
  std::vector<double> largest;
  for (size_t i = 0; i < scores.size(); i += group) {
    const auto begin = scores.begin() + static_cast<ptrdiff_t>(i);
    largest.push_back(*std::max_element(begin, begin + static_cast<ptrdiff_t>(group)));
  }
  return largest;
}

nlohmann::json to_json(const HeadScores& scores) {
  return {{"layers", scores.layers},     {"query_heads", scores.query_heads},
          {"kv_heads", scores.kv_heads}, {"block", scores.block},
          {"repeats", scores.repeats},   {"seed", scores.seed},
          {"variant", scores.variant},   {"token_source", scores.token_source},
          {"echo", scores.echo},         {"induction", scores.induction}};
}

HeadScores head_scores_from_json(const nlohmann::json& value) {
  if (!value.is_object()) throw std::invalid_argument("is not a JSON object");
  HeadScores scores;
  scores.layers = required<int>(value, "layers");
  scores.query_heads = required<int>(value, "query_heads");
  scores.kv_heads = required<int>(value, "kv_heads");
  scores.block = required<int>(value, "block");
  scores.repeats = required<int>(value, "repeats");
  scores.seed = required<uint64_t>(value, "seed");
  scores.variant = required<std::string>(value, "variant");
  scores.token_source = value.contains("token_source") ? required<std::string>(value, "token_source") : "ids";
  scores.echo = required<std::vector<double>>(value, "echo");
  scores.induction = required<std::vector<double>>(value, "induction");
  if (scores.layers < 1 || scores.kv_heads < 1 || scores.query_heads < 1 ||
      scores.query_heads % scores.kv_heads != 0) {
    throw std::invalid_argument("its head counts make no sense");
  }
  const auto heads = static_cast<size_t>(scores.layers) * static_cast<size_t>(scores.query_heads);
  if (scores.echo.size() != heads || scores.induction.size() != heads) {
    throw std::invalid_argument("echo and induction do not have one score per query head");
  }
  const auto finite = [](double x) { return std::isfinite(x); };
  if (!std::all_of(scores.echo.begin(), scores.echo.end(), finite) ||
      !std::all_of(scores.induction.begin(), scores.induction.end(), finite)) {
    throw std::invalid_argument("holds a score that is not a finite number");
  }
  return scores;
}

}  // namespace razorscope
