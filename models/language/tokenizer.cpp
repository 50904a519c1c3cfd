#include "models/language/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <functional>
#include <limits>
#include <optional>
#include <unordered_map>

#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"
#include "models/language/gguf.hpp"
#include "models/language/pre_tokenizer.hpp"

namespace razorscope {
namespace {

constexpr const char* model_key = "tokenizer.ggml.model";
constexpr const char* pre_tokenizer_key = "tokenizer.ggml.pre";
constexpr const char* tokens_key = "tokenizer.ggml.tokens";
constexpr const char* merges_key = "tokenizer.ggml.merges";
constexpr const char* types_key = "tokenizer.ggml.token_type";
constexpr const char* bos_key = "tokenizer.ggml.bos_token_id";
constexpr const char* eos_key = "tokenizer.ggml.eos_token_id";
constexpr const char* unknown_key = "tokenizer.ggml.unknown_token_id";

enum class TokenType : uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

/// Spelled as it is, not in the byte alphabet.
bool is_literal(TokenType type) {
  return type == TokenType::unknown || type == TokenType::control || type == TokenType::user_defined;
}

/// GPT-2's byte alphabet: tokens are spelled with a printable character for each byte. Printable Latin-1
/// characters stand for themselves, the other bytes in order for U+0100 and up.
class ByteAlphabet {
 public:
  ByteAlphabet() {
    bytes_.fill(-1);
    unsigned next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
      const unsigned character = printable ? byte : next++;
      characters_.at(byte) = character;
      bytes_.at(character) = static_cast<int>(byte);
    }
  }

  std::string spell(unsigned byte) const {
    const unsigned character = characters_.at(byte);
    if (character < 0x80) return {static_cast<char>(character)};
    return {static_cast<char>(0xc0U | character >> 6U), static_cast<char>(0x80U | (character & 0x3fU))};
  }

  /// The bytes that a valid UTF-8 spelling stands for, or nothing where a character is not of the alphabet.
  std::optional<std::string> read(std::string_view spelling) const {
    std::string result;
    for (size_t i = 0; i < spelling.size(); ++i) {
      unsigned character = static_cast<unsigned char>(spelling[i]);
      if (character >= 0xe0) return std::nullopt;  // of three bytes or more
      if (character >= 0xc0) {
        character = (character & 0x1fU) << 6U | (static_cast<unsigned char>(spelling[++i]) & 0x3fU);
      }
      if (character >= bytes_.size() || bytes_.at(character) < 0) return std::nullopt;
      result += static_cast<char>(bytes_.at(character));
    }
    return result;
  }

 private:
  std::array<unsigned, 256> characters_{};
  std::array<int, 0x100 + 68> bytes_{};  // 68 bytes are not printable
};

/// Finds tokens that a text spells out: the leftmost, of those that begin there the longest.
class SpecialTokens {
 public:
  struct Match {
    size_t at;
    size_t length;
    int32_t id;
  };

  void add(std::string_view spelling, int32_t id) {
    if (spelling.empty()) return;
    begins_.at(static_cast<unsigned char>(spelling[0])) = true;
    size_t node = 0;
    for (const char c : spelling) {
      const auto [edge, added] = edges_.try_emplace(edge_key(node, c), ids_.size());
      if (added) ids_.push_back(-1);
      node = edge->second;
    }
    ids_[node] = id;
  }

  /// From `at` on; where there is none, the match is empty and at the end of the text.
  Match find(std::string_view text, size_t at) const {
    if (edges_.empty()) at = text.size();
    for (; at < text.size(); ++at) {
      if (!begins_[static_cast<unsigned char>(text[at])]) continue;
      Match match{at, 0, -1};
      size_t node = 0;
      for (size_t i = at; i < text.size(); ++i) {
        const auto edge = edges_.find(edge_key(node, text[i]));
        if (edge == edges_.end()) break;
        node = edge->second;
        if (ids_[node] >= 0) match = {at, i + 1 - at, ids_[node]};
      }
      if (match.length > 0) return match;
    }
    return {text.size(), 0, -1};
  }

 private:
  static uint64_t edge_key(size_t node, char c) {
    return uint64_t{node} << 8U | static_cast<unsigned char>(c);
  }

  std::unordered_map<uint64_t, size_t> edges_;  // of a trie, whose root is node 0
  std::vector<int32_t> ids_{-1};                // by node
  std::array<bool, 256> begins_{};
};

constexpr uint32_t no_rank = std::numeric_limits<uint32_t>::max();
constexpr size_t nowhere = std::numeric_limits<size_t>::max();

/// What the merges work on: ids, followed by the bytes that are no tokens themselves (vocabulary + byte).
using Symbol = int32_t;

uint64_t pair_key(Symbol left, Symbol right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32U | static_cast<uint32_t>(right);
}

PreTokenizer read_pre_tokenizer(const GgufFile& file) {
  const std::string model = file.text(model_key);
  if (model != "gpt2") {
    file.fail(model_key,
              fmt::format("'{}' is not read; allowed: gpt2 (byte-level BPE)", model.substr(0, 80)));
  }
  const std::string name = file.text(pre_tokenizer_key, "gpt-2");
  const auto names = PreTokenizer::names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    file.fail(pre_tokenizer_key, unknown_name("pre-tokenizer", name, names));
  }
  return PreTokenizer(name);
}

/// What the file says, in the form that encoding needs.
struct Vocabulary {
  explicit Vocabulary(const GgufFile& file);

  int32_t size() const { return static_cast<int32_t>(pieces.size()); }
  size_t index(int32_t id) const;

  std::string path;
  PreTokenizer pre_tokenizer;
  std::vector<std::string> pieces;
  std::vector<TokenType> types;
  SpecialTokens special;
  std::array<Symbol, 256> byte_symbols{};
  std::unordered_map<uint64_t, uint32_t> ranks;         // by pair_key
  std::vector<Symbol> merged;                           // by rank
  std::unordered_map<std::string_view, int32_t> words;  // ids of pieces, where whole words come first
  int32_t bos = -1;
  int32_t eos = -1;
  int32_t unknown = -1;

 private:
  using Symbols = std::unordered_map<std::string, Symbol>;
  void read_types(const GgufFile& file, size_t count);
  Symbols read_tokens(const GgufFile& file);
  void read_merges(const GgufFile& file, const Symbols& symbols);
};

Vocabulary::Vocabulary(const GgufFile& file)
    : path(file.path().string()), pre_tokenizer(read_pre_tokenizer(file)) {
  read_merges(file, read_tokens(file));
  const auto id = [&](const char* key) {
    return file.has(key) ? static_cast<int32_t>(file.integer(key, 0, size() - 1)) : -1;
  };
  bos = id(bos_key);
  eos = id(eos_key);
  unknown = id(unknown_key);
}

void Vocabulary::read_types(const GgufFile& file, size_t count) {
  types.assign(count, TokenType::normal);
  if (!file.has(types_key)) return;
  const std::vector<int64_t>& numbers = file.integers(types_key);
  if (numbers.size() != count) {
    file.fail(types_key, fmt::format("{} entries for {} tokens", numbers.size(), count));
  }
  for (size_t i = 0; i < count; ++i) {
    if (numbers[i] < 1 || numbers[i] > 6) {
      file.fail(types_key, fmt::format("entry {} is {}; allowed: 1 to 6", i, numbers[i]));
    }
    types[i] = static_cast<TokenType>(numbers[i]);
  }
}

Vocabulary::Symbols Vocabulary::read_tokens(const GgufFile& file) {
  const std::vector<std::string>& tokens = file.texts(tokens_key);
  if (tokens.empty()) file.fail(tokens_key, "the vocabulary is empty");
  if (tokens.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()) - 256) {
    file.fail(tokens_key, fmt::format("{} tokens are too many", tokens.size()));
  }
  read_types(file, tokens.size());
  const ByteAlphabet alphabet;
  Symbols symbols;
  symbols.reserve(tokens.size() + 256);
  pieces.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string& token = tokens[i];
    const auto id = static_cast<int32_t>(i);
    if (first_invalid_utf8(token) != std::string::npos) {
      file.fail(tokens_key, fmt::format("entry {} is not valid UTF-8", i));
    }
    const auto [first, added] = symbols.emplace(token, id);
    if (!added) file.fail(tokens_key, fmt::format("entries {} and {} are the same", first->second, i));
    if (types[i] == TokenType::control || types[i] == TokenType::user_defined) special.add(token, id);
    const bool literal = is_literal(types[i]);
    // Normal tokens may hold characters outside the alphabet, too; those are taken as they are.
    pieces.push_back(literal ? token : alphabet.read(token).value_or(token));
    if (pre_tokenizer.whole_words_first() && !literal) words.emplace(pieces.back(), id);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto symbol = static_cast<Symbol>(tokens.size() + byte);
    byte_symbols.at(byte) = symbols.emplace(alphabet.spell(byte), symbol).first->second;
  }
  return symbols;
}

void Vocabulary::read_merges(const GgufFile& file, const Symbols& symbols) {
  const std::vector<std::string>& merges = file.texts(merges_key);
  if (merges.size() >= no_rank) file.fail(merges_key, fmt::format("{} merges are too many", merges.size()));
  merged.assign(merges.size(), -1);
  ranks.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string& merge = merges[rank];
    const size_t space = merge.find(' ');
    if (space == 0 || space == std::string::npos || space + 1 == merge.size() ||
        merge.find(' ', space + 1) != std::string::npos) {
      file.fail(merges_key, fmt::format("entry {} is not two pieces with one space between them", rank));
    }
    const std::string left = merge.substr(0, space);
    const std::string right = merge.substr(space + 1);
    const auto left_symbol = symbols.find(left);
    const auto right_symbol = symbols.find(right);
    const auto result = symbols.find(left + right);
    // Nothing can come of a merge whose pieces or result are not in the vocabulary.
    if (left_symbol == symbols.end() || right_symbol == symbols.end() || result == symbols.end()) continue;
    merged[rank] = result->second;
    ranks.emplace(pair_key(left_symbol->second, right_symbol->second), static_cast<uint32_t>(rank));
  }
}

size_t Vocabulary::index(int32_t id) const {
  if (id < 0 || id >= size()) {
    throw InputError(path, fmt::format("token id {} is out of range; allowed: 0 to {}", id, size() - 1));
  }
  return static_cast<size_t>(id);
}

/// Encodes words of one text; what it has learnt about them is its own, so that threads share nothing.
class WordEncoder {
 public:
  explicit WordEncoder(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  /// `word` must outlive the encoder.
  void append(std::string_view word, std::vector<int32_t>& ids) {
    if (vocabulary_.pre_tokenizer.whole_words_first()) {
      if (const auto whole = vocabulary_.words.find(word); whole != vocabulary_.words.end()) {
        ids.push_back(whole->second);
        return;
      }
    }
    if (word.size() > longest_known) return merge(word, ids);
    if (const auto found = known_.find(word); found != known_.end()) {
      const auto first = known_ids_.begin() + static_cast<std::ptrdiff_t>(found->second.first);
      ids.insert(ids.end(), first, first + static_cast<std::ptrdiff_t>(found->second.second));
      return;
    }
    const size_t before = ids.size();
    merge(word, ids);
    if (known_.size() == most_known) {
      known_.clear();
      known_ids_.clear();
    }
    known_.emplace(word, std::pair{known_ids_.size(), ids.size() - before});
    known_ids_.insert(known_ids_.end(), ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end());
  }

 private:
  static constexpr size_t longest_known = 64;
  static constexpr size_t most_known = size_t{1} << 16U;

  struct Node {
    Symbol symbol;
    uint32_t rank;  // of the merge with the next node; no_rank where they do not merge
    size_t previous;
    size_t next;
  };
  struct Candidate {
    uint32_t rank;
    size_t at;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };

  /// The merge of the lowest rank comes first, of equal ones the leftmost. A heap holds the candidates, so
  /// that a word of a megabyte takes no more than n log n steps; those that an earlier merge made void are
  /// recognised by their rank.
  void merge(std::string_view word, std::vector<int32_t>& ids) {
    nodes_.clear();
    for (size_t i = 0; i < word.size(); ++i) {
      const Symbol symbol = vocabulary_.byte_symbols[static_cast<unsigned char>(word[i])];
      nodes_.push_back({symbol, no_rank, i == 0 ? nowhere : i - 1, i + 1 == word.size() ? nowhere : i + 1});
    }
    candidates_.clear();
    for (size_t i = 0; i + 1 < nodes_.size(); ++i) {
      if (update_rank(i)) candidates_.push_back({nodes_[i].rank, i});
    }
    std::make_heap(candidates_.begin(), candidates_.end(), std::greater<>());
    while (!candidates_.empty()) {
      std::pop_heap(candidates_.begin(), candidates_.end(), std::greater<>());
      const Candidate best = candidates_.back();
      candidates_.pop_back();
      Node& node = nodes_[best.at];
      if (node.rank != best.rank) continue;
      Node& absorbed = nodes_[node.next];
      node.symbol = vocabulary_.merged[best.rank];
      node.next = absorbed.next;
      absorbed.rank = no_rank;
      if (node.next != nowhere) nodes_[node.next].previous = best.at;
      offer(best.at);
      if (node.previous != nowhere) offer(node.previous);
    }
    for (size_t i = 0; i != nowhere; i = nodes_[i].next) ids.push_back(id_of(nodes_[i].symbol));
  }

  bool update_rank(size_t at) {
    Node& node = nodes_[at];
    node.rank = no_rank;
    if (node.next == nowhere) return false;
    const auto found = vocabulary_.ranks.find(pair_key(node.symbol, nodes_[node.next].symbol));
    if (found == vocabulary_.ranks.end()) return false;
    node.rank = found->second;
    return true;
  }

  void offer(size_t at) {
    if (!update_rank(at)) return;
    candidates_.push_back({nodes_[at].rank, at});
    std::push_heap(candidates_.begin(), candidates_.end(), std::greater<>());
  }

  int32_t id_of(Symbol symbol) const {
    if (symbol < vocabulary_.size()) return symbol;
    if (vocabulary_.unknown >= 0) return vocabulary_.unknown;
    throw InputError(
        vocabulary_.path, tokens_key,
        fmt::format("there is no token for the byte 0x{:02x}, which the text contains, and no {}",
                    symbol - vocabulary_.size(), unknown_key));
  }

  const Vocabulary& vocabulary_;
  std::vector<Node> nodes_;
  std::vector<Candidate> candidates_;
  std::unordered_map<std::string_view, std::pair<size_t, size_t>> known_;  // first and count in known_ids_
  std::vector<int32_t> known_ids_;
};

}  // namespace

struct Tokenizer::Tables : Vocabulary {
  using Vocabulary::Vocabulary;
};

Tokenizer::Tokenizer(const GgufFile& file) : tables_(std::make_unique<const Tables>(file)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text, size_t limit) const {
  std::vector<int32_t> ids;
  WordReader words(tables_->pre_tokenizer);
  WordEncoder encoder(*tables_);
  size_t at = 0;
  while (at < text.size() && ids.size() < limit) {
    const SpecialTokens::Match special = tables_->special.find(text, at);
    words.start(text.substr(at, special.at - at));
    while (ids.size() < limit) {
      const std::string_view word = words.next();
      if (word.empty()) break;
      encoder.append(word, ids);
    }
    if (special.length > 0 && ids.size() < limit) ids.push_back(special.id);
    at = special.at + special.length;
  }
  return ids;
}

std::string Tokenizer::piece(int32_t id) const { return tables_->pieces[tables_->index(id)]; }

std::string Tokenizer::decode(const std::vector<int32_t>& ids) const {
  std::string text;
  for (const int32_t id : ids) text += tables_->pieces[tables_->index(id)];
  return text;
}

int32_t Tokenizer::bos() const { return tables_->bos; }
int32_t Tokenizer::eos() const { return tables_->eos; }
int Tokenizer::vocabulary() const { return tables_->size(); }
bool Tokenizer::is_normal(int32_t id) const {
  return tables_->types[tables_->index(id)] == TokenType::normal;
}

}  // namespace razorscope
