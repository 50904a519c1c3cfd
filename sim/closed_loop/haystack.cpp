#include "sim/closed_loop/haystack.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "models/base/error.hpp"

namespace razorscope {

Haystack::Haystack(const Tokenizer& tokenizer, const std::string& text) : bos_(tokenizer.bos()) {
  for (size_t at = 0; at < text.size();) {
    // With the empty lines that follow: they are one token with its end.
    const size_t end =
        std::min(text.find_first_not_of('\n', std::min(text.find('\n', at), text.size())), text.size());
    lines_.push_back(tokenizer.encode(text.substr(at, end - at)));
    at = end;
  }
  for (const std::vector<int32_t>& line : lines_) tokens_ += line.size();
}

std::vector<int32_t> Haystack::context(int length, uint64_t start, const std::vector<Piece>& pieces) const {
  size_t wanted = static_cast<size_t>(length) - (bos_ >= 0 ? 1 : 0);
  for (const Piece& piece : pieces) {
    if (piece.ids.size() >= wanted)
      throw InputError("--lengths", fmt::format("{} tokens leave no room for text beside the facts", length));
    wanted -= piece.ids.size();
  }
  if (tokens_ < wanted) {
    throw InputError("--text", fmt::format("has {} tokens, but a context of {} needs {} beside its facts",
                                           tokens_, length, wanted));
  }
  size_t starts = 1;  // lines that leave enough behind them
  for (size_t rest = tokens_ - lines_[0].size(); rest >= wanted && starts < lines_.size(); ++starts)
    rest -= lines_[starts].size();
  const size_t first = start % starts;
  size_t end = first;
  size_t text_tokens = 0;
  while (end < lines_.size() && text_tokens + lines_[end].size() <= wanted)
    text_tokens += lines_[end++].size();

  std::vector<int32_t> ids;
  if (bos_ >= 0) ids.push_back(bos_);
  auto piece = pieces.begin();
  size_t seen = 0;
  for (size_t line = first; line <= end; ++line) {
    const bool last = line == end;
    while (piece != pieces.end() &&
           (last || static_cast<double>(seen) >= piece->depth * static_cast<double>(text_tokens))) {
      ids.insert(ids.end(), piece->ids.begin(), piece->ids.end());
      ++piece;
    }
    if (last) break;
    ids.insert(ids.end(), lines_[line].begin(), lines_[line].end());
    seen += lines_[line].size();
  }
  return ids;
}

}  // namespace razorscope
