#include "experiments/advise/measure_command.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace razorscope {
namespace {

/// Options of the earlier run that the new one does not repeat, all with a value but --json.
constexpr std::array<const char*, 6> left_out = {"--policies", "--policy", "--equal-bytes",
                                                 "--db",       "--json",   "--against"};

std::vector<std::string> repeated(const std::vector<std::string>& words) {
  std::vector<std::string> out = {"razorscope"};
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string name = words[i].substr(0, words[i].find('='));
    if (std::find(left_out.begin(), left_out.end(), name) == left_out.end()) {
      out.push_back(words[i]);
    } else if (name == words[i] && name != "--json") {
      ++i;
    }
  }
  return out;
}

std::vector<std::string> fresh(const Metric& metric, const MeasureSettings& settings) {
  const std::string tokens = std::to_string(settings.context);
  switch (metric.source) {
    case MetricSource::task:
      return {"razorscope", "task",         metric.name == "needle" ? "needle" : "multi-query",
              "--model",    settings.model, "--text",
              "TEXT.txt",   "--lengths",    tokens};
    case MetricSource::replay:
      return {"razorscope", "replay", "--trace", "TRACE.safetensors", "--prefix", tokens, "--steps", "64"};
    default:
      return {"razorscope", "eval",     "--model", settings.model, "--text",
              "TEXT.txt",   "--prefix", tokens,    "--steps",      "256"};
  }
}

}  // namespace

std::vector<std::string> shell_words(const std::string& line) {
  std::vector<std::string> words;
  bool quoted = false;
  bool in_word = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (!quoted && c == ' ') {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '\'') {
      quoted = !quoted;
    } else if (!quoted && c == '\\' && i + 1 < line.size()) {
      words.back() += line[++i];
    } else {
      words.back() += c;
    }
  }
  return words;
}

std::string shell_quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                          "-_./=:,+@%") == std::string::npos;
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + '\'';
}

std::string measure_command(const Metric& metric, const std::vector<std::string>& policies,
                            const std::string& earlier, const MeasureSettings& settings) {
  const std::vector<std::string> before = shell_words(earlier);
  std::vector<std::string> words = before.size() > 1 ? repeated(before) : fresh(metric, settings);
  words.insert(words.end(),
               {"--policies", fmt::format("{}", fmt::join(policies, ";")), "--db", settings.database});
  for (std::string& word : words) word = shell_quoted(word);
  return fmt::format("{}", fmt::join(words, " "));
}

}  // namespace razorscope
