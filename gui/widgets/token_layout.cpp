#include "gui/widgets/token_layout.hpp"

#include <QFontMetricsF>
#include <QHash>
#include <algorithm>
#include <cmath>

namespace razorscope::gui {

void TokenLayout::setText(const std::vector<QString>& pieces, const QFont& font) {
  font_ = font;
  const QFontMetricsF metrics(font);
  line_height_ = std::ceil(metrics.height() * 1.18);
  ascent_ = metrics.ascent() + (line_height_ - metrics.height()) / 2.0;
  space_ = metrics.horizontalAdvance(u' ');
  parts_.clear();
  QHash<QString, double> widths;
  const auto width_of = [&](const QString& text) {
    const auto found = widths.constFind(text);
    return found != widths.constEnd() ? *found : *widths.insert(text, metrics.horizontalAdvance(text));
  };
  for (size_t t = 0; t < pieces.size(); ++t) {
    const QStringList lines = pieces[t].split(u'\n');
    int breaks = 0;
    for (qsizetype i = 0; i < lines.size(); ++i) {
      breaks += i > 0 ? 1 : 0;
      const bool only_line_end = lines.size() > 1 && i == 0;
      if (lines[i].isEmpty() && !only_line_end) continue;
      parts_.push_back(
          {static_cast<int>(t), breaks, lines[i].isEmpty() ? space_ : width_of(lines[i]), lines[i]});
      breaks = 0;
    }
    // Line ends that nothing follows in the token stand before what comes next.
    if (breaks > 0) parts_.push_back({static_cast<int>(t), breaks, 0.0, {}});
  }
}

void TokenLayout::startLine(int breaks) {
  const double below = tops_.empty() ? 0.0 : tops_.back() + line_height_;
  tops_.push_back(below + (breaks > 1 ? line_height_ / 2.0 : 0.0));
  first_of_line_.push_back(fragments_.size());
}

void TokenLayout::wrap(double width) {
  fragments_.clear();
  fragments_.reserve(parts_.size());
  tops_.clear();
  first_of_line_.clear();
  double x = 0.0;
  startLine(0);
  int pending = 0;  // line ends since the last text
  for (size_t i = 0; i < parts_.size();) {
    pending += parts_[i].breaks;
    if (parts_[i].text.isEmpty() && parts_[i].width == 0.0) {
      ++i;
      continue;
    }
    if (pending > 0 && !parts_[i].text.isEmpty()) {
      startLine(pending);
      x = 0.0;
      pending = 0;
    }
    size_t end = i + 1;
    double word = parts_[i].width;
    while (end < parts_.size() && parts_[end].breaks == 0 && !parts_[end].text.isEmpty() &&
           !parts_[end].text.front().isSpace())
      word += parts_[end++].width;
    if (x > 0.0 && x + word > width && !parts_[i].text.isEmpty()) {
      startLine(0);
      x = 0.0;
    }
    for (; i < end; ++i) {
      const Part& part = parts_[i];
      if (x > 0.0 && x + part.width > width && !part.text.isEmpty()) {
        startLine(0);
        x = 0.0;
      }
      TokenFragment fragment{part.token, lines() - 1, x, part.width, part.text};
      if (x == 0.0 && fragment.text.size() > 1 && fragment.text.front() == u' ' && pending == 0) {
        fragment.text.remove(0, 1);
        fragment.width -= space_;
      }
      x += fragment.width;
      fragments_.push_back(std::move(fragment));
    }
  }
  first_of_token_.clear();
  for (size_t f = 0; f < fragments_.size(); ++f) {
    while (static_cast<int>(first_of_token_.size()) <= fragments_[f].token) first_of_token_.push_back(f);
  }
  first_of_token_.push_back(fragments_.size());
}

double TokenLayout::height() const { return tops_.empty() ? 0.0 : tops_.back() + line_height_; }

std::span<const TokenFragment> TokenLayout::fragmentsOf(int token) const {
  const auto index = static_cast<size_t>(token);
  if (token < 0 || index + 1 >= first_of_token_.size()) return {};
  // Tokens without a place (a BOS) are before the first one that has one.
  const size_t first = first_of_token_[index];
  if (first >= fragments_.size() || fragments_[first].token != token) return {};
  return std::span(fragments_).subspan(first, first_of_token_[index + 1] - first);
}

int TokenLayout::lineAt(double y) const {
  const auto after = std::upper_bound(tops_.begin(), tops_.end(), y);
  return std::max(0, static_cast<int>(after - tops_.begin()) - 1);
}

std::span<const TokenFragment> TokenLayout::fragmentsOfLine(int line) const {
  const auto index = static_cast<size_t>(line);
  const size_t end = index + 1 < first_of_line_.size() ? first_of_line_[index + 1] : fragments_.size();
  return std::span(fragments_).subspan(first_of_line_[index], end - first_of_line_[index]);
}

std::span<const TokenFragment> TokenLayout::fragmentsWithin(double top, double bottom) const {
  if (tops_.empty() || bottom < 0.0 || top > height()) return {};
  const size_t first = first_of_line_[static_cast<size_t>(lineAt(top))];
  const auto last = fragmentsOfLine(lineAt(bottom));
  const auto end = static_cast<size_t>(last.data() + last.size() - fragments_.data());
  return std::span(fragments_).subspan(first, end - first);
}

QRectF TokenLayout::rectOf(const TokenFragment& fragment) const {
  return {fragment.x, tops_[static_cast<size_t>(fragment.line)], fragment.width, line_height_};
}

int TokenLayout::tokenAt(const QPointF& position) const {
  if (tops_.empty() || position.y() < 0.0 || position.y() > height()) return -1;
  for (const TokenFragment& fragment : fragmentsOfLine(lineAt(position.y()))) {
    if (rectOf(fragment).contains(position)) return fragment.token;
  }
  return -1;
}

int TokenLayout::tokenBelow(int token, int lines_down) const {
  const auto own = fragmentsOf(token);
  if (own.empty()) return token;
  const double x = own.front().x + own.front().width / 2.0;
  const int line = std::clamp(own.front().line + lines_down, 0, lines() - 1);
  int best = token;
  double distance = 1e300;
  for (const TokenFragment& fragment : fragmentsOfLine(line)) {
    const double here = std::abs(fragment.x + fragment.width / 2.0 - x);
    if (here < distance) {
      distance = here;
      best = fragment.token;
    }
  }
  return best;
}

}  // namespace razorscope::gui
