#pragma once

#include <QString>
#include <vector>

#include "gui/data/snapshot.hpp"

namespace razorscope::gui {

/// Explanations that may be put side by side: of one text, verdict, question, pair of answers and model.
struct ExplainedText {
  std::string key;             // tells texts apart, in any database
  QString title;               // "review.txt, smollm2-135m: “To sum up, the ending is a …”"
  std::vector<size_t> places;  // in the snapshot, in its order
};

/// Of the runs at `places`, in the order in which they come.
std::vector<ExplainedText> explained_texts(const Snapshot& snapshot, const std::vector<size_t>& places);

/// Two of a text's policies, as places in the snapshot; the same one twice where there is no other.
struct PolicyPair {
  size_t left = 0;
  size_t right = 0;

  bool operator==(const PolicyPair&) const = default;
};

/// What tells most at first sight: a policy that evicts by score or age against one that keeps retrieval
/// heads whole; where one kind is missing, the first policies that there are.
PolicyPair first_pair(const Snapshot& snapshot, const ExplainedText& text);

}  // namespace razorscope::gui
