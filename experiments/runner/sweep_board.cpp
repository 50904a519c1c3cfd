#include "experiments/runner/sweep_board.hpp"

#include <algorithm>

namespace razorscope {

SweepBoard::SweepBoard(SweepJournal& journal, const SweepFile& file, const SweepPlan& plan,
                       const std::vector<double>& seconds)
    : journal_(journal), plan_(plan) {
  std::vector<CellRow> rows;
  for (size_t b = 0; b < plan.batches.size(); ++b) {
    const SweepBatch& batch = plan.batches[b];
    first_.push_back(rows.size());
    CellRow row;
    row.command = batch.command;
    row.settings_json = batch.settings.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    row.estimated_seconds = seconds[b] / static_cast<double>(batch.cells.size());
    for (const SweepCell& cell : batch.cells) {
      row.config_hash = cell.config_hash;
      row.policy = cell.policy;
      if (!batch.elsewhere) here_.push_back(rows.size());
      rows.push_back(row);
    }
  }
  first_.push_back(rows.size());
  ids_ = journal.enter(file.name, file.toml, rows);
  group_.assign(rows.size(), 0);
  look();
}

void SweepBoard::look() { rows_ = journal_.cells(ids_); }

std::vector<int64_t> SweepBoard::ids(const std::vector<size_t>& cells) const {
  std::vector<int64_t> ids;
  for (const size_t cell : cells) ids.push_back(ids_[cell]);
  return ids;
}

size_t SweepBoard::count(CellState state) const {
  return static_cast<size_t>(
      std::count_if(here_.begin(), here_.end(), [&](size_t cell) { return rows_[cell].state == state; }));
}

std::vector<size_t> SweepBoard::pending_cells(size_t batch) const {
  std::vector<size_t> cells;
  if (plan_.batches[batch].elsewhere) return cells;
  for (size_t cell = begin(batch); cell < end(batch); ++cell) {
    if (rows_[cell].state == CellState::pending) cells.push_back(cell);
  }
  return cells;
}

std::vector<size_t> SweepBoard::pending_group(size_t batch) const {
  std::vector<size_t> cells = pending_cells(batch);
  if (!cells.empty())
    std::erase_if(cells, [&, first = group_[cells.front()]](size_t cell) { return group_[cell] != first; });
  return cells;
}

void SweepBoard::split(const std::vector<size_t>& cells) {
  const int group = groups_++;
  for (size_t i = cells.size() / 2; i < cells.size(); ++i) group_[cells[i]] = group;
}

bool SweepBoard::is_done(size_t batch) const {
  return std::all_of(rows_.begin() + static_cast<ptrdiff_t>(begin(batch)),
                     rows_.begin() + static_cast<ptrdiff_t>(end(batch)),
                     [](const CellRow& row) { return row.state == CellState::done; });
}

bool SweepBoard::has_failed(size_t batch) const {
  bool any = false;
  for (size_t cell = begin(batch); cell < end(batch); ++cell) {
    if (rows_[cell].state == CellState::pending || rows_[cell].state == CellState::running) return false;
    any = any || rows_[cell].state == CellState::failed;
  }
  return any;
}

std::vector<std::string> SweepBoard::words(size_t batch, const std::vector<size_t>& cells) const {
  std::vector<SweepCell> some;
  for (const size_t cell : cells) some.push_back(plan_.batches[batch].cells[cell - begin(batch)]);
  return plan_.batches[batch].words_for(some);
}

}  // namespace razorscope
