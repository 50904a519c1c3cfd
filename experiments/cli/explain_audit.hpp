#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "sim/closed_loop/explain.hpp"

namespace razorscope::cli {

// What became of the tokens of some words of a text, which `explain --audit` asks for.

/// InputError where words are empty or not in the text.
void check_audited(const std::vector<std::string>& words, const std::string& text);

/// A table for each token of the words' first occurrence: per policy the heads that hold it, those that lost
/// it and when, and how much of the question's attention fell on heads that had lost it. Each is in the text.
std::string audit_text(const Explanation& explanation, const std::vector<std::string>& words);

/// The same with every head: {"question_tokens", "recorded_tokens", "words": [{"words", "tokens": [begin,
/// end], "policies": [{"policy", "tokens": [{"token", "piece", "heads": [...]}]}]}]}.
nlohmann::json audit_json(const Explanation& explanation, const std::vector<std::string>& words);

}  // namespace razorscope::cli
