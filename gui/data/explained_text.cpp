#include "gui/data/explained_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <optional>

namespace razorscope::gui {
namespace {

std::string key_of(const ExplanationRow& row) {
  return fmt::format("{}\n{}\n{}\n{}\n{}-{}\n{}\n{}\n{}", row.model, row.model_sha256, row.text_ids,
                     row.prefix, row.verdict_begin, row.verdict_end, row.question, row.positive,
                     row.negative);
}

QString title_of(const ExplanationRow& row) {
  return QStringLiteral("%1, %2: “%3 …”")
      .arg(QString::fromStdString(row.text), QString::fromStdString(row.model),
           QString::fromStdString(row.question).simplified());
}

/// The first policy of the families, in their order.
std::optional<size_t> first_of(const Snapshot& snapshot, const ExplainedText& text,
                               std::initializer_list<const char*> families) {
  for (const char* family : families) {
    for (const size_t place : text.places) {
      if (snapshot.name(snapshot.runs[place], Facet::family) == QLatin1String(family)) return place;
    }
  }
  return {};
}

size_t first_other(const ExplainedText& text, size_t than) {
  const auto found =
      std::find_if(text.places.begin(), text.places.end(), [&](size_t place) { return place != than; });
  return found == text.places.end() ? than : *found;
}

}  // namespace

std::vector<ExplainedText> explained_texts(const Snapshot& snapshot, const std::vector<size_t>& places) {
  std::vector<ExplainedText> texts;
  std::map<std::string, size_t> numbers;
  for (const size_t place : places) {
    const Run& run = snapshot.runs[place];
    if (run.kind != RunKind::explain) continue;
    const ExplanationRow& row = snapshot.explanation(run);
    const auto [found, is_new] = numbers.try_emplace(key_of(row), texts.size());
    if (is_new) texts.push_back({found->first, title_of(row), {}});
    texts[found->second].places.push_back(place);
  }
  return texts;
}

PolicyPair first_pair(const Snapshot& snapshot, const ExplainedText& text) {
  const auto evicting =
      first_of(snapshot, text,
               {"h2o", "snapkv", "window", "tova", "pyramidkv", "adakv", "expected", "keydiff", "knorm"});
  const auto keeping = first_of(snapshot, text, {"razor", "occam", "duo"});
  PolicyPair pair;
  pair.left = evicting ? *evicting : first_other(text, keeping.value_or(text.places.back()));
  pair.right = keeping ? *keeping : first_other(text, pair.left);
  return pair;
}

}  // namespace razorscope::gui
