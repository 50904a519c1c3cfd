#include <cmath>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "experiments/advise/limit.hpp"
#include "tests/support/expect_input_error.hpp"

namespace razorscope {
namespace {

Limit limit(const std::string& text) { return parse_limit("--limit", text); }

TEST(AdviseLimitTest, UnitsAndWords) {
  const auto is = [](const std::string& text, const std::string& canonical) {
    EXPECT_EQ(to_string(limit(text)), canonical) << text;
  };
  is("kl<=0.02", "kl<=0.02");
  is("KL at most 0.02", "kl<=0.02");
  is(" kl < 2e-2 ", "kl<=0.02");
  is("top1>=95%", "top1>=0.95");
  is("top-1 agreement at least 95 %", "top1>=0.95");
  is("Needle accuracy over 0.9", "needle>=0.9");
  is("multi-query ≥ 90%", "multi_query>=0.9");
  is("kv_bytes<=4GB", "kv_bytes<=4000000000B");
  is("KV bytes no more than 1 GiB", "kv_bytes<=1073741824B");
  is("kv_bytes under 512", "kv_bytes<=512B");
  is("bytes_share<=30%", "bytes_share<=0.3");
  is("bytes_share<=1.5", "bytes_share<=1.5");
  is("p99 TTFT under 2 s", "ttft_p99<=2000ms");
  is("TPOT p99 below 50ms", "tpot_p99<=50ms");
  is("e2e_p50 less than 1min", "e2e_p50<=60000ms");
  is("decode_ms<=30", "decode_ms<=30ms");
  is("decode time up to 0.03 s", "decode_ms<=30ms");
  is("largest batch no less than 8", "max_batch>=8");
}

TEST(AdviseLimitTest, WhatIsWrongIsNamed) {
  const auto refuses = [](const std::string& text, const std::vector<std::string>& fragments) {
    testing::expect_input_error([&] { limit(text); }, fragments);
  };
  refuses("", {"--limit", "kl<=0.02"});
  refuses("kl", {"--limit", "'kl'"});
  refuses("klx<=0.02", {"--limit", "klx", "did you mean 'kl'"});
  refuses("<=0.02", {"--limit", "unknown limit"});
  refuses("kl>=0.02", {"kl", "smaller", "kl<="});
  refuses("top1<=0.9", {"top1", "larger", "top1>="});
  refuses("kl<=", {"kl", "not a number"});
  refuses("kl<=-1", {"kl", "not a number"});
  refuses("kl<=nan", {"kl", "not a number"});
  refuses("kl<=inf", {"kl", "not a number"});
  refuses("kl<=1e999", {"kl", "not a number"});
  refuses("kl<=0.02nats", {"kl", "plain number"});
  refuses("top1>=95", {"top1", "above 1", "90%"});
  refuses("ttft_p99<=2", {"ttft_p99", "needs a unit", "ms"});
  refuses("ttft_p99<=2h", {"ttft_p99", "unknown unit 'h'", "min"});
  refuses("kv_bytes<=4gb", {"kv_bytes", "unknown unit", "GB"});
  refuses(std::string(100000, 'x'), {"--limit"});
}

RC_GTEST_PROP(AdviseLimitTest, PrintedIsParsedBack, ()) {
  const Metric& metric = metrics()[*rc::gen::inRange<size_t>(0, metrics().size())];
  double value = std::ldexp(static_cast<double>(*rc::gen::inRange<int64_t>(0, int64_t{1} << 53)),
                            *rc::gen::inRange(-80, 40));
  if (metric.quantity == Quantity::share) value = std::fmod(value, 1.0);
  const Limit made{&metric, value};
  RC_ASSERT(limit(to_string(made)) == made);
}

RC_GTEST_PROP(AdviseLimitTest, AnyTextIsALimitOrAnInputError, (const std::string& text)) {
  for (const std::string& candidate : {text, "kl<=" + text, text + ">=1", "top1 at least " + text}) {
    try {
      RC_ASSERT(std::isfinite(limit(candidate).value));
    } catch (const InputError&) {
    }
  }
}

TEST(AdviseLimitTest, EveryNameIsFoundByItsWords) {
  for (const Metric& metric : metrics()) {
    EXPECT_EQ(&find_metric("x", metric.name), &metric);
    for (const std::string& alias : metric.aliases) EXPECT_EQ(&find_metric("x", alias), &metric) << alias;
  }
  EXPECT_NE(metric_help().find("ttft_p99"), std::string::npos);
}

}  // namespace
}  // namespace razorscope
