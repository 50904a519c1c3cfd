// The policy grammar: names, parameters, codecs, scopes, budgets, errors.
#include "policies/policy.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string name_of(const std::string& text) { return Policy::parse(text).name(); }

/// The message of the InputError that the text gives, "" where it gives none.
std::string error_of(const std::string& text) {
  try {
    Policy::parse(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// Random policies, written as a user may write them: some parameters left out, in any order, with spaces.

const std::vector<std::string>& codec_scopes() {
  static const std::vector<std::string> scopes = {"k",           "v",           "protected", "others",
                                                  "protected.k", "protected.v", "others.k",  "others.v"};
  return scopes;
}

rc::Gen<std::string> file_names() {
  const auto character = rc::gen::oneOf(
      rc::gen::element(';', '+', ',', ':', '"', '=', '/', ' ', '\t', '.', '\''), rc::gen::inRange('a', 'z'));
  return rc::gen::nonEmpty(rc::gen::container<std::string>(character));
}

std::string quoted(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

/// A text that the parameter allows.
std::string value_of(const Parameter& parameter) {
  switch (parameter.kind) {
    case ParameterKind::integer:
      return fmt::to_string(*rc::gen::inRange<int64_t>(static_cast<int64_t>(parameter.lowest),
                                                       static_cast<int64_t>(parameter.highest) + 1));
    case ParameterKind::real: {
      const double share = *rc::gen::inRange(0, 1001) / 1000.0;
      return fmt::format("{}", parameter.lowest + share * (parameter.highest - parameter.lowest));
    }
    case ParameterKind::choice:
      return *rc::gen::elementOf(parameter.choices);
    case ParameterKind::budget:
      return *rc::gen::element<std::string>("1", "128", "1.0", "0.25", "1e-3", "8MiB", "900B", "1.5KiB",
                                            "2GiB");
    case ParameterKind::file:
      return *rc::gen::element(true, false) ? parameter.fallback : quoted(*file_names());
    case ParameterKind::text:
      return parameter.fallback;  // no selection and no codec has one
  }
  return "";
}

/// Whether a declared parameter may be written beside those already written.
bool may_stand(const Parameter& parameter, const std::string& variant, const std::vector<Parameter>& declared,
               const std::vector<std::pair<std::string, std::string>>& written) {
  const auto text = [&](const std::string& name) -> std::string {
    for (const auto& [key, value] : written) {
      if (key == name) return value;
    }
    for (const Parameter& other : declared) {
      if (other.name == name && may_stand(other, variant, declared, written)) return other.fallback;
    }
    return "";
  };
  const auto contains = [](const std::vector<std::string>& list, const std::string& x) {
    return std::find(list.begin(), list.end(), x) != list.end();
  };
  if (!parameter.variants.empty() && !contains(parameter.variants, variant)) return false;
  if (!parameter.excluded_by.empty() && text(parameter.excluded_by) != "") return false;
  return parameter.needs_parameter.empty() ||
         contains(parameter.needs_values, text(parameter.needs_parameter));
}

std::string space() { return *rc::gen::element<std::string>("", "", "", " ", "\t "); }

std::string random_policy() {
  const auto& entry = *rc::gen::elementOf(selection_registry());
  std::string text = space() + entry.name;
  std::string variant = entry.variants.empty() ? "" : entry.variants.front();
  if (!entry.variants.empty() && *rc::gen::arbitrary<bool>()) {
    variant = *rc::gen::elementOf(entry.variants);
    text += "/" + variant;
  }
  std::vector<std::pair<std::string, std::string>> written;
  for (const Parameter& parameter : entry.parameters) {
    const bool is_written =
        *rc::gen::arbitrary<bool>() && may_stand(parameter, variant, entry.parameters, written);
    const bool is_new = std::none_of(written.begin(), written.end(),
                                     [&](const auto& pair) { return pair.first == parameter.name; });
    if (is_written && is_new) written.emplace_back(parameter.name, value_of(parameter));
  }
  // In any order: conditions do not depend on it.
  std::vector<int> ranks;
  for (size_t i = 0; i < written.size(); ++i) ranks.push_back(*rc::gen::inRange(0, 100));
  std::vector<size_t> order(written.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ranks[a] < ranks[b]; });
  std::string separator = ":";
  for (const size_t i : order) {
    text += separator + space() + written[i].first + space() + "=" + space() + written[i].second + space();
    separator = ",";
  }
  // Never ambiguous: either kinds (k, v) or heads (protected, others) are named, or each of the four.
  std::vector<std::string> scopes = {""};
  switch (*rc::gen::inRange(0, entry.protects_heads ? 4 : 2)) {
    case 0:
      break;
    case 1:
      scopes.insert(scopes.end(), {"k", "v"});
      break;
    case 2:
      scopes.insert(scopes.end(), {"protected", "others"});
      break;
    default:
      scopes.insert(scopes.end(), {"protected.k", "protected.v", "others.k", "others.v"});
  }
  for (const std::string& scope : scopes) {
    if (*rc::gen::arbitrary<bool>()) continue;
    const auto& codec = *rc::gen::elementOf(codec_registry());
    text += "+" + space() + scope + (scope.empty() ? "" : "=") + space() + codec.name;
    separator = ":";
    for (const Parameter& parameter : codec.parameters) {
      if (!parameter.needs_parameter.empty() || !parameter.excluded_by.empty() ||
          !*rc::gen::arbitrary<bool>())
        continue;
      text += separator + parameter.name + "=" + value_of(parameter);
      separator = ",";
    }
  }
  return text;
}

RC_GTEST_PROP(PolicyTest, PrintingAndParsingGiveTheSamePolicy, ()) {
  const std::string text = random_policy();
  RC_LOG() << text << std::endl;
  const Policy policy = Policy::parse(text);
  RC_LOG() << policy.name() << std::endl;
  RC_ASSERT(Policy::parse(policy.name()) == policy);
  RC_ASSERT(Policy::parse(policy.name()).name() == policy.name());
}

RC_GTEST_PROP(PolicyTest, AListIsReadAsItsParts, ()) {
  std::vector<std::string> texts;
  const int count = *rc::gen::inRange(1, 5);
  for (int i = 0; i < count; ++i) texts.push_back(random_policy());
  const std::vector<Policy> list = Policy::parse_list(fmt::format("{}", fmt::join(texts, ";")));
  RC_ASSERT(list.size() == texts.size());
  for (size_t i = 0; i < texts.size(); ++i) RC_ASSERT(list[i] == Policy::parse(texts[i]));
}

RC_GTEST_PROP(PolicyTest, FileNamesSurviveWhateverIsInThem, ()) {
  const std::string file =
      *rc::gen::suchThat(file_names(), [](const std::string& name) { return name != "probe"; });
  const Policy policy = Policy::parse("razor:heads=" + quoted(file));
  RC_ASSERT(policy.values().text("heads") == file);
  RC_ASSERT(Policy::parse(policy.name()) == policy);
  RC_ASSERT(policy.to_json()["parameters"]["heads"] == file);
}

RC_GTEST_PROP(PolicyTest, GarbageIsAnInputErrorOrAPolicy, (const std::string& garbage)) {
  try {
    const Policy policy = Policy::parse(garbage);
    RC_ASSERT(Policy::parse(policy.name()) == policy);
  } catch (const InputError&) {
  }
}

/// Almost policies: pieces of the grammar in any order.
RC_GTEST_PROP(PolicyTest, PiecesOfTheGrammarAreAnInputErrorOrAPolicy, ()) {
  const std::vector<std::string> pieces = {
      "full", "window",    "razor", "/",     "weighted", "scope",  ":",    "recent",
      "=",    "4",         ",",     "sinks", "\"",       "+",      "f16",  "f32",
      "k",    "protected", "v",     ".",     "heads",    "a.json", ";",    " ",
      "1e99", "budget",    "0.25",  "ratio", "choose",   "bytes",  "probe"};
  std::string text;
  for (const std::string& piece : *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(pieces)))
    text += piece;
  try {
    for (const Policy& policy : Policy::parse_list(text)) RC_ASSERT(Policy::parse(policy.name()) == policy);
  } catch (const InputError&) {
  }
}

/// Policies of a quarter of a mebibyte that make no sense.
std::vector<std::string> huge_garbage() {
  constexpr size_t size = size_t{1} << 18U;
  std::vector<std::string> all;
  for (const char* piece :
       {"a", "+", ":", ";", "\"", ",", "=", "/", "full+", "window:", "razor:sinks=4,", "full+k=", "\xff"}) {
    std::string text;
    while (text.size() < size) text += piece;
    for (const char* before : {"", "window:", "window:recent=", "razor:heads=\"", "full+"})
      all.push_back(before + text);
  }
  return all;
}

TEST(PolicyTest, HugeGarbageIsAnInputError) {
  for (const std::string& garbage : huge_garbage()) {
    EXPECT_NE(error_of(garbage), "") << garbage.substr(0, 100);
    EXPECT_THROW(Policy::parse_list(garbage), InputError) << garbage.substr(0, 100);
  }
}

TEST(PolicyTest, ErrorsStayReadableWhateverTheyQuote) {
  for (const std::string& garbage : huge_garbage()) {
    EXPECT_LT(error_of(garbage).size(), 2000U) << garbage.substr(0, 100);
  }
}

TEST(PolicyTest, CanonicalNamesHaveEveryParameterThatApplies) {
  EXPECT_EQ(name_of("full"), "full+f16");
  EXPECT_EQ(name_of(" full + f32 "), "full+f32");
  EXPECT_EQ(name_of("window"), "window/original-positions:sinks=4,recent=1020,when=every-step+f16");
  EXPECT_EQ(name_of("window/original-positions:recent=0064"),
            "window/original-positions:sinks=4,recent=64,when=every-step+f16");
  EXPECT_EQ(name_of("razor"),
            "razor/"
            "weighted:sinks=4,ratio=5,min=4000,heads=probe,choose=paper,induction=0.14,echo=0.01,when=every-"
            "step+f16");
  EXPECT_EQ(
      name_of("razor/none:recent=252,choose=threshold,induction=1e-1"),
      "razor/"
      "none:sinks=4,recent=252,heads=probe,choose=threshold,induction=0.1,echo=0.1,when=every-step+f16");
  EXPECT_EQ(name_of("razor/unweighted:choose=gap,ratio=2.50,when=after-prefill"),
            "razor/unweighted:sinks=4,ratio=2.5,min=4000,heads=probe,choose=gap,when=after-prefill+f16");
  EXPECT_EQ(name_of("razor:min=0,choose=bytes"),
            "razor/weighted:sinks=4,ratio=5,min=0,heads=probe,choose=bytes,budget=0.25,when=every-step+f16");
  EXPECT_EQ(name_of("razor:heads=\"a,b.json\",recent=8"),
            "razor/weighted:sinks=4,recent=8,heads=\"a,b.json\",when=every-step+f16");
  EXPECT_EQ(name_of("razor:heads=\"plain.json\",recent=8"),
            "razor/weighted:sinks=4,recent=8,heads=plain.json,when=every-step+f16");
  EXPECT_EQ(name_of("razor:heads=\"say \"\"x\"\"\",recent=8"),
            "razor/weighted:sinks=4,recent=8,heads=\"say \"\"x\"\"\",when=every-step+f16");
  EXPECT_EQ(
      name_of("razor/scope"),
      "razor/scope:sinks=0,epsilon=1e-05,form=token,bound=calibrated,quantile=1,alpha=0,when=every-step+f16");
  EXPECT_EQ(name_of("razor/scope:bound=norm-bound,epsilon=0.0001,alpha=100"),
            "razor/scope:sinks=0,epsilon=0.0001,form=token,bound=norm-bound,alpha=100,when=every-step+f16");
  EXPECT_EQ(name_of("full+k=f32"), "full+k=f32");
  EXPECT_EQ(name_of("razor:recent=8,heads=x+protected.k=f32+others=f16+f32"),
            "razor/weighted:sinks=4,recent=8,heads=x,when=every-step+protected.k=f32+others=f16+f32");
}

TEST(PolicyTest, EqualValuesSpeltDifferentlyAreOnePolicy) {
  EXPECT_EQ(Policy::parse("razor:ratio=5.0"), Policy::parse("razor:ratio=5"));
  EXPECT_EQ(Policy::parse("razor/scope:epsilon=0.00001"), Policy::parse("razor/scope:epsilon=1e-5"));
  EXPECT_EQ(Policy::parse("window:sinks=4"), Policy::parse("window/original-positions"));
  EXPECT_EQ(Policy::parse("razor:choose=bytes,budget=8MiB"),
            Policy::parse("razor:choose=bytes,budget=8192KiB"));
  EXPECT_EQ(Policy::parse("razor:heads=\"probe\""), Policy::parse("razor:heads=probe"));
  EXPECT_NE(Policy::parse("full+f16"), Policy::parse("full+f32"));
  EXPECT_NE(Policy::parse("window:recent=5"), Policy::parse("window:recent=6"));
}

TEST(PolicyTest, MinusZeroIsZero) {
  EXPECT_EQ(Policy::parse("razor:induction=-0"), Policy::parse("razor:induction=0"));
  EXPECT_EQ(Policy::parse("window:sinks=-0"), Policy::parse("window:sinks=0"));
}

TEST(PolicyTest, UnknownNamesAreErrorsWithTheNearestAndAllAllowedOnes) {
  EXPECT_THAT(error_of("windw"),
              AllOf(HasSubstr("policy 'windw'"), HasSubstr("unknown selection 'windw'"),
                    HasSubstr("did you mean 'window'"), HasSubstr("allowed: full, window, ")));
  EXPECT_THAT(error_of("razor/wieghted"),
              AllOf(HasSubstr("unknown variant of razor 'wieghted'"), HasSubstr("did you mean 'weighted'"),
                    HasSubstr("allowed: weighted, unweighted, none, ")));
  EXPECT_THAT(error_of("razor/Weighted"), HasSubstr("did you mean 'weighted'"));
  EXPECT_THAT(error_of("full/x"), HasSubstr("the selection full has no variants"));
  EXPECT_THAT(error_of("razor/"), HasSubstr("unknown variant of razor ''"));
  EXPECT_THAT(error_of("window:recnt=5"),
              AllOf(HasSubstr("unknown parameter 'recnt'"), HasSubstr("did you mean 'recent'"),
                    HasSubstr("sinks, recent, when")));
  EXPECT_THAT(error_of("full:recent=5"), HasSubstr("full has no parameters"));
  EXPECT_THAT(error_of("full+f166"), AllOf(HasSubstr("unknown codec 'f166'"), HasSubstr("did you mean 'f16'"),
                                           HasSubstr("f32, f16")));
  EXPECT_THAT(error_of("full+f32/x"), HasSubstr("the codec f32 has no variants"));
  EXPECT_THAT(error_of("full+f16:x=1"), HasSubstr("f16 has no parameters"));
  EXPECT_THAT(error_of("razor+protectd=f16"),
              AllOf(HasSubstr("unknown codec scope 'protectd'"), HasSubstr("did you mean 'protected'"),
                    HasSubstr("k, v, protected, others, protected.k")));
  EXPECT_THAT(error_of("window:when=every-stpe"),
              AllOf(HasSubstr("when"), HasSubstr("unknown value 'every-stpe'"),
                    HasSubstr("did you mean 'every-step'"), HasSubstr("after-prefill, every-step")));
}

TEST(PolicyTest, FaultsOfFormAreErrorsThatQuoteThePolicy) {
  for (const char* text : {"", " ", "+f16", ":", "/", "=", "+"}) {
    EXPECT_THAT(error_of(text), HasSubstr(fmt::format("policy '{}'", text))) << text;
  }
  EXPECT_THAT(error_of(""), HasSubstr("begins with the name of a selection"));
  EXPECT_THAT(error_of("full+"), HasSubstr("unknown codec ''"));
  EXPECT_THAT(error_of("full++f16"), HasSubstr("unknown codec ''"));
  EXPECT_THAT(error_of("full+k="), HasSubstr("unknown codec ''"));
  EXPECT_THAT(error_of("full+=f16"), HasSubstr("unknown codec scope ''"));
  EXPECT_THAT(error_of("window:"), HasSubstr("is not key=value"));
  EXPECT_THAT(error_of("window:recent"), HasSubstr("'recent' after 'window:' is not key=value"));
  EXPECT_THAT(error_of("window:=5"), HasSubstr("is not key=value"));
  EXPECT_THAT(error_of("window:recent=5,"), HasSubstr("is not key=value"));
  EXPECT_THAT(error_of("razor:heads=\"a.json"), HasSubstr("a quotation mark is not closed"));
  EXPECT_THAT(error_of("razor:heads=a\"b\""), HasSubstr("quoted in part"));
  EXPECT_THAT(error_of("razor:heads=\"a\"b\"c\""), HasSubstr("not doubled"));
  EXPECT_THAT(error_of("razor:heads="), HasSubstr("an empty file name"));
  EXPECT_THAT(error_of("razor:heads=\"\""), HasSubstr("an empty file name"));
}

TEST(PolicyTest, ParametersGivenTwiceAreErrors) {
  EXPECT_THAT(error_of("window:recent=5,sinks=1,recent=5"),
              AllOf(HasSubstr("recent"), HasSubstr("is given twice")));
  EXPECT_THAT(error_of("razor:induction=0.1,induction=0.1"), HasSubstr("is given twice"));
}

TEST(PolicyTest, ValuesOutOfRangeAreErrorsThatSayWhatIsAllowed) {
  EXPECT_THAT(error_of("window:recent=-1"),
              AllOf(HasSubstr("window/original-positions: recent"), HasSubstr("-1 is out of range"),
                    HasSubstr("allowed: 0 to")));
  EXPECT_THAT(error_of("window:recent=1000000001"), HasSubstr("out of range"));
  EXPECT_THAT(error_of("window:recent=99999999999999999999"), HasSubstr("not an integer"));
  for (const char* text : {"1.5", "x", "", "+5", "0x10", "1e3", "5 5", "nan"}) {
    EXPECT_THAT(error_of(fmt::format("window:recent={}", text)), HasSubstr("not an integer")) << text;
  }
  EXPECT_THAT(error_of("razor:ratio=0.5"),
              AllOf(HasSubstr("ratio"), HasSubstr("out of range"), HasSubstr("1 to")));
  EXPECT_THAT(error_of("razor:induction=1.01"), HasSubstr("out of range"));
  EXPECT_THAT(error_of("razor/scope:epsilon=0"), HasSubstr("out of range"));
  EXPECT_THAT(error_of("razor/scope:epsilon=0.6"), HasSubstr("out of range"));
  for (const char* text : {"nan", "inf", "1e400", "x", "", "1,5", "0.1x"}) {
    EXPECT_FALSE(error_of(fmt::format("razor:induction={}", text)).empty()) << text;
  }
}

TEST(PolicyTest, ParametersThatDoNotApplyAreErrorsThatSayWhy) {
  for (const char* text :
       {"razor:recent=100,ratio=5", "razor:ratio=5,recent=100", "razor:min=100,recent=100"}) {
    EXPECT_THAT(error_of(text), HasSubstr("cannot stand beside recent: give one of them")) << text;
  }
  EXPECT_THAT(error_of("razor/scope:recent=5"),
              AllOf(HasSubstr("razor/scope: recent"),
                    HasSubstr("belongs to the variants weighted, unweighted, none")));
  EXPECT_THAT(error_of("razor:epsilon=0.1"),
              AllOf(HasSubstr("razor/weighted: epsilon"), HasSubstr("belongs to the variants scope only")));
  EXPECT_THAT(error_of("razor:heads=x.json,choose=gap"),
              AllOf(HasSubstr("choose"), HasSubstr("is used only where heads is probe")));
  EXPECT_THAT(error_of("razor:choose=gap,echo=0.5"), HasSubstr("is used only where choose is paper"));
  EXPECT_THAT(error_of("razor:budget=0.5"), HasSubstr("is used only where choose is bytes"));
  EXPECT_THAT(error_of("razor/scope:bound=norm-bound,quantile=0.9"),
              HasSubstr("is used only where bound is calibrated"));
}

TEST(PolicyTest, NeedsNoOrderOfParameters) {
  EXPECT_EQ(Policy::parse("razor:echo=0.5,choose=threshold"),
            Policy::parse("razor:choose=threshold,echo=0.5"));
  EXPECT_THAT(error_of("razor:budget=0.5,choose=bytes"), "");
}

TEST(PolicyTest, EveryCodecScopeNamesItsRows) {
  const Policy policy = Policy::parse("razor+f16+protected.k=f32+others.v=f32");
  EXPECT_EQ(policy.codec_of(true, true).name, "f32");
  EXPECT_EQ(policy.codec_of(false, true).name, "f16");
  EXPECT_EQ(policy.codec_of(true, false).name, "f16");
  EXPECT_EQ(policy.codec_of(false, false).name, "f32");
  const Policy kinds = Policy::parse("full+k=f32");
  EXPECT_EQ(kinds.codec_of(true, false).name, "f32");
  EXPECT_EQ(kinds.codec_of(false, false).name, "f16") << "nothing names the values: the default";
  const Policy heads = Policy::parse("razor+protected=f32+v=f16+protected.v=f16");
  EXPECT_EQ(heads.codec_of(true, true).name, "f32");
  EXPECT_EQ(heads.codec_of(false, true).name, "f16");
  EXPECT_EQ(heads.codec_of(true, false).name, "f16");
}

TEST(PolicyTest, NarrowerScopesWinInEveryOrder) {
  std::vector<std::string> codecs = {"f16", "k=f32", "protected=f16", "protected.k=f32"};
  do {
    const std::string text = fmt::format("razor+{}", fmt::join(codecs, "+"));
    ASSERT_EQ(error_of(text), "");
    const Policy policy = Policy::parse(text);
    EXPECT_EQ(policy.codec_of(true, true).name, "f32") << text;
    EXPECT_EQ(policy.codec_of(false, true).name, "f16") << text;
    EXPECT_EQ(policy.codec_of(true, false).name, "f32") << text;
    EXPECT_EQ(policy.codec_of(false, false).name, "f16") << text;
  } while (std::next_permutation(codecs.begin(), codecs.end()));
}

TEST(PolicyTest, AmbiguousScopesAreErrorsThatNameTheRemedy) {
  EXPECT_THAT(error_of("razor+k=f32+protected=f16"),
              AllOf(HasSubstr("the keys of protected heads"), HasSubstr("add protected.k=CODEC")));
  EXPECT_THAT(error_of("razor+others=f32+v=f16"),
              AllOf(HasSubstr("the values of other heads"), HasSubstr("add others.v=CODEC")));
  EXPECT_THAT(error_of("full+f16+f16"), HasSubstr("two codecs without a scope"));
  EXPECT_THAT(error_of("full+k=f16+k=f32"), HasSubstr("two codecs for the scope 'k'"));
}

TEST(PolicyTest, ScopesOfHeadsNeedASelectionThatProtectsSome) {
  for (const std::string& scope : codec_scopes()) {
    const bool of_heads = scope.size() > 1;
    for (const char* selection : {"full", "window"}) {
      const std::string error = error_of(fmt::format("{}+{}=f16", selection, scope));
      if (of_heads) {
        EXPECT_THAT(error, AllOf(HasSubstr(scope), HasSubstr("needs a selection that protects heads"),
                                 HasSubstr(selection)));
      } else {
        EXPECT_EQ(error, "");
      }
    }
    EXPECT_EQ(error_of(fmt::format("razor+{}=f16", scope)), "");
  }
}

TEST(PolicyTest, EmptyEntriesOfAListAreErrors) {
  for (const char* text : {"", ";", "full;", ";full", "full;;full", " ; full"}) {
    EXPECT_THROW(Policy::parse_list(text), InputError) << text;
  }
  EXPECT_EQ(Policy::parse_list(" full ; window:recent=8 ").size(), 2U);
  EXPECT_EQ(Policy::parse_list("razor:heads=\"a;b\"").size(), 1U);
}

TEST(PolicyTest, JsonHasNumbersAsNumbers) {
  const nlohmann::json json = Policy::parse("razor/none:recent=252,choose=threshold+k=f32").to_json();
  EXPECT_EQ(json["selection"], "razor");
  EXPECT_EQ(json["variant"], "none");
  EXPECT_EQ(json["parameters"]["recent"], 252);
  EXPECT_TRUE(json["parameters"]["recent"].is_number_integer());
  EXPECT_EQ(json["parameters"]["induction"], 0.1);
  EXPECT_EQ(json["parameters"]["choose"], "threshold");
  EXPECT_FALSE(json["parameters"].contains("ratio"));
  EXPECT_EQ(json["codecs"].size(), 1U);
  EXPECT_EQ(json["codecs"][0]["scope"], "k");
  EXPECT_EQ(json["codecs"][0]["name"], "f32");
}

TEST(PolicyTest, OnlyPoliciesWithAWindowHaveASize) {
  EXPECT_TRUE(Policy::parse("window").has_size(nullptr));
  EXPECT_EQ(Policy::parse("window").with_size(7), Policy::parse("window:recent=7"));
  EXPECT_EQ(Policy::parse("razor/none:recent=9").with_size(7), Policy::parse("razor/none:recent=7"));
  std::string reason;
  EXPECT_FALSE(Policy::parse("full").has_size(&reason));
  EXPECT_THAT(reason, HasSubstr("fixed"));
  // What a size excludes gives way to it.
  EXPECT_EQ(Policy::parse("razor:ratio=3").with_size(7), Policy::parse("razor:recent=7"));
  EXPECT_EQ(Policy::parse("h2o:heavy=10,recent=20").with_size(7), Policy::parse("h2o:budget=7"));
}

TEST(PolicyTest, AScopeHasNoSizeAndIsNotAskedForOneThatItRefuses) {
  std::string reason;
  EXPECT_FALSE(Policy::parse("razor/scope").has_size(&reason));
  EXPECT_THAT(reason, Not(HasSubstr("give recent"))) << "razor/scope refuses recent";
}

// Declarations

std::vector<std::pair<std::string, const std::vector<Parameter>*>> declarations() {
  std::vector<std::pair<std::string, const std::vector<Parameter>*>> all;
  for (const SelectionEntry& entry : selection_registry()) all.emplace_back(entry.name, &entry.parameters);
  for (const CodecEntry& entry : codec_registry()) all.emplace_back(entry.name, &entry.parameters);
  return all;
}

TEST(ParameterTest, DeclarationsAreComplete) {
  for (const auto& [owner, parameters] : declarations()) {
    for (size_t i = 0; i < parameters->size(); ++i) {
      const Parameter& parameter = (*parameters)[i];
      SCOPED_TRACE(owner + ":" + parameter.name);
      EXPECT_FALSE(parameter.help.empty());
      EXPECT_LE(parameter.lowest, parameter.highest);
      EXPECT_EQ(parameter.kind == ParameterKind::choice, !parameter.choices.empty());
      EXPECT_FALSE(describe_domain(parameter).empty());
      EXPECT_EQ(parameter.needs_parameter.empty(), parameter.needs_values.empty());
      const auto declared_earlier = [&](const std::string& name) {
        return std::any_of(parameters->begin(), parameters->begin() + static_cast<ptrdiff_t>(i),
                           [&](const Parameter& other) { return other.name == name; });
      };
      EXPECT_TRUE(parameter.needs_parameter.empty() || declared_earlier(parameter.needs_parameter));
      EXPECT_TRUE(parameter.excluded_by.empty() || declared_earlier(parameter.excluded_by));
    }
  }
  for (const SelectionEntry& entry : selection_registry()) {
    SCOPED_TRACE(entry.name);
    EXPECT_FALSE(entry.help.empty());
    EXPECT_FALSE(entry.source.empty());
    const auto is_size = [&](const Parameter& parameter) {
      return parameter.name == entry.size_parameter &&
             (parameter.kind == ParameterKind::integer || parameter.kind == ParameterKind::budget);
    };
    EXPECT_TRUE(entry.size_parameter.empty() ||
                std::any_of(entry.parameters.begin(), entry.parameters.end(), is_size));
    // Every variant parses by itself: its defaults are allowed.
    std::vector<std::string> variants = entry.variants;
    if (variants.empty()) variants = {""};
    for (const std::string& variant : variants)
      EXPECT_EQ(error_of(entry.name + (variant.empty() ? "" : "/") + variant), "");
  }
}

TEST(ParameterTest, DescribesItsDomain) {
  EXPECT_EQ(describe_domain({.name = "x", .fallback = "4", .highest = 9}), "integer, 0 to 9; default 4");
  EXPECT_EQ(describe_domain({.name = "x", .kind = ParameterKind::choice, .choices = {"a", "b"}}),
            "a | b; no default");
  EXPECT_EQ(describe_domain({.name = "x",
                             .kind = ParameterKind::real,
                             .fallback = "0.5",
                             .lowest = 0.25,
                             .highest = 1.0,
                             .variants = {"v"},
                             .needs_parameter = "y",
                             .needs_values = {"p", "q"},
                             .excluded_by = "z"}),
            "number, 0.25 to 1; default 0.5; variants v; where y is p or q; not beside z");
}

// Budgets

TEST(BudgetTest, ReadsTokensFractionsAndBytes) {
  const auto expect = [](const char* text, Budget::Unit unit, double amount) {
    const Budget budget = parse_budget(text);
    EXPECT_EQ(budget.unit, unit) << text;
    EXPECT_EQ(budget.amount, amount) << text;
  };
  expect("1", Budget::Unit::tokens, 1);
  expect("128", Budget::Unit::tokens, 128);
  expect("1.0", Budget::Unit::fraction, 1);
  expect("0.25", Budget::Unit::fraction, 0.25);
  expect(".5", Budget::Unit::fraction, 0.5);
  expect("900B", Budget::Unit::bytes, 900);
  expect("64KiB", Budget::Unit::bytes, 65536);
  expect("8MiB", Budget::Unit::bytes, 8388608);
  expect("1.5MiB", Budget::Unit::bytes, 1572864);
  expect("2GiB", Budget::Unit::bytes, 2147483648.0);
}

TEST(BudgetTest, RefusesWhatIsNoBudget) {
  for (const char* text :
       {"",    "0",  "-1",    "-0.5", "0.0",  "1.5",   "1.0001", "1e400",      "nan",  "inf", "x",  "B",
        "MiB", "0B", "-1MiB", "8MB",  "8mib", "8 MiB", "1e30B",  "2000000000", "0x10", "1,5", "25%"}) {
    EXPECT_THROW(parse_budget(text), std::invalid_argument) << text;
    EXPECT_NE(error_of(fmt::format("razor:choose=bytes,budget={}", text)), "") << text;
  }
  EXPECT_THAT(error_of("razor:choose=bytes,budget=1.5"),
              AllOf(HasSubstr("budget"), HasSubstr("allowed: tokens per KV head")));
}

TEST(BudgetTest, AFormattedBudgetIsReadAsItself) {
  for (const char* text :
       {"1", "1.0", "0.25", "1e-5", "0.3333333333333333", "900B", "8MiB", "1000000000", "0.7B"}) {
    const Budget budget = parse_budget(text);
    const Budget again = parse_budget(format_budget(budget));
    EXPECT_EQ(again.unit, budget.unit) << text;
    EXPECT_EQ(again.amount, budget.amount) << text;
  }
}

TEST(BudgetTest, ASizeThatRoundsToNothingIsRefused) {
  EXPECT_THROW(parse_budget("0.4B"), std::invalid_argument);
}

}  // namespace
}  // namespace razorscope
