#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "gui/data/explorer.hpp"
#include "gui/data/token_map.hpp"

namespace razorscope::gui {

/// Explanations that were read from the database that is open, so that none is read twice. Those of one text
/// and question share their record of attention, which is the largest part of them.
///
/// Contract. Lives as long as what it calls back; clear it when the database is read again.
class ExplanationShelf {
 public:
  using Done = std::function<void(const std::vector<SharedExplanation>&)>;
  using Failed = std::function<void(const QString&)>;

  void clear();
  /// What was asked for last is not answered.
  void cancel() { ++asked_; }
  /// Hands over the explanations of these runs, in their order: at once where all were read before. Only the
  /// last call is answered.
  void read(Explorer& explorer, QObject* context, const std::vector<int64_t>& runs, Done done, Failed failed);

 private:
  using Shelf = std::map<int64_t, SharedExplanation>;  // by run
  static Shelf fetch(Store& store, Shelf shelf, const std::vector<int64_t>& runs);
  std::vector<SharedExplanation> take(const std::vector<int64_t>& runs);

  Shelf shelf_;
  int asked_ = 0;
};

}  // namespace razorscope::gui
