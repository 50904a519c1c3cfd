// Retrieval tasks: facts, texts that hide them, answers and their counts.
#include "sim/closed_loop/task.hpp"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "sim/closed_loop/answer.hpp"
#include "sim/closed_loop/facts.hpp"
#include "sim/closed_loop/haystack.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/small_model.hpp"

namespace razorscope {
namespace {

using testing::expect_input_error;
using testing::random_model_bos;
using testing::SmallModel;

TEST(WilsonIntervalTest, ByHand) {
  constexpr double z2 = 1.959963984540054 * 1.959963984540054;
  EXPECT_NEAR(wilson_interval(0, 10).low, 0.0, 1e-12);
  EXPECT_NEAR(wilson_interval(0, 10).high, z2 / (10.0 + z2), 1e-12);
  EXPECT_NEAR(wilson_interval(0, 10).high, 0.2775, 1e-4);
  EXPECT_NEAR(wilson_interval(5, 10).low, 0.2366, 1e-4);
  EXPECT_NEAR(wilson_interval(5, 10).high, 0.7634, 1e-4);
  EXPECT_NEAR(wilson_interval(10, 10).low, 0.7225, 1e-4);
  EXPECT_NEAR(wilson_interval(10, 10).high, 1.0, 1e-12);
  EXPECT_NEAR(wilson_interval(19, 20).low, 0.7639, 1e-4);
  EXPECT_NEAR(wilson_interval(19, 20).high, 0.9911, 1e-4);
  EXPECT_EQ(wilson_interval(0, 0).low, 0.0);
  EXPECT_EQ(wilson_interval(0, 0).high, 1.0);
}

TEST(FactsTest, AreDistinctAndReproducible) {
  const std::vector<Fact> facts = make_facts(most_facts(), 3);
  ASSERT_EQ(facts.size(), static_cast<size_t>(most_facts()));
  std::set<std::string> questions;
  for (const Fact& fact : facts) {
    questions.insert(fact.question);
    // The statement is what the question's last words and the answer say.
    const std::string words = fact.question.substr(fact.question.find("Answer: ") + 8);
    EXPECT_EQ(fact.statement, "\n" + words + fact.answer + ".\n");
    EXPECT_EQ(fact.answer.size(), 6U);
    EXPECT_TRUE(fact.answer.starts_with(" ") &&
                fact.answer.find_first_not_of("0123456789", 1) == std::string::npos);
    EXPECT_NE(fact.question.find("?\nAnswer: "), std::string::npos);
  }
  EXPECT_EQ(questions.size(), facts.size());
  const std::vector<Fact> few = make_facts(5, 3);
  for (size_t i = 0; i < few.size(); ++i) EXPECT_EQ(few[i].question, make_facts(5, 3)[i].question);
  EXPECT_NE(make_facts(5, 4)[0].statement, few[0].statement);
  EXPECT_EQ(make_facts(1, 1)[0].question.substr(0, 43), "\nQuestion: What is the secret number of the");
}

TEST(FactsTest, CannotBeMoreThanCanBeToldApart) {
  expect_input_error([] { make_facts(most_facts() + 1, 1); }, {"--facts", "193", "1 to 192"});
  expect_input_error([] { make_facts(0, 1); }, {"--facts", "0", "1 to 192"});
}

/// Lines of different lengths, some followed by an empty one.
std::string lines_text(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) {
    text += "line " + std::to_string(i) + std::string(static_cast<size_t>(i * 7 % 11), 'x') + "\n";
    if (i % 4 == 3) text += "\n";
  }
  return text;
}

class HaystackTest : public ::testing::TestWithParam<bool> {
 protected:
  bool bos() const { return GetParam(); }
  SmallModel model_{false, GetParam()};
};

TEST_P(HaystackTest, HidesPiecesAtTheEndsOfWholeLines) {
  const std::string text = lines_text(60);
  const Haystack haystack(model_.tokenizer(), text);
  std::set<std::string> cuts;
  for (const int length : {60, 100, 173, 200}) {
    for (uint64_t start = 0; start < 60; start += 7) {
      const std::vector<Haystack::Piece> pieces = {
          {0.0, {1, 1, 1}}, {0.4, {2, 2}}, {0.4, {3}}, {1.0, {4, 4}}};
      const std::vector<int32_t> ids = haystack.context(length, start, pieces);
      SCOPED_TRACE(::testing::Message() << "length " << length << ", start " << start);
      EXPECT_LE(ids.size(), static_cast<size_t>(length));
      EXPECT_EQ(ids.front() == random_model_bos, bos());
      // Taken apart: the text, and where in it each piece begins. The text's ids are above 4.
      std::vector<int32_t> text_ids;
      std::vector<std::vector<size_t>> places(5);
      for (size_t i = bos() ? 1 : 0; i < ids.size(); ++i) {
        if (ids[i] > 4) {
          text_ids.push_back(ids[i]);
        } else {
          places[static_cast<size_t>(ids[i])].push_back(text_ids.size());
        }
      }
      const std::string kept = model_.tokenizer().decode(text_ids);
      const size_t at = text.find(kept);
      ASSERT_NE(at, std::string::npos);
      EXPECT_TRUE(at == 0 || text[at - 1] == '\n');
      EXPECT_TRUE(kept.ends_with('\n'));
      cuts.insert(kept);
      // No further line would have fitted (none is longer than 21 bytes), unless the text ends.
      EXPECT_TRUE(ids.size() + 21 >= static_cast<size_t>(length) || at + kept.size() == text.size());
      size_t before = 0;
      for (const auto& [piece, depth] :
           {std::pair(1, 0.0), std::pair(2, 0.4), std::pair(3, 0.4), std::pair(4, 1.0)}) {
        const std::vector<size_t>& place = places[static_cast<size_t>(piece)];
        ASSERT_EQ(place.size(), pieces[static_cast<size_t>(piece - 1)].ids.size());
        EXPECT_EQ(place.front(), place.back()) << "a piece stands together";
        EXPECT_GE(place.front(), before) << "pieces stand in their order";
        before = place.front();
        const double wanted = depth * static_cast<double>(text_ids.size());
        EXPECT_GE(static_cast<double>(place.front()), wanted);
        EXPECT_LE(static_cast<double>(place.front()), wanted + 21.0) << "at the next end of a line";
        const std::string front = model_.tokenizer().decode(
            {text_ids.begin(), text_ids.begin() + static_cast<ptrdiff_t>(place.front())});
        EXPECT_TRUE(front.empty() || front.ends_with('\n'));
      }
    }
  }
  EXPECT_GT(cuts.size(), 12U) << "start chooses where the text is cut";
}

TEST_P(HaystackTest, TooShortATextOrTooLongAFactIsAnInputError) {
  const Haystack haystack(model_.tokenizer(), lines_text(5));
  expect_input_error([&] { haystack.context(500, 0, {{0.5, {1, 2}}}); }, {"--text", "500"});
  expect_input_error(
      [&] {
        haystack.context(20, 0, {{0.5, std::vector<int32_t>(30, 1)}});
      },
      {"--lengths", "20"});
  expect_input_error([&] { Haystack(model_.tokenizer(), "").context(20, 0, {{0.5, {1, 2}}}); }, {"--text"});
  const std::string no_line_end = "a text without line end";
  const std::vector<int32_t> whole = model_.tokenizer().encode(no_line_end);
  const int length = static_cast<int>(whole.size()) + (bos() ? 1 : 0);
  EXPECT_EQ(Haystack(model_.tokenizer(), no_line_end).context(length, 0, {}).size(),
            static_cast<size_t>(length));
}

INSTANTIATE_TEST_SUITE_P(Models, HaystackTest, ::testing::Bool(), [](const auto& bos) {
  return bos.param ? std::string("WithBos") : std::string("WithoutBos");
});

class TaskTest : public ::testing::TestWithParam<bool> {
 protected:
  TaskOutcome run(const TaskSettings& settings, const std::string& policies) const {
    TaskInputs inputs{model_.tokenizer(), text_, Policy::parse_list(policies), {}, model_.knowledge()};
    inputs.sized = [&](int) { return inputs.requested; };
    NoProgress progress;
    return run_task(model_.transformer(), inputs, settings, progress);
  }

  SmallModel model_{GetParam()};
  std::string text_ = lines_text(80);
};

TEST_P(TaskTest, NeedleAsksOneQuestionAtEachPlaceOfEachFact) {
  const TaskOutcome outcome =
      run({.task = "needle", .lengths = {120, 200}, .depths = 3, .facts = 2}, "window:recent=50;full");
  ASSERT_EQ(outcome.policies.size(), 2U);
  EXPECT_EQ(outcome.policies[0].policy, Policy::parse("window:recent=50"));
  EXPECT_EQ(outcome.policies[1].policy, Policy::parse("full"));
  EXPECT_EQ(outcome.full.policy, Policy::parse("full+f32"));
  for (const TaskResult* result : {&outcome.full, &outcome.policies[0], &outcome.policies[1]}) {
    EXPECT_EQ(result->n, 12);
    ASSERT_EQ(result->answers.size(), 12U);
    for (size_t i = 0; i < 12; ++i) {
      EXPECT_EQ(result->answers[i].length, i < 6 ? 120 : 200);
      EXPECT_EQ(result->answers[i].depth, static_cast<double>(i / 2 % 3) / 2.0);
      EXPECT_TRUE(std::isfinite(result->answers[i].nll) && result->answers[i].nll > 0.0);
    }
    EXPECT_EQ(result->correct, 0) << "a random model cannot do it";
    EXPECT_EQ(result->interval.high, wilson_interval(0, 12).high);
  }
  EXPECT_FALSE(outcome.model_can);
  EXPECT_LE(outcome.policies[1].physical_bytes, outcome.full_f16_bytes * (1.0 + 1e-12));
  EXPECT_LT(outcome.policies[0].physical_bytes, outcome.policies[1].physical_bytes);
  EXPECT_GE(outcome.full.logical_bytes, 2.0 * outcome.policies[1].logical_bytes);
  for (size_t i = 0; i < 12; ++i)
    EXPECT_NEAR(outcome.policies[1].answers[i].nll, outcome.full.answers[i].nll, 0.02)
        << "f16 is close to f32";
}

TEST_P(TaskTest, MultiQueryAsksForEachFactOfEachContext) {
  const TaskOutcome outcome =
      run({.task = "multi-query", .lengths = {250}, .facts = 3, .contexts = 2}, "window:recent=50");
  const TaskResult& result = outcome.policies.front();
  ASSERT_EQ(result.answers.size(), 6U);
  for (size_t i = 0; i < 6; ++i)
    EXPECT_NEAR(result.answers[i].depth, (static_cast<double>(i % 3) + 0.5) / 3.0, 1e-12);
  EXPECT_NE(result.answers[0].nll, result.answers[3].nll) << "contexts have facts of their own";
}

TEST_P(TaskTest, ResultsFollowFromTheSeed) {
  TaskSettings settings{.task = "multi-query", .lengths = {250}, .facts = 3};
  const auto first_nll = [&] { return run(settings, "full").policies.front().answers.front().nll; };
  const double one = first_nll();
  EXPECT_EQ(first_nll(), one);
  settings.seed = 2;
  EXPECT_NE(first_nll(), one);
}

TEST_P(TaskTest, QueryAwareCompressesTheQuestionToo) {
  TaskSettings settings{.task = "needle", .lengths = {150}, .depths = 2, .facts = 1};
  const std::string policies = "full+f32;snapkv:budget=40,observe=16";
  const TaskOutcome blind = run(settings, policies);
  settings.query_aware = true;
  const TaskOutcome aware = run(settings, policies);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(aware.full.answers[i].nll, blind.full.answers[i].nll, 1e-4) << "full reads the same";
    EXPECT_NEAR(aware.policies[0].answers[i].nll, blind.policies[0].answers[i].nll, 1e-4);
    EXPECT_GT(std::abs(aware.policies[1].answers[i].nll - blind.policies[1].answers[i].nll), 1e-3);
    EXPECT_EQ(aware.full.answers[i].length, 150);
  }
  EXPECT_GT(aware.full_f16_bytes, blind.full_f16_bytes);
}

TEST_P(TaskTest, PoliciesAreSizedForEachContext) {
  TaskInputs inputs{model_.tokenizer(), text_, Policy::parse_list("window"), {}, model_.knowledge()};
  std::set<int> asked;
  inputs.sized = [&](int tokens) {
    asked.insert(tokens);
    return Policy::parse_list("window:recent=" + std::to_string(tokens / 4));
  };
  NoProgress progress;
  const TaskOutcome outcome =
      run_task(model_.transformer(), inputs,
               {.task = "needle", .lengths = {120, 240}, .depths = 1, .facts = 1}, progress);
  EXPECT_EQ(asked.size(), 2U);
  EXPECT_LE(*asked.rbegin(), 240);
  EXPECT_LT(outcome.policies[0].physical_bytes, 0.5 * outcome.full_f16_bytes);
}

TEST_P(TaskTest, NoQuestionSeesAnother) {
  const std::vector<Fact> facts = make_facts(3, 1);
  const Tokenizer& tokenizer = model_.tokenizer();
  const std::vector<int32_t> ids =
      Haystack(tokenizer, text_).context(200, 0, {{0.5, tokenizer.encode(facts[0].statement)}});
  std::vector<std::string> policies = {"full+f32",
                                       "full+q4_0",
                                       "window:recent=30",
                                       "h2o:budget=40",
                                       "tova:budget=40+q8_0:residual=8",
                                       "razor/weighted:recent=30," + model_.heads(),
                                       "snapkv:budget=40+kivi4:residual=32"};
  const CompressedContext context = model_.compress(ids, policies);
  const auto nll = [&](const Fact& fact) {
    std::vector<double> all;
    for (const AnswerScore& score : score_answer(
             model_.transformer(), context, tokenizer.encode(fact.question), tokenizer.encode(fact.answer)))
      all.push_back(score.nll);
    return all;
  };
  const std::vector<std::vector<double>> forwards = {nll(facts[0]), nll(facts[1]), nll(facts[2])};
  EXPECT_EQ(forwards[0].size(), policies.size());
  EXPECT_EQ(nll(facts[2]), forwards[2]);
  EXPECT_EQ(nll(facts[1]), forwards[1]);
  EXPECT_EQ(nll(facts[0]), forwards[0]);
  EXPECT_NE(forwards[0], forwards[1]);
}

TEST_P(TaskTest, AnAnswerIsGreedyWhereEachTokenIsTheMostLikelyOne) {
  const std::vector<int32_t> ids = testing::random_ids(50, 9);
  const std::vector<int32_t> question = testing::random_ids(8, 10);
  const CompressedContext context = model_.compress(ids, {"full+f32", "full+f32"});
  const auto fork = context.fork(0);
  std::vector<int32_t> answer;
  std::vector<float> logits = testing::read_block(model_.transformer(), *fork, question, 50).back();
  double nll = 0.0;
  for (int i = 0; i < 4; ++i) {
    const auto best = std::max_element(logits.begin(), logits.end());
    answer.push_back(static_cast<int32_t>(best - logits.begin()));
    double sum = 0.0;
    for (const float x : logits) sum += std::exp(double{x} - double{*best});
    nll += std::log(sum);
    logits = testing::read_block(model_.transformer(), *fork, std::span(answer).last(1), 58 + i).back();
  }
  const AnswerScore right = score_answer(model_.transformer(), context, question, answer)[1];
  EXPECT_TRUE(right.greedy);
  EXPECT_NEAR(right.nll, nll, 1e-4);
  for (size_t i = 0; i < answer.size(); ++i) {
    std::vector<int32_t> other = answer;
    other[i] = (other[i] + 1) % 256;
    EXPECT_FALSE(score_answer(model_.transformer(), context, question, other)[0].greedy) << i;
  }
  const std::vector<int32_t> one(answer.begin(), answer.begin() + 1);
  EXPECT_TRUE(score_answer(model_.transformer(), context, question, one)[0].greedy);
}

TEST_P(TaskTest, SettingsThatMakeNoSenseNameTheOption) {
  const auto refused = [&](const TaskSettings& settings, const std::vector<std::string>& names) {
    expect_input_error([&] { run(settings, "full"); }, names);
  };
  refused({.task = "needle", .lengths = {120}, .depths = 0}, {"--depths", "0"});
  refused({.task = "needle", .lengths = {120}, .facts = 0}, {"--facts", "0"});
  refused({.task = "needle", .lengths = {120}, .facts = 200}, {"--facts", "200"});
  refused({.task = "multi-query", .lengths = {120}, .contexts = 0}, {"--contexts", "0"});
  refused({.task = "needle", .lengths = {}}, {"--lengths"});
  refused({.task = "needle", .lengths = {120, -1}}, {"--lengths", "-1"});
  refused({.task = "needle", .lengths = {20}}, {"--lengths", "20", "no room"});
  refused({.task = "needle", .lengths = {100000}}, {"--text", "100000"});
  text_ = lines_text(500);
  refused({.task = "needle", .lengths = {1020}, .depths = 1, .facts = 1}, {"--lengths", "1020", "1024"});
}

TEST_P(TaskTest, ALengthThatDoesNotFitIsRefusedBeforeTheOthersRun) {
  class Counter final : public Progress {
   public:
    void begin(std::string_view, double, std::string_view) override { ++begun; }
    void advance(double) override {}
    int begun = 0;
  } progress;
  text_ = lines_text(500);
  TaskInputs inputs{model_.tokenizer(), text_, Policy::parse_list("full"), {}, model_.knowledge()};
  inputs.sized = [&](int) { return inputs.requested; };
  expect_input_error(
      [&] {
        run_task(model_.transformer(), inputs, {.task = "multi-query", .lengths = {120, 1000}, .facts = 1},
                 progress);
      },
      {"--lengths", "1000", "1024"});
  EXPECT_EQ(progress.begun, 0);
}

INSTANTIATE_TEST_SUITE_P(Schemes, TaskTest, ::testing::Bool(), [](const auto& scheme) {
  return scheme.param ? std::string("Alibi") : std::string("Rope");
});

}  // namespace
}  // namespace razorscope
