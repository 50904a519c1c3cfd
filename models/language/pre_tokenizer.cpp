#include "models/language/pre_tokenizer.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <unicode/parseerr.h>
#include <unicode/unistr.h>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

struct Rule {
  std::string_view name;
  std::string_view pattern;  // its matches must cover any text without gaps
  bool whole_words_first;
};

// The published patterns with two changes that keep their meaning. \s is spelled \p{White_Space}, since ICU
// documents a smaller set for \s, even though its version 72 has the same one. The contractions
// 's|'t|'re|'ve|'m|'ll|'d share their apostrophe, which halves the time.
constexpr std::string_view gpt2_pattern =
    R"('(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+)"
    R"(|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

// Each number character stands alone, and GPT-2's pattern cuts what lies between them. As one pattern: a
// number character never joins others, and the lookahead takes it for the end of the text.
constexpr std::string_view smollm_pattern =
    R"(\p{N}|'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?[^\p{White_Space}\p{L}\p{N}]+)"
    R"(|\p{White_Space}+(?![^\p{White_Space}\p{N}])|\p{White_Space}+)";

constexpr std::string_view llama3_pattern =
    R"('(?i:[stmd]|re|ve|ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*)"
    R"(|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

constexpr std::string_view qwen2_pattern =
    R"('(?i:[stmd]|re|ve|ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*)"
    R"(|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

constexpr std::array rules = {
    Rule{"gpt-2", gpt2_pattern, false},    Rule{"gpt2", gpt2_pattern, false},
    Rule{"smollm", smollm_pattern, false}, Rule{"llama-bpe", llama3_pattern, true},
    Rule{"qwen2", qwen2_pattern, false},
};

void check(UErrorCode status) {
  if (U_FAILURE(status)) {
    throw std::runtime_error(std::string("cutting text into words: ICU: ") + u_errorName(status));
  }
}

}  // namespace

PreTokenizer::PreTokenizer(std::string_view name) {
  const auto* const rule =
      std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return r.name == name; });
  if (rule == rules.end()) throw std::invalid_argument(unknown_name("pre-tokenizer", name, names()));
  UErrorCode status = U_ZERO_ERROR;
  UParseError where;
  pattern_.reset(
      icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(icu::StringPiece(
                                     rule->pattern.data(), static_cast<int32_t>(rule->pattern.size()))),
                                 where, status));
  check(status);
  whole_words_first_ = rule->whole_words_first;
}

std::vector<std::string> PreTokenizer::names() {
  std::vector<std::string> result;
  result.reserve(rules.size());
  for (const Rule& rule : rules) result.emplace_back(rule.name);
  return result;
}

WordReader::WordReader(const PreTokenizer& rule) {
  UErrorCode status = U_ZERO_ERROR;
  matcher_.reset(rule.pattern_->matcher(status));
  check(status);
  // ICU gives up on a match whose backtracking needs more than 8 MB; a word may be as long as the text.
  matcher_->setStackLimit(0, status);
  check(status);
}

WordReader::~WordReader() { utext_close(&input_); }

void WordReader::start(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  utext_openUTF8(&input_, text.empty() ? "" : text.data(), static_cast<int64_t>(text.size()), &status);
  check(status);
  matcher_->reset(&input_);
  text_ = text;
  at_ = 0;
}

std::string_view WordReader::next() {
  if (at_ == text_.size()) return {};
  UErrorCode status = U_ZERO_ERROR;
  const bool found = matcher_->find(status);
  check(status);
  const size_t end = found ? static_cast<size_t>(matcher_->end64(status)) : text_.size();
  check(status);
  const std::string_view word = text_.substr(at_, end - at_);
  at_ = end;
  return word;
}

}  // namespace razorscope
