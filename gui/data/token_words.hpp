#pragma once

#include <QString>
#include <vector>

#include "gui/data/token_map.hpp"

namespace razorscope::gui {

// What the token map says in words, and its figures as a file.

/// "held in a window" and the like.
QString fate_text(TokenFate fate);
/// One word, for tables and files.
QString fate_name(TokenFate fate);

/// What the model answers: "To sum up, the ending is a | disappointment | 99.9 %".
struct AnswerWords {
  QString question;          // its last line
  QString answer;            // the likelier of the two
  double probability = 0.0;  // of the two, from their log-odds
};
AnswerWords answer_words(const ExplanationRow& row, double log_odds);

/// "18.5 % of full’s bytes" (of full+f16); "" where these are unknown.
QString bytes_words(const ExplanationRow& row);
/// What the verdict's paragraph does to the answer under the policy and under full; "" where it was not
/// measured.
QString effect_words(const ExplanationRow& row);
/// What hovering over a token tells.
QString token_words(const QString& piece, int token, const TokenState& state, const TokenStates& states);
/// What was read of the question after so many tokens: "end of the text", "“To sum up”".
QString step_words(const AttentionRecord* record, int step);

/// Pieces as they are shown.
std::vector<QString> shown_pieces(const StoredExplanation& stored);

/// A policy's states, for files.
struct NamedStates {
  SharedExplanation stored;
  TokenStates states;
};
/// A line for each policy and token: policy, layer, head, step, token, piece, verdict, fate, held,
/// accumulated, asked; the last two empty where they were not recorded.
QString token_map_csv(const std::vector<NamedStates>& policies, const MapChoice& choice);

}  // namespace razorscope::gui
