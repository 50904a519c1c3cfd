#include "models/base/error.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <utility>
#include <vector>

#include "models/base/buffer.hpp"
#include "models/base/machine.hpp"
#include "models/base/mapped_file.hpp"
#include "models/base/parallel.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::TemporaryFolder;
using Names = std::vector<std::string>;
constexpr size_t npos = std::string::npos;

TEST(InputErrorTest, NamesPlaceKeyAndProblem) {
  EXPECT_STREQ(InputError("a.gguf", "is empty").what(), "a.gguf: is empty");
  EXPECT_STREQ(InputError("a.gguf", "version", "2 is not read").what(), "a.gguf: version: 2 is not read");
}

TEST(NearestNameTest, FindsTheNameThatWasMeant) {
  const Names names = {"window", "razor", "full", "occam"};
  EXPECT_EQ(nearest_name("windw", names), "window");
  EXPECT_EQ(nearest_name("WINDOW", names), "window") << "case does not count";
  EXPECT_EQ(nearest_name("razro", names), "") << "two edits in five letters are more than a third";
  EXPECT_EQ(nearest_name("razo", names), "razor");
  EXPECT_EQ(nearest_name("fll", names), "full");
  EXPECT_EQ(nearest_name("xoccamx", names), "occam");
}

TEST(NearestNameTest, FindsNothingWhereNothingIsNear) {
  const Names names = {"window", "razor"};
  EXPECT_EQ(nearest_name("quantile", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name("razor", {}), "");
  EXPECT_EQ(nearest_name(std::string(100000, 'r'), names), "")
      << "and takes no time for what is no name at all";
}

TEST(NearestNameTest, TakesTheNearestAndOfEquallyNearOnesTheFirst) {
  EXPECT_EQ(nearest_name("sinks", {"sinkss", "sinks"}), "sinks");
  EXPECT_EQ(nearest_name("abcd", {"abcx", "abcy"}), "abcx");
}

TEST(NearestNameTest, IsInTheMessageWithAllAllowedNames) {
  EXPECT_EQ(unknown_name("codec", "q8", {"q8_0", "f16"}), "unknown codec 'q8'; allowed: q8_0, f16");
  EXPECT_EQ(unknown_name("codec", "q80", {"q8_0", "f16"}),
            "unknown codec 'q80' (did you mean 'q8_0'?); allowed: q8_0, f16");
  EXPECT_LT(unknown_name("codec", std::string(5000, 'x'), {"f16"}).size(), 200U);
}

TEST(Utf8Test, AcceptsTheShortestAndLongestSequencesOfEachLength) {
  for (const std::string& text :
       {std::string(""), std::string(1, '\0'), std::string("\x7f"), std::string("\xc2\x80"),
        std::string("\xdf\xbf"), std::string("\xe0\xa0\x80"), std::string("\xed\x9f\xbf"),
        std::string("\xee\x80\x80"), std::string("\xef\xbf\xbf"), std::string("\xf0\x90\x80\x80"),
        std::string("\xf4\x8f\xbf\xbf")}) {
    EXPECT_EQ(first_invalid_utf8(text), npos);
    EXPECT_EQ(first_invalid_utf8("a" + text + "z"), npos);
  }
}

TEST(Utf8Test, NamesWhereTheFirstFaultySequenceBegins) {
  const std::vector<std::pair<const char*, const char*>> faults = {
      {"overlong, 2 bytes", "\xc0\x80"},
      {"overlong, 2 bytes, the last", "\xc1\xbf"},
      {"overlong, 3 bytes", "\xe0\x80\x80"},
      {"overlong, 3 bytes, the last", "\xe0\x9f\xbf"},
      {"overlong, 4 bytes", "\xf0\x80\x80\x80"},
      {"overlong, 4 bytes, the last", "\xf0\x8f\xbf\xbf"},
      {"first surrogate", "\xed\xa0\x80"},
      {"last surrogate", "\xed\xbf\xbf"},
      {"surrogate pair", "\xed\xa0\xbd\xed\xb8\x80"},
      {"beyond U+10FFFF", "\xf4\x90\x80\x80"},
      {"5 bytes", "\xf8\x88\x80\x80\x80"},
      {"never a byte of UTF-8", "\xff"},
      {"lone continuation", "\x80"},
      {"truncated after 1 of 2", "\xc3"},
      {"truncated after 1 of 3", "\xe2"},
      {"truncated after 2 of 3", "\xe2\x82"},
      {"truncated after 1 of 4", "\xf0"},
      {"truncated after 3 of 4", "\xf0\x9f\x98"},
  };
  for (const auto& [name, bytes] : faults) {
    EXPECT_EQ(first_invalid_utf8(bytes), 0U) << name;
    EXPECT_EQ(first_invalid_utf8(std::string("é€😀a") + bytes), 10U) << name;
    EXPECT_EQ(first_invalid_utf8(std::string("é€😀a") + bytes + "a"), 10U) << name;
  }
}

/// Length of the sequence at `at` by the Unicode standard's table of well-formed sequences (3-7), 0 where
/// there is none.
size_t well_formed_length(const std::string& text, size_t at) {
  const auto in = [&](size_t i, unsigned low, unsigned high) {
    if (at + i >= text.size()) return false;
    const auto byte = static_cast<unsigned char>(text[at + i]);
    return byte >= low && byte <= high;
  };
  const auto rest = [&](size_t from, size_t to) {
    for (size_t i = from; i <= to; ++i) {
      if (!in(i, 0x80, 0xbf)) return false;
    }
    return true;
  };
  if (in(0, 0x00, 0x7f)) return 1;
  if (in(0, 0xc2, 0xdf) && rest(1, 1)) return 2;
  if (in(0, 0xe0, 0xe0) && in(1, 0xa0, 0xbf) && rest(2, 2)) return 3;
  if (in(0, 0xe1, 0xec) && rest(1, 2)) return 3;
  if (in(0, 0xed, 0xed) && in(1, 0x80, 0x9f) && rest(2, 2)) return 3;
  if (in(0, 0xee, 0xef) && rest(1, 2)) return 3;
  if (in(0, 0xf0, 0xf0) && in(1, 0x90, 0xbf) && rest(2, 3)) return 4;
  if (in(0, 0xf1, 0xf3) && rest(1, 3)) return 4;
  if (in(0, 0xf4, 0xf4) && in(1, 0x80, 0x8f) && rest(2, 3)) return 4;
  return 0;
}

RC_GTEST_PROP(Utf8Test, AgreesWithTheUnicodeTable, ()) {
  // Bytes near the borders of the ranges, or any.
  const auto byte = rc::gen::oneOf(
      rc::gen::elementOf(std::vector<int>{0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf,
                                          0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5}),
      rc::gen::inRange(0, 256));
  std::string text;
  for (const int b : *rc::gen::container<std::vector<int>>(byte)) text += static_cast<char>(b);
  size_t expected = npos;
  for (size_t at = 0; at < text.size() && expected == npos;) {
    const size_t length = well_formed_length(text, at);
    if (length == 0) expected = at;
    at += length;
  }
  RC_ASSERT(first_invalid_utf8(text) == expected);
}

TEST(ReadUtf8FileTest, GivesTheTextOrNamesTheFault) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_utf8_file(folder.write("good.txt", "naïve\n")), "naïve\n");
  const auto bad = folder.write("bad.txt", "ab\xff");
  expect_input_error([&] { read_utf8_file(bad); }, {bad.string(), "not valid UTF-8", "0xff", "offset 2"});
  const auto empty = folder.write("empty.txt", "");
  expect_input_error([&] { read_utf8_file(empty); }, {empty.string(), "is empty"});
}

TEST(MappedFileTest, MapsTheWholeFile) {
  const TemporaryFolder folder;
  const auto path = folder.write("file", "abc");
  MappedFile first(path);
  const MappedFile file(std::move(first));
  EXPECT_EQ(file.path(), path);
  ASSERT_EQ(file.bytes().size(), 3U);
  EXPECT_EQ(file.bytes()[2], std::byte{'c'});
}

TEST(MappedFileTest, RefusesWhatIsNoReadableFile) {
  const TemporaryFolder folder;
  const auto open = [](const std::filesystem::path& path) { return [path] { const MappedFile file(path); }; };
  expect_input_error(open(folder / "none"), {(folder / "none").string(), "cannot be opened"});
  expect_input_error(open(folder.path()), {folder.path().string(), "is not a regular file"});
  expect_input_error(open("/dev/null"), {"/dev/null: is not a regular file"});
  expect_input_error(open(folder.write("empty", "")), {"empty: is empty"});
  expect_input_error(open(folder / std::string(5000, 'x')), {"cannot be opened"});
}

TEST(Sha256Test, GivesThePublishedDigests) {
  EXPECT_EQ(sha256_hex(std::string_view()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(FormatBytesTest, TakesTheUnitThatFits) {
  EXPECT_EQ(format_bytes(17), "17 B");
  EXPECT_EQ(format_bytes(12.0 * 1024), "12.0 KiB");
  EXPECT_EQ(format_bytes(1.5 * 1024 * 1024 * 1024), "1.5 GiB");
}

TEST(MemoryTest, RefusesWhatDoesNotFitWithBothFigures) {
  EXPECT_NO_THROW(refuse_beyond_memory("record", "the cache", 1000));
  EXPECT_GT(available_memory(), size_t{1} << 20U);
  expect_input_error([] { refuse_beyond_memory("record", "the cache", size_t{1} << 60U); },
                     {"record: ", "the cache", "1048576.0 TiB", "iB are free"});
}

TEST(FloatsTest, AreAlignedAtEverySize) {
  for (const size_t count : {size_t{1}, size_t{17}, size_t{1} << 20U, (size_t{1} << 20U) + 1}) {
    Floats floats(count);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(floats.data()) % 64, 0U) << count;
    floats[0] = 1.0F;
    floats[count - 1] = 2.0F;
    EXPECT_EQ(floats.size(), count);
  }
  EXPECT_TRUE(Floats().empty());
  EXPECT_TRUE(Floats(0).empty());
}

TEST(ParallelForTest, RunsEveryTaskOnce) {
  std::vector<std::atomic<int>> runs(1000);
  parallel_for(1000, [&](int i) { ++runs[static_cast<size_t>(i)]; });
  for (const auto& count : runs) EXPECT_EQ(count, 1);
}

TEST(ParallelForTest, ThrowsWhatATaskThrewAfterAllHaveRun) {
  std::atomic<int> runs = 0;
  const auto task = [&](int i) {
    ++runs;
    if (i % 2 == 1) throw InputError("task", "odd");
  };
  EXPECT_THROW(parallel_for(100, task), InputError);
  EXPECT_EQ(runs, 100);
}

}  // namespace
}  // namespace razorscope
