#pragma once

#include <memory>
#include <string>

#include "tests/support/stored_runs.hpp"

namespace razorscope::testing {

/// A small record that is a question's own: two layers of one KV head, "ab" in two tokens after a BOS.
inline std::shared_ptr<AttentionRecord> attention_to(const std::string& question) {
  auto record = std::make_shared<AttentionRecord>();
  record->layers = 2;
  record->kv_heads = 1;
  record->tokens = 3;
  for (const char letter : question) record->question.emplace_back(1, letter);
  for (int i = 0; i < 6; ++i) record->accumulated.push_back(0.1F * static_cast<float>(i + 1));
  for (size_t i = 0; i < 6 * question.size(); ++i) {
    const auto letter = static_cast<float>(static_cast<unsigned char>(question[i / 6]));
    record->asked.push_back(letter / 1024.0F + static_cast<float>(i % 6) / 16.0F);  // exact in half precision
  }
  return record;
}

/// A policy's explanation of that text, with the question's record.
inline ExplainRecord explanation_of(const std::string& policy, const std::string& question = "why") {
  const ReplayRecord replay = record_of(policy, 2);
  ExplainRecord record;
  static_cast<RunRecord&>(record) = replay;
  record.command_line = "razorscope explain";
  record.request = {
      .text = "ab", .question = question, .positive = " yes", .negative = " no", .verdict = "b"};
  record.pieces = {"", "a", "b"};
  record.verdict_begin = 2;
  record.verdict_end = 3;
  record.text = {"ab.txt", "t9"};
  PolicyExplanation& result = record.result;
  result.policy = record.policy.name();
  result.layers = 2;
  result.kv_heads = 1;
  result.fates =
      "swd"
      "skw";
  result.later = {{0, 0, 1, 1}, {1, 0, 1, 2}};
  result.log_odds = 0.125;
  result.log_odds_without_verdict = -0.1;
  result.compressed.keys = 100;
  result.compressed.values = 50;
  result.compressed.positions = 7;
  result.compressed.padding = 13;
  result.compressed.nominal = 140.5;
  record.full.log_odds = -7.1;
  record.full.log_odds_without_verdict = 0.3;
  record.attention = attention_to(question);
  return record;
}

}  // namespace razorscope::testing
