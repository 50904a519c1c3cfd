#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/language/tokenizer.hpp"

namespace razorscope {

/// A text in which facts are hidden, as tokens of its lines.
class Haystack {
 public:
  Haystack(const Tokenizer& tokenizer, const std::string& text);

  /// Where a piece is put: 0 at the front of the lines, 1 at their end.
  struct Piece {
    double depth = 0.0;
    std::vector<int32_t> ids;
  };
  /// A context of at most `length` tokens: the model's BOS where it has one, as many whole lines as fit,
  /// beginning with one that `start` chooses among those that leave enough, and the pieces (depths ascending)
  /// at the ends of lines. InputError where the text is too short for that.
  std::vector<int32_t> context(int length, uint64_t start, const std::vector<Piece>& pieces) const;

 private:
  int32_t bos_;
  std::vector<std::vector<int32_t>> lines_;
  size_t tokens_ = 0;
};

}  // namespace razorscope
