#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unicode/regex.h>
#include <unicode/utext.h>
#include <vector>

namespace razorscope {

/// The rule by which a tokenizer cuts text into words before it merges bytes: merges never cross words.
/// Immutable, safe to share by threads.
class PreTokenizer {
 public:
  /// By a name that tokenizer.ggml.pre gives: one of names(). Throws std::invalid_argument otherwise.
  explicit PreTokenizer(std::string_view name);

  static std::vector<std::string> names();

  /// Whether a word that is itself a token becomes that token even where the merges would lead elsewhere.
  bool whole_words_first() const { return whole_words_first_; }

 private:
  friend class WordReader;
  std::unique_ptr<const icu::RegexPattern> pattern_;
  bool whole_words_first_ = false;
};

/// The words of texts, one after the other; together they are the whole text. For one thread. Text that is
/// not valid UTF-8 is cut somewhere, without harm.
class WordReader {
 public:
  explicit WordReader(const PreTokenizer& rule);
  ~WordReader();
  WordReader(const WordReader&) = delete;
  WordReader& operator=(const WordReader&) = delete;

  /// The words to come are those of `text`, which must outlive them.
  void start(std::string_view text);
  /// The next word, empty at the end.
  std::string_view next();

 private:
  std::unique_ptr<icu::RegexMatcher> matcher_;
  UText input_ = UTEXT_INITIALIZER;
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace razorscope
