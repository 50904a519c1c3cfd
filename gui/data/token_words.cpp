#include "gui/data/token_words.hpp"

#include <QStringList>
#include <cmath>

#include "gui/data/format.hpp"
#include "sim/closed_loop/printable_pieces.hpp"

namespace razorscope::gui {
namespace {

/// "+1.23" or "−1.23": a difference of log-odds.
QString signed_text(double value) {
  return (value < 0.0 ? QStringLiteral("−") : QStringLiteral("+")) + QString::number(std::abs(value), 'f', 2);
}

QString in_one_line(QString text) { return text.replace(u'\n', u'↵'); }

}  // namespace

QString fate_text(TokenFate fate) {
  switch (fate) {
    case TokenFate::sink:
      return QStringLiteral("kept as one of the first tokens");
    case TokenFate::window:
      return QStringLiteral("kept as one of the latest tokens");
    case TokenFate::heavy:
      return QStringLiteral("kept for the attention it accumulated");
    case TokenFate::kept:
      return QStringLiteral("kept");
    case TokenFate::folded:
      return QStringLiteral("folded into a compensation slot");
    case TokenFate::dropped:
      return QStringLiteral("dropped");
  }
  return {};
}

QString fate_name(TokenFate fate) {
  switch (fate) {
    case TokenFate::sink:
      return QStringLiteral("sink");
    case TokenFate::window:
      return QStringLiteral("window");
    case TokenFate::heavy:
      return QStringLiteral("heavy");
    case TokenFate::kept:
      return QStringLiteral("kept");
    case TokenFate::folded:
      return QStringLiteral("folded");
    case TokenFate::dropped:
      return QStringLiteral("dropped");
  }
  return {};
}

AnswerWords answer_words(const ExplanationRow& row, double log_odds) {
  const std::string& answer = log_odds > 0.0 ? row.positive : row.negative;
  return {QString::fromStdString(row.question).trimmed().section(u'\n', -1),
          QString::fromStdString(answer).trimmed(), 1.0 / (1.0 + std::exp(-std::abs(log_odds)))};
}

QString bytes_words(const ExplanationRow& row) {
  if (row.full_f16_bytes.value_or(0) == 0) return {};
  const double share = static_cast<double>(row.physical_bytes) / static_cast<double>(*row.full_f16_bytes);
  return QStringLiteral("%1 of full’s bytes").arg(figure_text(share, FigureKind::share));
}

QString effect_words(const ExplanationRow& row) {
  if (!row.log_odds_without_verdict || !row.full_log_odds_without_verdict) return {};
  const double effect = row.log_odds - *row.log_odds_without_verdict;
  const double full = row.full_log_odds - *row.full_log_odds_without_verdict;
  QString text = QStringLiteral("Effect of the verdict: %1 nats").arg(signed_text(effect));
  if (full == 0.0) return text;
  return text + QStringLiteral(", %1 % of full’s %2")
                    .arg(QString::number(100.0 * effect / full, 'f', 0), signed_text(full));
}

QString token_words(const QString& piece, int token, const TokenState& state, const TokenStates& states) {
  QStringList lines = {QStringLiteral("“%1” (token %2)").arg(in_one_line(piece), QString::number(token))};
  if (states.caches == 1) {
    lines += fate_text(state.fate);
  } else {
    QString held = QStringLiteral("held by %1 of %2 heads").arg(state.holding).arg(states.caches);
    if (state.holding > 0) held += QStringLiteral(", most: ") + fate_text(state.fate);
    if (state.fate == TokenFate::folded) held += QStringLiteral("; folded into a compensation slot");
    lines += held;
  }
  if (states.has_asked) {
    lines += QStringLiteral("accumulated attention %1 a head")
                 .arg(figure_text(state.accumulated, FigureKind::error));
    lines += QStringLiteral("the question gives it %1 % of its attention")
                 .arg(figure_text(100.0 * state.asked, FigureKind::error));
  }
  return lines.join(u'\n');
}

QString step_words(const AttentionRecord* record, int step) {
  if (step == 0) return QStringLiteral("end of the text");
  if (record == nullptr) return QStringLiteral("after %1 tokens of the question").arg(step);
  std::vector<std::string> read(
      record->question.begin(),
      record->question.begin() + std::min<ptrdiff_t>(step, static_cast<ptrdiff_t>(record->question.size())));
  QString text;
  for (const std::string& piece : printable_pieces(read)) text += QString::fromStdString(piece);
  return QStringLiteral("“%1”").arg(in_one_line(text));
}

std::vector<QString> shown_pieces(const StoredExplanation& stored) {
  std::vector<QString> pieces;
  for (const std::string& piece : printable_pieces(stored.explanation.pieces))
    pieces.push_back(QString::fromStdString(piece));
  return pieces;
}

QString token_map_csv(const std::vector<NamedStates>& policies, const MapChoice& choice) {
  const auto chosen = [](int number) { return number < 0 ? QStringLiteral("all") : QString::number(number); };
  QString out = QStringLiteral("policy,layer,head,step,token,piece,verdict,fate,held,accumulated,asked\n");
  for (const NamedStates& policy : policies) {
    const Explanation& explanation = policy.stored->explanation;
    const std::vector<QString> pieces = shown_pieces(*policy.stored);
    const QString prefix = QStringLiteral("%1,%2,%3,%4,")
                               .arg(csv_field(QString::fromStdString(policy.stored->row.policy)),
                                    chosen(choice.layer), chosen(choice.head), QString::number(choice.step));
    for (size_t t = 0; t < policy.states.tokens.size(); ++t) {
      const TokenState& state = policy.states.tokens[t];
      const auto token = static_cast<int>(t);
      const bool verdict = token >= explanation.verdict_begin && token < explanation.verdict_end;
      QStringList fields = {QString::number(t), csv_field(pieces[t]),
                            verdict ? QStringLiteral("1") : QStringLiteral("0"), fate_name(state.fate),
                            full_precision(state.held)};
      fields += explanation.attention ? full_precision(state.accumulated) : QString();
      fields += policy.states.has_asked ? full_precision(state.asked) : QString();
      out += prefix + fields.join(u',') + u'\n';
    }
  }
  return out;
}

}  // namespace razorscope::gui
