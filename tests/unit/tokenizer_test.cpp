#include "models/language/tokenizer.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "models/base/error.hpp"
#include "models/language/gguf.hpp"
#include "models/language/pre_tokenizer.hpp"
#include "tests/support/gguf_writer.hpp"

namespace razorscope {
namespace {

using testing::GgufWriter;
using Ids = std::vector<int32_t>;
using Words = std::vector<std::string>;

enum : int32_t { normal = 1, unknown, control, user_defined };

Tokenizer load(const GgufWriter& writer) {
  static int count = 0;
  const auto path = std::filesystem::temp_directory_path() / ("tokenizer_test_" + std::to_string(::getpid()) +
                                                              "_" + std::to_string(count++) + ".gguf");
  struct Removal {
    const std::filesystem::path& path;
    ~Removal() { std::filesystem::remove(path); }
  } removal{path};
  writer.write(path);
  return Tokenizer(GgufFile(path));
}

const Tokenizer& tiny_alibi() {
  static const Tokenizer tokenizer(GgufFile(RAZORSCOPE_SOURCE_DIR "/models/language/data/tiny-alibi.gguf"));
  return tokenizer;
}

std::string to_utf8(uint32_t c) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  const auto next = [&](uint32_t shift) { return byte(0x80U | (c >> shift & 0x3fU)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0U | c >> 6U), next(0)};
  if (c < 0x10000) return {byte(0xe0U | c >> 12U), next(6), next(0)};
  return {byte(0xf0U | c >> 18U), next(12), next(6), next(0)};
}

/// The spelling of a byte in a vocabulary.
std::string symbol(unsigned byte) {
  std::vector<unsigned> shifted;
  for (unsigned b = 0; b < 256; ++b) {
    if (b <= 32 || (b >= 127 && b <= 160) || b == 173) shifted.push_back(b);
  }
  const auto found = std::find(shifted.begin(), shifted.end(), byte);
  return to_utf8(found == shifted.end() ? byte : 256 + static_cast<uint32_t>(found - shifted.begin()));
}

struct Special {
  std::string text;
  int32_t type;
};

/// The 256 bytes in order, so that the id of a byte is its value; then the merges' results; then `special`.
GgufWriter vocabulary(const std::vector<std::pair<std::string, std::string>>& merges,
                      const std::vector<Special>& special = {}, std::string_view pre_tokenizer = "gpt-2") {
  std::vector<std::string> tokens;
  std::vector<std::string> merge_texts;
  for (unsigned byte = 0; byte < 256; ++byte) tokens.push_back(symbol(byte));
  for (const auto& [left, right] : merges) {
    merge_texts.push_back(fmt::format("{} {}", left, right));
    const std::string result = left + right;
    if (std::find(tokens.begin(), tokens.end(), result) == tokens.end()) tokens.push_back(result);
  }
  std::vector<int32_t> types(tokens.size(), normal);
  for (const Special& token : special) {
    tokens.push_back(token.text);
    types.push_back(token.type);
  }
  return GgufWriter()
      .add_string("tokenizer.ggml.model", "gpt2")
      .add_string("tokenizer.ggml.pre", pre_tokenizer)
      .add_strings("tokenizer.ggml.tokens", tokens)
      .add_strings("tokenizer.ggml.merges", merge_texts)
      .add_i32s("tokenizer.ggml.token_type", types);
}

Words words_of(std::string_view pre_tokenizer, std::string_view text) {
  const PreTokenizer rule(pre_tokenizer);
  WordReader reader(rule);
  reader.start(text);
  Words words;
  for (std::string_view word = reader.next(); !word.empty(); word = reader.next()) words.emplace_back(word);
  return words;
}

std::string arbitrary_text() {
  const auto character =
      rc::gen::oneOf(rc::gen::inRange<uint32_t>(0, 0x80), rc::gen::inRange<uint32_t>(0, 0x3100),
                     rc::gen::inRange<uint32_t>(0, 0xd800), rc::gen::inRange<uint32_t>(0xe000, 0x110000));
  std::string text;
  for (const uint32_t c : *rc::gen::container<std::vector<uint32_t>>(character)) text += to_utf8(c);
  return text;
}

void expect_error(const GgufWriter& writer, const std::vector<std::string>& fragments) {
  try {
    load(writer);
    ADD_FAILURE() << "no error; expected one that contains " << fragments.front();
  } catch (const InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(".gguf: "), std::string::npos) << message;
    for (const std::string& fragment : fragments) {
      EXPECT_NE(message.find(fragment), std::string::npos)
          << "'" << fragment << "' is missing in: " << message;
    }
  }
}

// Ids from another implementation of the same vocabulary and merges.
TEST(TokenizerTest, EncodesAsAnIndependentImplementationDoes) {
  const std::vector<std::pair<std::string, Ids>> expected = {
      {"\n                GNU Free Documentation License\n                 Version 1.3, 3 November 2008\n",
       {199, 221, 221, 221, 221,  221, 221, 221, 221, 221, 221, 221,  221, 221, 221, 221, 526,
        46,  53,  533, 684, 1249, 67,  493, 326, 448, 491, 317, 1019, 199, 221, 221, 221, 221,
        221, 221, 221, 221, 221,  221, 221, 221, 221, 221, 221, 221,  700, 465, 336, 221, 17,
        14,  19,  12,  221, 19,   604, 618, 77,  752, 221, 18,  16,   16,  24,  199}},
      {"It's the model's 3rd try: 12345.67", {856, 7,   83, 263, 271, 544, 439, 7,  83, 221, 19, 82, 68,
                                              257, 530, 26, 221, 17,  18,  19,  20, 21, 14,  22, 23}},
      {"naïve café – “quoted” … 北京大学 😀",
       {913, 128, 108, 314, 279, 65,  70,  821, 221, 264, 242, 364, 401, 306, 275, 303, 221, 775,
        221, 162, 235, 246, 161, 119, 106, 162, 98,  101, 162, 256, 100, 221, 173, 254, 247, 223}},
      {"one\u00a0two\u3000three\u2028four\u0085five\vsix",
       {460, 421, 84, 87, 79, 160, 223, 223, 428, 684, 264, 102, 70, 459, 127, 228, 70, 503, 200, 83, 785}},
      {"the   the\n\n\nthe  ", {1012, 221, 221, 263, 199, 199, 199, 1012, 221, 221}},
  };
  for (const auto& [text, ids] : expected) {
    EXPECT_EQ(tiny_alibi().encode(text), ids) << text;
    EXPECT_EQ(tiny_alibi().decode(ids), text);
  }
}

TEST(TokenizerTest, KnowsTheSpecialIdsAndTypesOfTheFile) {
  const Tokenizer& tokenizer = tiny_alibi();
  EXPECT_EQ(tokenizer.vocabulary(), 2048);
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.eos(), 0);
  EXPECT_FALSE(tokenizer.is_normal(0));
  EXPECT_TRUE(tokenizer.is_normal(1));
}

TEST(TokenizerTest, HasNoBosOrEosWhereTheFileNamesNone) {
  const Tokenizer tokenizer = load(vocabulary({}));
  EXPECT_EQ(tokenizer.bos(), -1);
  EXPECT_EQ(tokenizer.eos(), -1);
}

TEST(TokenizerTest, HasTheBosThatTheFileNamesEvenIfItAsksNotToAddIt) {
  const Tokenizer tokenizer = load(vocabulary({}, {{"<s>", control}, {"</s>", control}})
                                       .add_bool("tokenizer.ggml.add_bos_token", false)
                                       .add_u32("tokenizer.ggml.bos_token_id", 256)
                                       .add_u32("tokenizer.ggml.eos_token_id", 257));
  EXPECT_EQ(tokenizer.bos(), 256);
  EXPECT_EQ(tokenizer.eos(), 257);
  EXPECT_EQ(tokenizer.encode("a"), Ids{'a'});
}

TEST(TokenizerTest, EncodesNothingAsNothing) { EXPECT_EQ(tiny_alibi().encode(""), Ids{}); }

RC_GTEST_PROP(TokenizerTest, DecodesWhatItEncodedToTheSameText, ()) {
  const std::string text = arbitrary_text();
  RC_ASSERT(tiny_alibi().decode(tiny_alibi().encode(text)) == text);
}

RC_GTEST_PROP(TokenizerTest, GivesAPrefixOfAtLeastTheLimit, ()) {
  const std::string text = arbitrary_text() + "<|endoftext|>" + arbitrary_text();
  const Ids all = tiny_alibi().encode(text);
  const auto limit = *rc::gen::inRange<size_t>(0, all.size() + 2);
  const Ids some = tiny_alibi().encode(text, limit);
  RC_ASSERT(some.size() >= std::min(limit, all.size()));
  RC_ASSERT(some.size() <= all.size());
  RC_ASSERT(std::equal(some.begin(), some.end(), all.begin()));
}

TEST(TokenizerTest, StopsAfterTheWordThatReachesTheLimit) {
  const Tokenizer tokenizer = load(vocabulary({}));
  EXPECT_EQ(tokenizer.encode("ab cd ef", 0), Ids{});
  EXPECT_EQ(tokenizer.encode("ab cd ef", 2), (Ids{'a', 'b'}));
  EXPECT_EQ(tokenizer.encode("ab cd ef", 3), (Ids{'a', 'b', ' ', 'c', 'd'}));
}

/// What merging means, without regard to time: the pair of the lowest rank, the leftmost of equal ones, again
/// and again.
Words merge_plainly(const std::string& word, const std::vector<std::pair<std::string, std::string>>& merges) {
  Words pieces;
  for (const char c : word) pieces.emplace_back(1, c);
  while (true) {
    size_t best_rank = merges.size();
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < pieces.size(); ++i) {
      const auto found = std::find(merges.begin(), merges.end(), std::pair(pieces[i], pieces[i + 1]));
      const auto rank = static_cast<size_t>(found - merges.begin());
      if (rank < best_rank) {
        best_rank = rank;
        best_at = i;
      }
    }
    if (best_rank == merges.size()) return pieces;
    pieces[best_at] += pieces[best_at + 1];
    pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

RC_GTEST_PROP(TokenizerTest, MergesByRankThenFromTheLeft, ()) {
  const auto letter = rc::gen::inRange('a', 'd');
  std::vector<std::string> pieces = {"a", "b", "c"};
  std::vector<std::pair<std::string, std::string>> merges;
  const int count = *rc::gen::inRange(0, 12);
  for (int i = 0; i < count; ++i) {
    const auto merge = std::pair(*rc::gen::elementOf(pieces), *rc::gen::elementOf(pieces));
    if (std::find(merges.begin(), merges.end(), merge) != merges.end()) continue;
    merges.push_back(merge);
    pieces.push_back(merge.first + merge.second);
  }
  // Out of order, so that a merge may give rise to one of a lower rank.
  const auto swapped = *rc::gen::inRange<size_t>(0, merges.size() + 1);
  std::rotate(merges.begin(), merges.begin() + static_cast<std::ptrdiff_t>(swapped), merges.end());
  const Tokenizer tokenizer = load(vocabulary(merges));
  const auto word = *rc::gen::container<std::string>(letter);
  Words got;
  for (const int32_t id : tokenizer.encode(word)) got.push_back(tokenizer.piece(id));
  RC_ASSERT(got == merge_plainly(word, merges));
}

TEST(TokenizerTest, EncodesAWordOfMegabytes) {
  const Tokenizer tokenizer = load(vocabulary({{"a", "a"}, {"aa", "aa"}}));
  const int32_t four = 257;
  EXPECT_EQ(tokenizer.encode(std::string(size_t{3} << 20U, 'a')), Ids((size_t{3} << 20U) / 4, four));
}

TEST(TokenizerTest, RemembersWordsWithoutMixingThemUp) {
  const Tokenizer tokenizer = load(vocabulary({{"1", "2"}}));
  std::string text;
  for (int round = 0; round < 2; ++round) {  // more words than are remembered
    for (int i = 100000; i < 180000; ++i) text += std::to_string(i) + "\n";
  }
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(TokenizerTest, SkipsMergesOutsideTheVocabulary) {
  GgufWriter writer = vocabulary({{"a", "b"}});
  writer.add_strings("tokenizer.ggml.merges", {"x y", "zz z", "a b"});
  EXPECT_EQ(load(writer).encode("abxyzzz"), (Ids{256, 'x', 'y', 'z', 'z', 'z'}));
}

TEST(TokenizerTest, KeepsTheFirstRankOfAMergeThatIsListedTwice) {
  GgufWriter writer = vocabulary({{"a", "b"}, {"b", "c"}});
  writer.add_strings("tokenizer.ggml.merges", {"a b", "b c", "a b"});
  EXPECT_EQ(load(writer).encode("abc"), (Ids{256, 'c'}));
}

TEST(TokenizerTest, ReplacesBytesWithoutATokenByTheUnknownToken) {
  const GgufWriter writer = GgufWriter()
                                .add_string("tokenizer.ggml.model", "gpt2")
                                .add_strings("tokenizer.ggml.tokens", {"<unk>", "a", "bc"})
                                .add_strings("tokenizer.ggml.merges", {"b c"})
                                .add_u32("tokenizer.ggml.unknown_token_id", 0);
  EXPECT_EQ(load(writer).encode("abcb"), (Ids{1, 2, 0}));  // bc exists even though b and c do not
}

TEST(TokenizerTest, ReportsBytesWithoutATokenWhereThereIsNoUnknownToken) {
  const Tokenizer tokenizer = load(GgufWriter()
                                       .add_string("tokenizer.ggml.model", "gpt2")
                                       .add_strings("tokenizer.ggml.tokens", {"a"})
                                       .add_strings("tokenizer.ggml.merges", {}));
  EXPECT_EQ(tokenizer.encode("a"), Ids{0});
  EXPECT_THROW(tokenizer.encode("ab"), InputError);
}

TEST(TokenizerTest, TakesAbsentTypesAsNormalAndAnAbsentPreTokenizerAsGpt2) {
  const Tokenizer tokenizer = load(vocabulary({{"1", "2"}}, {{"<x>", control}})
                                       .remove("tokenizer.ggml.token_type")
                                       .remove("tokenizer.ggml.pre"));
  EXPECT_TRUE(tokenizer.is_normal(257));
  EXPECT_EQ(tokenizer.encode("12<x>"), (Ids{256, '<', 'x', '>'}));
}

TEST(TokenizerTest, TurnsSpelledOutSpecialTokensIntoTheirIds) {
  const Tokenizer tokenizer = load(vocabulary(
      {{"a", "<"}, {"a", "b"}},
      {{"<|s|>", control}, {"<|s|>x", control}, {"  é", user_defined}, {"<|n|>", normal}, {"<u>", unknown}}));
  const int32_t s = 258;
  const int32_t sx = 259;
  const int32_t spaces = 260;
  EXPECT_EQ(tokenizer.encode("<|s|>"), Ids{s});
  EXPECT_EQ(tokenizer.encode("a<|s|>ab<|s|><|s|>"), (Ids{'a', s, 257, s, s}));
  EXPECT_EQ(tokenizer.encode("<|s|>x"), Ids{sx}) << "the longest wins";
  EXPECT_EQ(tokenizer.encode("<|s|"), (Ids{'<', '|', 's', '|'}));
  EXPECT_EQ(tokenizer.encode("<<|s|>"), (Ids{'<', s}));
  EXPECT_EQ(tokenizer.encode("   é"), (Ids{' ', spaces})) << "user-defined ones are spelled as they are";
  EXPECT_EQ(tokenizer.encode("<|n|>"), (Ids{'<', '|', 'n', '|', '>'})) << "normal tokens are not special";
  EXPECT_EQ(tokenizer.encode("<u>"), (Ids{'<', 'u', '>'})) << "nor is the unknown one";
  EXPECT_EQ(tokenizer.decode({s, spaces, 'a'}), "<|s|>  éa");
}

TEST(TokenizerTest, PrefersWholeWordsToMergesWhereThePreTokenizerSaysSo) {
  const std::vector<std::pair<std::string, std::string>> merges = {{"b", "c"}, {"a", "b"}, {"ab", "c"}};
  EXPECT_EQ(load(vocabulary(merges, {}, "gpt-2")).encode("abc"), (Ids{'a', 256}));
  EXPECT_EQ(load(vocabulary(merges, {}, "llama-bpe")).encode("abc abcx"), (Ids{258, ' ', 'a', 256, 'x'}));
}

TEST(TokenizerTest, GivesThePiecesOfIds) {
  const Tokenizer tokenizer = load(vocabulary({{"Ġ", "a"}}, {{"北", normal}}));
  EXPECT_EQ(tokenizer.piece(256), " a");
  EXPECT_EQ(tokenizer.piece(257), "北") << "outside the byte alphabet: as it is";
  for (int32_t byte = 0; byte < 256; ++byte)
    EXPECT_EQ(tokenizer.piece(byte), std::string(1, static_cast<char>(byte)));
}

TEST(TokenizerTest, RefusesIdsOutOfTheVocabulary) {
  EXPECT_THROW(tiny_alibi().piece(-1), InputError);
  EXPECT_THROW(tiny_alibi().piece(2048), InputError);
  EXPECT_THROW(tiny_alibi().decode({1, 2048}), InputError);
  EXPECT_THROW(tiny_alibi().is_normal(2048), InputError);
}

TEST(TokenizerTest, CanBeMoved) {
  Tokenizer first = load(vocabulary({}));
  const Tokenizer second = std::move(first);
  EXPECT_EQ(second.encode("a"), Ids{'a'});
}

TEST(TokenizerTest, EncodesInSeveralThreadsAtOnce) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "word" + std::to_string(i * 7919) + " the <|endoftext|> é";
  const Ids expected = tiny_alibi().encode(text);
  std::vector<Ids> got(4);
  std::vector<std::thread> threads;
  threads.reserve(got.size());
  for (Ids& ids : got) threads.emplace_back([&ids, &text] { ids = tiny_alibi().encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : got) EXPECT_EQ(ids, expected);
}

TEST(TokenizerTest, SurvivesTextThatIsNotUtf8) {
  std::string text = "\xc3 \xff\xfe a\x80z \xf0\x9f\x98";
  EXPECT_EQ(tiny_alibi().decode(tiny_alibi().encode(text)), text);
}

TEST(TokenizerTest, RefusesOtherKindsOfTokenizer) {
  expect_error(vocabulary({}).add_string("tokenizer.ggml.model", "llama"),
               {"tokenizer.ggml.model", "'llama'", "gpt2 (byte-level BPE)"});
  expect_error(vocabulary({}).remove("tokenizer.ggml.model"), {"tokenizer.ggml.model"});
}

TEST(TokenizerTest, RefusesUnknownPreTokenizersAndNamesTheKnownOnes) {
  expect_error(vocabulary({}, {}, "qwen3"), {"tokenizer.ggml.pre", "'qwen3'", "did you mean 'qwen2'",
                                             "gpt-2, gpt2, smollm, llama-bpe, qwen2"});
}

TEST(TokenizerTest, RefusesFaultyTables) {
  const std::string tokens = "tokenizer.ggml.tokens";
  const std::string merges = "tokenizer.ggml.merges";
  const std::string types = "tokenizer.ggml.token_type";
  expect_error(vocabulary({}).remove(tokens), {tokens});
  expect_error(vocabulary({}).remove(merges), {merges});
  expect_error(vocabulary({}).add_strings(tokens, {}), {tokens, "empty"});
  expect_error(vocabulary({}, {{"x", normal}}), {tokens, "entries 120 and 256 are the same"});
  expect_error(vocabulary({}, {{"\xff", control}}), {tokens, "entry 256 is not valid UTF-8"});
  expect_error(vocabulary({}).add_i32s(types, {1, 1}), {types, "2 entries for 256 tokens"});
  expect_error(vocabulary({}, {{"x y", 7}}), {types, "entry 256 is 7", "1 to 6"});
  for (const char* merge : {"ab", "", " ", "a ", " b", "a b c", "a  b"}) {
    expect_error(vocabulary({}).add_strings(merges, {"a b", merge}), {merges, "entry 1 is not two pieces"});
  }
  for (const char* key : {"bos_token_id", "eos_token_id", "unknown_token_id"}) {
    expect_error(vocabulary({}).add_u32(std::string("tokenizer.ggml.") + key, 256), {key, "256"});
  }
}

TEST(PreTokenizerTest, CutsAsGpt2Does) {
  for (const char* name : {"gpt-2", "gpt2"}) {
    EXPECT_EQ(words_of(name, "It's we'll they'Re  x1²Ⅷ!? ...\n\n\tend  "),
              (Words{"It", "'s", " we", "'ll", " they", "'", "Re", " ", " x", "1²Ⅷ", "!?", " ...", "\n\n",
                     "\t", "end", "  "}));
  }
}

TEST(PreTokenizerTest, IsolatesNumberCharactersForSmollm) {
  EXPECT_EQ(
      words_of("smollm", "a1 23  4 ²٣Ⅷ½'s 5's  x"),
      (Words{"a", "1", " ", "2", "3", "  ", "4", " ", "²", "٣", "Ⅷ", "½", "'s", " ", "5", "'s", " ", " x"}));
}

TEST(PreTokenizerTest, CutsAsLlama3Does) {
  EXPECT_EQ(words_of("llama-bpe", "IT'S it'ſ (word 1234567 ok!\n\n  \n  x\t\ty"),
            (Words{"IT", "'S", " it", "'ſ", " (", "word", " ", "123", "456", "7", " ok", "!\n\n", "  \n", " ",
                   " x", "\t", "\ty"}));
}

TEST(PreTokenizerTest, CutsAsQwen2Does) {
  EXPECT_EQ(words_of("qwen2", "IT'S (word 123 ok!\n\n  \n  x"),
            (Words{"IT", "'S", " (", "word", " ", "1", "2", "3", " ok", "!\n\n", "  \n", " ", " x"}));
}

TEST(PreTokenizerTest, TakesExactlyTheUnicodeWhiteSpaceForSpace) {
  for (const char* space :
       {"\t", "\v", "\f", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u202f", "\u3000"}) {
    EXPECT_EQ(words_of("gpt-2", std::string("!") + space + "!"), (Words{"!", space, "!"}));
  }
  for (const char* other : {"\u180e", "\u200b", "\ufeff", "\x1c", "\x1f"}) {
    EXPECT_EQ(words_of("gpt-2", std::string("!") + other + "!"), Words{std::string("!") + other + "!"});
  }
}

TEST(PreTokenizerTest, CutsLongRunsOfAnything) {
  const size_t length = size_t{2} << 20U;
  for (const std::string& name : PreTokenizer::names()) {
    const std::string letters(length, 'a');
    EXPECT_EQ(words_of(name, letters).size(), 1U) << name;
    EXPECT_EQ(words_of(name, std::string(length, '!')).size(), 1U) << name;
    EXPECT_EQ(words_of(name, std::string(length, '\n') + letters).back(), letters) << name;
    EXPECT_EQ(words_of(name, std::string(length, ' ') + "a").size(), 2U) << name;
  }
}

RC_GTEST_PROP(PreTokenizerTest, LosesNothing, ()) {
  const std::string text = arbitrary_text();
  const auto name = *rc::gen::elementOf(PreTokenizer::names());
  std::string joined;
  for (const std::string& word : words_of(name, text)) joined += word;
  RC_ASSERT(joined == text);
}

TEST(PreTokenizerTest, RefusesUnknownNames) { EXPECT_THROW(PreTokenizer("gpt3"), std::invalid_argument); }

}  // namespace
}  // namespace razorscope
