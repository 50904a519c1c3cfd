#include "gui/data/run_filter.hpp"

#include <QJsonArray>
#include <QStringList>
#include <cmath>

#include "gui/data/run_columns.hpp"

namespace razorscope::gui {
namespace {

/// A filter with the snapshot's own numbers for its names.
class Matcher {
 public:
  Matcher(const Snapshot& snapshot, const RunFilter& filter) : snapshot_(snapshot) {
    for (const Facet facet : all_facets) {
      const auto chosen = filter.chosen.find(facet);
      if (chosen == filter.chosen.end()) continue;
      std::vector<bool>& allowed = allowed_[static_cast<size_t>(facet)];
      allowed.push_back(chosen->second.contains(QString()));  // of runs without such a thing
      for (const QString& name : snapshot.names_of(facet)) allowed.push_back(chosen->second.contains(name));
    }
    for (const auto& [key, bounds] : filter.bounds) {
      const int column = run_column(key);
      if (column >= 0) bounds_.emplace_back(&run_columns()[static_cast<size_t>(column)], bounds);
    }
    for (const auto& [key, word] : filter.words) {
      const int column = run_column(key);
      if (column >= 0) words_.emplace_back(&run_columns()[static_cast<size_t>(column)], word);
    }
    for (const QString& word : filter.search.toLower().split(u' ', Qt::SkipEmptyParts)) search_ += word;
  }

  /// Whether all but the facets agree.
  bool meets_the_rest(size_t place) const {
    const Run& run = snapshot_.runs[place];
    for (const QString& word : search_) {
      if (!snapshot_.haystacks[place].contains(word)) return false;
    }
    for (const auto& [column, bounds] : bounds_) {
      const std::optional<double> value = column->is_number() ? column->number(snapshot_, run) : std::nullopt;
      if (!value || !(*value >= bounds.low && *value <= bounds.high)) return false;
    }
    for (const auto& [column, word] : words_) {
      const QString cell = column->cell(snapshot_, run);
      const bool fits =
          word.startsWith(u'=') ? cell == word.mid(1) : cell.contains(word, Qt::CaseInsensitive);
      if (!fits) return false;
    }
    return true;
  }

  /// The only facet that does not agree: none of them (-1), one, or several (-2).
  int disagreeing(const Run& run) const {
    int found = -1;
    for (size_t i = 0; i < facet_count; ++i) {
      if (allowed_[i].empty() || allowed_[i][static_cast<size_t>(run.values[i] + 1)]) continue;
      if (found >= 0) return -2;
      found = static_cast<int>(i);
    }
    return found;
  }

 private:
  const Snapshot& snapshot_;
  std::array<std::vector<bool>, facet_count> allowed_;  // by name + 1; empty: all
  std::vector<std::pair<const RunColumn*, FigureBounds>> bounds_;
  std::vector<std::pair<const RunColumn*, QString>> words_;
  QStringList search_;
};

void count(FacetCounts& counts, size_t facet, int value) {
  if (value < 0) {
    ++counts.without[facet];
  } else {
    ++counts.counts[facet][static_cast<size_t>(value)];
  }
}

QString bounds_text(const QString& key, const FigureBounds& bounds) {
  const int column = run_column(key);
  const QString name = column < 0 ? key : run_columns()[static_cast<size_t>(column)].heading();
  const auto number = [](double value) { return QString::number(value, 'g', 4); };
  if (std::isinf(bounds.low)) return QStringLiteral("%1 ≤ %2").arg(name, number(bounds.high));
  if (std::isinf(bounds.high)) return QStringLiteral("%1 ≥ %2").arg(name, number(bounds.low));
  return QStringLiteral("%2 ≤ %1 ≤ %3").arg(name, number(bounds.low), number(bounds.high));
}

QString column_title(const QString& key) {
  const int column = run_column(key);
  return column < 0 ? key : QString::fromUtf8(run_columns()[static_cast<size_t>(column)].title);
}

}  // namespace

QJsonObject RunFilter::toJson() const {
  QJsonObject facets;
  for (const auto& [facet, names] : chosen) {
    QJsonArray list;
    for (const QString& name : names) list.append(name);
    facets[QLatin1String(facet_key(facet))] = list;
  }
  QJsonObject ranges;
  for (const auto& [key, range] : bounds) {
    QJsonObject ends;
    if (std::isfinite(range.low)) ends[QStringLiteral("low")] = range.low;
    if (std::isfinite(range.high)) ends[QStringLiteral("high")] = range.high;
    ranges[key] = ends;
  }
  QJsonObject parts;
  for (const auto& [key, word] : words) parts[key] = word;
  return {{QStringLiteral("facets"), facets},
          {QStringLiteral("bounds"), ranges},
          {QStringLiteral("words"), parts},
          {QStringLiteral("search"), search}};
}

RunFilter RunFilter::fromJson(const QJsonObject& json) {
  RunFilter filter;
  const QJsonObject facets = json[QLatin1String("facets")].toObject();
  for (const Facet facet : all_facets) {
    const QJsonArray names = facets[QLatin1String(facet_key(facet))].toArray();
    for (const QJsonValue& name : names) filter.chosen[facet].insert(name.toString());
  }
  const QJsonObject bounds = json[QLatin1String("bounds")].toObject();
  for (auto range = bounds.begin(); range != bounds.end(); ++range) {
    if (run_column(range.key()) < 0) continue;
    const QJsonObject ends = range.value().toObject();
    const FigureBounds none;
    filter.bounds[range.key()] = {ends[QLatin1String("low")].toDouble(none.low),
                                  ends[QLatin1String("high")].toDouble(none.high)};
  }
  const QJsonObject words = json[QLatin1String("words")].toObject();
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (run_column(word.key()) >= 0) filter.words[word.key()] = word.value().toString();
  }
  filter.search = json[QLatin1String("search")].toString();
  return filter;
}

FilteredRuns filter_runs(const Snapshot& snapshot, const RunFilter& filter) {
  FilteredRuns out;
  for (const Facet facet : all_facets)
    out.counts.counts[static_cast<size_t>(facet)].resize(snapshot.names_of(facet).size());
  const Matcher matcher(snapshot, filter);
  for (size_t place = 0; place < snapshot.runs.size(); ++place) {
    const Run& run = snapshot.runs[place];
    const int disagreeing = matcher.disagreeing(run);
    if (disagreeing == -2 || !matcher.meets_the_rest(place)) continue;
    if (disagreeing >= 0) {
      const auto facet = static_cast<size_t>(disagreeing);
      count(out.counts, facet, run.values[facet]);
      continue;
    }
    out.runs.push_back(place);
    for (size_t facet = 0; facet < facet_count; ++facet) count(out.counts, facet, run.values[facet]);
  }
  return out;
}

std::vector<FilterChip> filter_chips(const RunFilter& filter) {
  std::vector<FilterChip> chips;
  if (!filter.search.isEmpty()) {
    RunFilter removed = filter;
    removed.search.clear();
    chips.push_back({QStringLiteral("“%1”").arg(filter.search), removed});
  }
  for (const auto& [facet, names] : filter.chosen) {
    QStringList words;
    for (const QString& name : names) words += name.isEmpty() ? QStringLiteral("none") : name;
    RunFilter removed = filter;
    removed.chosen.erase(facet);
    chips.push_back(
        {QStringLiteral("%1: %2").arg(QLatin1String(facet_title(facet)), words.join(QStringLiteral(", "))),
         removed});
  }
  for (const auto& [key, range] : filter.bounds) {
    RunFilter removed = filter;
    removed.bounds.erase(key);
    chips.push_back({bounds_text(key, range), removed});
  }
  for (const auto& [key, word] : filter.words) {
    RunFilter removed = filter;
    removed.words.erase(key);
    const bool whole = word.startsWith(u'=');
    const QString form = whole ? QStringLiteral("%1: %2") : QStringLiteral("%1 has “%2”");
    const QString name = word == QLatin1String("=") ? QStringLiteral("none") : word.mid(whole ? 1 : 0);
    chips.push_back({form.arg(column_title(key), name), removed});
  }
  return chips;
}

}  // namespace razorscope::gui
