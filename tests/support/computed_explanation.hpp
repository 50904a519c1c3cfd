#pragma once

#include <string>
#include <vector>

#include "experiments/store/store.hpp"
#include "sim/closed_loop/explain.hpp"
#include "tests/support/small_model.hpp"
#include "tests/support/stored_runs.hpp"

namespace razorscope::testing {

/// What a random model makes of a short text in three paragraphs, the second of which is its verdict.
struct ComputedExplanation {
  ExplainRequest request = {
      .text = "Na\xc3\xafve \xf0\x9f\x98\x80 start.\n\nThe verdict stands here.\n\nThe last one.\n",
      .question = "\nSo it\xe2\x80\xa6 is",
      .positive = " good",
      .negative = " bad",
      .verdict = "verdict"};
  Explanation explanation;
  std::vector<ExplainRecord> records;  // a run for each policy

  /// policies: a list as users write it.
  ComputedExplanation(const SmallModel& model, const std::string& policies) {
    const std::vector<Policy> parsed = Policy::parse_list(policies);
    NoProgress progress;
    explanation = explain(
        model.transformer(), model.tokenizer(), request, [&](int) { return parsed; }, model.knowledge(),
        progress);
    for (size_t i = 0; i < parsed.size(); ++i) {
      ExplainRecord record;
      record.policy = parsed[i];
      record.model = {model.shape(), "m1"};
      record.provenance = record_of("full").provenance;
      record.request = request;
      record.result = explanation.policies[i];
      record.full = explanation.full;
      record.pieces = explanation.pieces;
      record.verdict_begin = explanation.verdict_begin;
      record.verdict_end = explanation.verdict_end;
      record.attention = explanation.attention;
      record.full_f16_bytes = 10'000;
      record.text = {"text.txt", "t1"};
      records.push_back(record);
    }
  }

  /// As it is read from a database.
  std::vector<StoredExplanation> stored(const std::filesystem::path& path) const {
    Store store = Store::open_for_writing(path);
    std::vector<StoredExplanation> read;
    for (const ExplainRecord& record : records)
      read.push_back(*store.explanation(store.add_explanation(record)));
    return read;
  }
};

}  // namespace razorscope::testing
