#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

class GgufFile;

/// Byte-level BPE, from the tables of a GGUF file (tokenizer.ggml.model = gpt2). Immutable, safe to share by
/// threads.
class Tokenizer {
 public:
  /// Reads tokens, merges, token types, pre-tokenizer and special ids. Throws InputError naming file and key
  /// where a table is missing, inconsistent, or of a kind that is not built in (allowed ones are named).
  explicit Tokenizer(const GgufFile& file);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;

  /// Ids of valid UTF-8 text, without BOS. Special tokens that the text spells out (such as <|im_start|>)
  /// become their ids. Stops once `limit` ids are known: the result is then a prefix of the whole text's ids,
  /// of at least `limit` ids where the text has so many.
  std::vector<int32_t> encode(std::string_view text, size_t limit = std::numeric_limits<size_t>::max()) const;

  /// The bytes that an id stands for. A token may be part of a UTF-8 sequence.
  std::string piece(int32_t id) const;
  std::string decode(const std::vector<int32_t>& ids) const;

  /// The id put before every text, or -1 where the model has none.
  int32_t bos() const;
  int32_t eos() const;
  int vocabulary() const;
  /// Ids of type "normal": neither control, unknown, unused nor user-defined.
  bool is_normal(int32_t id) const;

 private:
  struct Tables;
  std::unique_ptr<const Tables> tables_;
};

}  // namespace razorscope
