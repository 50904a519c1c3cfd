#include "gui/data/explanation_shelf.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

namespace razorscope::gui {
namespace {

constexpr size_t most_kept = 12;

}  // namespace

void ExplanationShelf::clear() {
  shelf_.clear();
  cancel();
}

void ExplanationShelf::read(Explorer& explorer, QObject* context, const std::vector<int64_t>& runs, Done done,
                            Failed failed) {
  const int asked = ++asked_;
  if (std::all_of(runs.begin(), runs.end(), [&](int64_t run) { return shelf_.contains(run); }))
    return done(take(runs));
  explorer.worker().read(
      explorer.snapshot()->path, context,
      [runs, shelf = shelf_](Store& store) { return fetch(store, shelf, runs); },
      [this, asked, runs, done = std::move(done)](const Shelf& shelf) {
        if (asked != asked_) return;
        shelf_ = shelf;
        done(take(runs));
      },
      [this, asked, failed = std::move(failed)](const QString& problem) {
        if (asked == asked_) failed(problem);
      });
}

ExplanationShelf::Shelf ExplanationShelf::fetch(Store& store, Shelf shelf, const std::vector<int64_t>& runs) {
  for (const int64_t run : runs) {
    if (shelf.contains(run)) continue;
    std::optional<StoredExplanation> stored = store.explanation(run);
    if (!stored) throw std::runtime_error("it is no longer in the database");
    for (const auto& [id, other] : shelf) {
      if (stored->row.attention_id && other->row.attention_id == stored->row.attention_id)
        stored->explanation.attention = other->explanation.attention;
    }
    shelf[run] = std::make_shared<const StoredExplanation>(std::move(*stored));
  }
  return shelf;
}

std::vector<SharedExplanation> ExplanationShelf::take(const std::vector<int64_t>& runs) {
  std::vector<SharedExplanation> taken;
  for (const int64_t run : runs) taken.push_back(shelf_.at(run));
  if (shelf_.size() > most_kept) {
    shelf_.clear();
    for (const SharedExplanation& each : taken) shelf_[each->row.run_id] = each;
  }
  return taken;
}

}  // namespace razorscope::gui
