#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

#include "sim/serving/workloads/text_reader.hpp"
#include "sim/serving/workloads/workload_source.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::TemporaryFolder;

constexpr const char* azure_text =
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
    "2023-12-31 23:59:58.9799600,4808,10\r\n"
    "2024-01-01 00:00:00.0319600,3180,8\r\n"
    "2024-03-01 00:00:00.0000001,110,27";
constexpr const char* mooncake_text =
    R"({"timestamp": 3000, "input_length": 1025, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 3000, "input_length": 512, "output_length": 7, "hash_ids": [0]}
{"timestamp": 6000, "input_length": 40, "output_length": 1}
)";
constexpr const char* vidur_text =
    "num_decode_tokens,request,arrived_at,num_prefill_tokens\n"
    "5,a,0.5,100\n"
    "6,b,1e1,200\n";
constexpr const char* log_text =
    R"({"request_id": "bench-0", "input_toks": 2358, "output_toks": 531, "arrival_time": 1787267980.5}
{"request_id": "bench-1", "input_toks": 10, "output_toks": 1, "arrival_time": 1787267981.25}
)";
constexpr const char* conversations_text = R"([
  {"id": "a", "conversations": [
    {"from": "human", "value": "12345678"}, {"from": "gpt", "value": "12345"}, {"from": "human", "value": "x"}]},
  {"id": "b", "conversations": []},
  {"id": "c", "conversations": [
    {"from": "system", "value": "{}[]\"\\"}, {"from": "gpt", "value": "before any prompt"},
    {"from": "user", "value": "1"}, {"from": "assistant", "value": "1234\u00e9"}]}
]
)";

class WorkloadFiles : public ::testing::Test {
 protected:
  Workload load(std::string_view text, const WorkloadOptions& options = {}) const {
    return load_workload(folder_.write("workload", text).string(), options);
  }
  void refuses(std::string_view text, const std::vector<std::string>& fragments,
               const WorkloadOptions& options = {}) const {
    expect_input_error([&] { load(text, options); }, fragments);
  }

  TemporaryFolder folder_;
};

std::vector<double> arrivals(const Workload& workload) {
  std::vector<double> out;
  for (const Request& request : workload.requests) out.push_back(request.arrival);
  return out;
}
std::vector<int> inputs(const Workload& workload) {
  std::vector<int> out;
  for (const Request& request : workload.requests) out.push_back(request.input_tokens);
  return out;
}
std::vector<int> outputs(const Workload& workload) {
  std::vector<int> out;
  for (const Request& request : workload.requests) out.push_back(request.output_tokens);
  return out;
}

TEST_F(WorkloadFiles, AzureCountsAcrossMidnightAndMonthsToATenthOfAMicrosecond) {
  const Workload workload = load(azure_text);
  EXPECT_EQ(inputs(workload), (std::vector<int>{4808, 3180, 110}));
  EXPECT_EQ(outputs(workload), (std::vector<int>{10, 8, 27}));
  ASSERT_EQ(workload.requests.size(), 3U);
  EXPECT_EQ(workload.requests[0].arrival, 0.0);
  EXPECT_NEAR(workload.requests[1].arrival, 1.052, 1e-12);
  // 2024 is a leap year: 31 + 29 days, and 1.0200401 s of the old year.
  EXPECT_NEAR(workload.requests[2].arrival, 60 * 86400 + 1.0200401, 1e-8);
  EXPECT_EQ(workload.name, "workload");
  EXPECT_EQ(workload.note, "");
  EXPECT_EQ(workload.hash_block_tokens, 0);
}

TEST_F(WorkloadFiles, AzureReadsZonesAndOtherColumns) {
  const Workload workload = load(
      "\xEF\xBB\xBFGeneratedTokens, TIMESTAMP ,ContextTokens\n"
      "1,2024-05-10 00:00:00.009930+00:00,2\n"
      "3,2024-05-10T02:00:01Z,4\n\n"
      "5,2024-05-10 04:00:02+02:00,6\n\n");
  EXPECT_EQ(inputs(workload), (std::vector<int>{2, 4, 6}));
  EXPECT_NEAR(workload.requests[1].arrival, 7200.99007, 1e-9);
  EXPECT_NEAR(workload.requests[2].arrival, 7201.99007, 1e-9);
}

TEST_F(WorkloadFiles, MooncakeKeepsItsStepsAndItsHashes) {
  const Workload workload = load(mooncake_text);
  EXPECT_EQ(arrivals(workload), (std::vector<double>{0.0, 0.0, 3.0}));
  EXPECT_EQ(inputs(workload), (std::vector<int>{1025, 512, 40}));
  EXPECT_EQ(outputs(workload), (std::vector<int>{500, 7, 1}));
  EXPECT_EQ(workload.hash_block_tokens, 512);
  EXPECT_EQ(workload.requests[0].prefix_hashes, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(workload.requests[2].prefix_hashes, std::vector<int64_t>{});
}

TEST_F(WorkloadFiles, VidurTakesItsColumnsByName) {
  const Workload workload = load(vidur_text);
  EXPECT_EQ(arrivals(workload), (std::vector<double>{0.0, 9.5}));
  EXPECT_EQ(inputs(workload), (std::vector<int>{100, 200}));
  EXPECT_EQ(outputs(workload), (std::vector<int>{5, 6}));
}

TEST_F(WorkloadFiles, ABenchmarksLogBeginsAtItsFirstArrival) {
  const Workload workload = load(log_text);
  EXPECT_EQ(arrivals(workload), (std::vector<double>{0.0, 0.75}));
  EXPECT_EQ(inputs(workload), (std::vector<int>{2358, 10}));
  EXPECT_EQ(outputs(workload), (std::vector<int>{531, 1}));
}

TEST_F(WorkloadFiles, ConversationsAreEstimatedAndSaySo) {
  const Workload workload = load(conversations_text);
  EXPECT_EQ(inputs(workload), (std::vector<int>{2, 1}));
  EXPECT_EQ(outputs(workload), (std::vector<int>{2, 2})) << "5 and 6 bytes";
  EXPECT_EQ(arrivals(workload), (std::vector<double>{0.0, 0.0}));
  for (const char* part : {"4 bytes", "answered prompt: 1", "no arrivals"})
    EXPECT_NE(workload.note.find(part), std::string::npos) << workload.note;
}

TEST_F(WorkloadFiles, AnArrayOfObjectsReadsAsItsLinesDo) {
  std::string array = "[";
  for (const char c : std::string(log_text)) array += c == '\n' ? ',' : c;
  array.back() = ']';
  EXPECT_EQ(arrivals(load(array)), arrivals(load(log_text)));
  EXPECT_EQ(inputs(load(array)), inputs(load(log_text)));
}

TEST_F(WorkloadFiles, UnsortedArrivalsAreSortedAndCounted) {
  const std::string header = "arrived_at,num_prefill_tokens,num_decode_tokens\n";
  const Workload workload = load(header + "5,1,1\n3,2,1\n9,3,1\n5,4,1\n9,5,1\n");
  EXPECT_EQ(inputs(workload), (std::vector<int>{2, 1, 4, 3, 5})) << "equal ones in the file's order";
  EXPECT_EQ(arrivals(workload), (std::vector<double>{0.0, 2.0, 2.0, 6.0, 6.0}));
  EXPECT_NE(workload.note.find("2 of 5"), std::string::npos) << workload.note;
}

TEST_F(WorkloadFiles, SortingMovesWholeRequests) {
  std::mt19937_64 random(3);
  std::string text;
  std::vector<std::pair<int, int>> expected;  // time, line
  for (int i = 1; i <= 2000; ++i) {
    const int time = static_cast<int>(random() % 500);
    text += fmt::format(
        "{{\"timestamp\": {}, \"input_length\": {}, \"output_length\": {}, \"hash_ids\": [{}]}}\n",
        1000 * time, i, i, i);
    expected.emplace_back(time, i);
  }
  std::sort(expected.begin(), expected.end());
  const Workload workload = load(text);
  ASSERT_EQ(workload.requests.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const Request& request = workload.requests[i];
    ASSERT_EQ(request.arrival, expected[i].first - expected[0].first);
    ASSERT_EQ(request.input_tokens, expected[i].second);
    ASSERT_EQ(request.output_tokens, expected[i].second);
    ASSERT_EQ(request.prefix_hashes, std::vector<int64_t>{expected[i].second});
  }
}

TEST_F(WorkloadFiles, ARateStretchesThePattern) {
  const Workload workload = load(azure_text, {.rate = 4.0});
  const Workload own = load(azure_text);
  EXPECT_NEAR(workload.requests[2].arrival, 0.5, 1e-12) << "two gaps at 4/s";
  EXPECT_NEAR(workload.requests[1].arrival / workload.requests[2].arrival,
              own.requests[1].arrival / own.requests[2].arrival, 1e-12);
  EXPECT_NE(workload.note.find("4 requests/s"), std::string::npos) << workload.note;
  const std::string lengths = "num_prefill_tokens,num_decode_tokens\n1,2\n3,4\n5,6\n";
  const Workload drawn = load(lengths, {.rate = 4.0, .seed = 3});
  EXPECT_LT(0.0, drawn.requests[1].arrival);
  EXPECT_EQ(arrivals(drawn), arrivals(load(lengths, {.rate = 4.0, .seed = 3})));
  EXPECT_NE(arrivals(drawn), arrivals(load(lengths, {.rate = 4.0, .seed = 4})));
}

TEST_F(WorkloadFiles, ALimitStopsBeforeLaterFaults) {
  const std::string text = std::string(vidur_text) + "nonsense\n";
  EXPECT_EQ(load(text, {.max_requests = 2}).requests.size(), 2U);
  EXPECT_EQ(load(text, {.max_requests = 1}).requests.size(), 1U);
  refuses(text, {"workload:4", "1 fields", "4"});
}

TEST_F(WorkloadFiles, FaultsNameLineFieldAndWhatIsAllowed) {
  const std::string azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.97,1,1\n";
  for (const char* tokens : {"0", "-4", "1.5", "nan", "", "100000001", "99999999999999999999"}) {
    refuses(azure + fmt::format("2023-11-16 18:17:04,{},1\n", tokens),
            {"workload:3: ContextTokens", fmt::format("'{}'", tokens), "1 to 100000000"});
  }
  for (const char* stamp :
       {"2023-02-29 00:00:00", "2023-13-01 00:00:00", "2023-11-16 24:00:00", "2023-11-16", "",
        "16/11/2023 18:00", "2023-11-16 18:17:04.", "2023-11-16 18:17:04+1", "9999-01-01 00:00:00"}) {
    if (std::string(stamp).ends_with('.')) continue;  // a point without digits is a whole second
    refuses(azure + stamp + ",1,1\n", {"workload:3: TIMESTAMP", fmt::format("'{}'", stamp)});
  }
  const std::string vidur = "arrived_at,num_prefill_tokens,num_decode_tokens\n";
  for (const char* time : {"-1", "nan", "inf", "1e16", "", "x"})
    refuses(vidur + time + ",1,1\n", {"workload:2: arrived_at", fmt::format("'{}'", time)});
  refuses("num_prefill_tokens,b\n1,2\n", {"workload:1: num_decode_tokens", "num_prefill_tokens,b"});

  const std::string line = R"({"timestamp": 1, "input_length": 5, "output_length": 5, "hash_ids": [1]})";
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = line;
    return line + "\n" + text.replace(text.find(from), from.size(), to) + "\n";
  };
  refuses(replaced("\"timestamp\": 1,", ""), {"workload:2: timestamp", "missing"});
  refuses(replaced("1", "-1"), {"workload:2: timestamp", "-1"});
  refuses(replaced("1", "1e999"), {"workload:2", "number"});
  refuses(replaced("\"input_length\": 5", "\"input_length\": 0"), {"workload:2: input_length", "'0'"});
  refuses(replaced("\"input_length\": 5", "\"input_length\": \"5\""), {"workload:2: input_length", "\"5\""});
  refuses(replaced("\"output_length\": 5", "\"output_length\": 18446744073709551615"),
          {"workload:2: output_length"});
  refuses(replaced("[1]", "[1, 2]"), {"workload:2: hash_ids", "'2 ids'", "at most"});
  refuses(replaced("[1]", "[null]"), {"workload:2: hash_ids", "null"});
  refuses(replaced("]}", ""), {"workload:2", "not JSON"});
  refuses(line + "\n[]\n", {"workload:2", "not an object"});
  refuses("[" + line + " " + line + "]", {"workload:1", "',' or ']' expected"});
  refuses("[\n" + line + ",\n]", {"workload:3", "'{' expected"});
  refuses("[\n" + line + "\n]\n x", {"workload:4", "after the array"});
  refuses("[\n" + line + ",\n{\"a\": \"}", {"workload:3", "ends within"});
}

TEST_F(WorkloadFiles, UnknownAbsentAndEmptyFilesGetAClearAnswer) {
  refuses("", {"is empty"});
  refuses("", {"is empty"}, {.format = "azure"});
  refuses("TIMESTAMP,ContextTokens,GeneratedTokens\r\n", {"has no requests"});
  refuses(R"([{"conversations": []}])", {"has no requests", "answered prompt: 1"});
  refuses("[]", {"has no requests"}, {.format = "sharegpt"});
  refuses(std::string("a\0\x01,b\nc", 7),
          {"no workload file", "'a??,b'", "azure", "mooncake", "vidur", "sharegpt"});
  refuses("x", {"unknown workload format 'azur'", "did you mean 'azure'"}, {.format = "azur"});
  refuses(vidur_text, {"workload:1: TIMESTAMP"}, {.format = "azure"});
  expect_input_error([&] { load_workload((folder_ / "absent").string()); }, {"absent", "cannot be opened"});
  expect_input_error([&] { load_workload(folder_.path().string()); }, {"is a folder"});
  refuses("num_prefill_tokens,num_decode_tokens,arrived_at\n1,1,7\n1,1,7\n", {"arrive at once"},
          {.rate = 1.0});
  refuses(vidur_text, {"rate", "-1"}, {.rate = -1.0});
  refuses(vidur_text, {"requests", "-1"}, {.max_requests = -1});
}

TEST_F(WorkloadFiles, EndlessLinesAndBracketsAreRefusedNotRead) {
  const std::string endless(TextReader::longest_record + 10, '1');
  refuses("num_prefill_tokens,num_decode_tokens\n" + endless, {"workload:2", "longer than 16 MiB"});
  refuses("{\"input_length\": " + endless, {"workload:1", "longer than 16 MiB"});
  refuses("[{\"input_length\": " + endless, {"workload:1", "longer than 16 MiB"});
  refuses("{\"input_length\": " + std::string(100000, '['), {"workload:1", "nested deeper"});
}

TEST_F(WorkloadFiles, LinesLongerThanTheBufferAreWhole) {
  std::string text = "note,num_prefill_tokens,num_decode_tokens\n";
  for (int i = 1; i <= 5; ++i) text += fmt::format("{},{},1\n", std::string(700'000, 'x'), i);
  EXPECT_EQ(inputs(load(text)), (std::vector<int>{1, 2, 3, 4, 5}));
}

TEST_F(WorkloadFiles, ManyLinesAreAllThere) {
  std::string text = "num_prefill_tokens,num_decode_tokens\n";
  for (int i = 1; i <= 50'000; ++i) text += fmt::format("{},{}\n", i, 50'001 - i);
  const Workload workload = load(text);
  ASSERT_EQ(workload.requests.size(), 50'000U);
  for (int i = 0; i < 50'000; ++i) ASSERT_EQ(workload.requests[static_cast<size_t>(i)].input_tokens, i + 1);
}

/// Whatever the bytes are: a workload that keeps its promises, or an InputError.
TEST_F(WorkloadFiles, DamagedFilesNeverBreakAnyReader) {
  const std::vector<std::pair<std::string, std::string>> files = {{"azure", azure_text},
                                                                  {"mooncake", mooncake_text},
                                                                  {"vidur", vidur_text},
                                                                  {"sharegpt", log_text},
                                                                  {"sharegpt", conversations_text}};
  const std::string bytes = ",\"\\[]{}:\n\r 0918-.eE+nN\xff\xc3x" + std::string(1, '\0');
  std::mt19937_64 random(5);
  const auto below = [&](size_t count) { return static_cast<size_t>(random() % count); };
  for (const auto& [format, whole] : files) {
    for (int round = 0; round < 1500; ++round) {
      std::string text = whole;
      for (size_t change = 0; change <= below(4); ++change) {
        const size_t at = below(text.size());
        switch (below(4)) {
          case 0:
            text[at] = bytes[below(bytes.size())];
            break;
          case 1:
            text.insert(at, 1, bytes[below(bytes.size())]);
            break;
          case 2:
            text.erase(at, 1 + below(5));
            break;
          default:
            text.insert(at, text.substr(below(text.size()), 1 + below(40)));
        }
        if (text.empty()) text = "x";
      }
      try {
        const Workload workload = load(text, {.format = below(2) == 0 ? format : ""});
        ASSERT_FALSE(workload.requests.empty());
        ASSERT_EQ(workload.requests.front().arrival, 0.0);
        double latest = 0.0;
        for (const Request& request : workload.requests) {
          ASSERT_GE(request.arrival, latest);
          ASSERT_GE(std::min(request.input_tokens, request.output_tokens), 1);
          latest = request.arrival;
        }
      } catch (const InputError& problem) {
        ASSERT_LT(std::string(problem.what()).size(), 2000U);
      }
    }
  }
}

}  // namespace
}  // namespace razorscope
