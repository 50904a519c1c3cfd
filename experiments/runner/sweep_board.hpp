#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/runner/sweep_plan.hpp"
#include "experiments/store/sweep_journal.hpp"

namespace razorscope {

/// The cells of a plan, numbered in its order, as the journal had them when it was last looked at. Internal
/// to SweepRunner.
class SweepBoard {
 public:
  /// Enters the plan's cells into the journal. seconds: estimated, one a batch. None of the arguments is
  /// owned.
  SweepBoard(SweepJournal& journal, const SweepFile& file, const SweepPlan& plan,
             const std::vector<double>& seconds);

  /// Reads the cells' states.
  void look();
  const std::vector<CellRow>& cells() const { return rows_; }
  /// The cells of this part of the sweep: all others are entered into the journal, and no more.
  const std::vector<size_t>& here() const { return here_; }
  std::vector<int64_t> ids(const std::vector<size_t>& cells) const;
  size_t count(CellState state) const;  // of this part

  /// Pending cells of a batch that go into one process together; empty where there are none.
  std::vector<size_t> pending_group(size_t batch) const;
  std::vector<size_t> pending_cells(size_t batch) const;  // of this part
  /// Keeps the halves of a group apart from now on.
  void split(const std::vector<size_t>& cells);
  bool is_done(size_t batch) const;
  bool has_failed(size_t batch) const;  // and none of it is left to be made
  /// The batch's words with the policies of these cells.
  std::vector<std::string> words(size_t batch, const std::vector<size_t>& cells) const;

 private:
  size_t begin(size_t batch) const { return first_[batch]; }
  size_t end(size_t batch) const { return first_[batch + 1]; }

  SweepJournal& journal_;
  const SweepPlan& plan_;
  std::vector<size_t> first_;  // cell of each batch; one more at the end
  std::vector<size_t> here_;
  std::vector<int64_t> ids_;
  std::vector<CellRow> rows_;
  std::vector<int> group_;  // of each cell: those of one number stay together
  int groups_ = 1;
};

}  // namespace razorscope
