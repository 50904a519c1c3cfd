#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/store/compare/difference.hpp"
#include "experiments/store/report.hpp"
#include "experiments/store/run_origin.hpp"
#include "experiments/store/store.hpp"

namespace razorscope {

/// A run of two databases. Ids as in RunOrigin; a search for the highest rate has its own.
struct ComparedRun {
  const char* section = "";  // replay, eval, tasks, serving, rates, plans
  std::string subject;       // what it was made on
  std::string policy;        // canonical name; of a pair A's
  int64_t a_run = 0;         // 0: only in B
  int64_t b_run = 0;         // 0: only in A
  bool by_name = false;      // paired though the configuration is not the same in all
  std::vector<FigureDifference> figures = {};

  bool paired() const { return a_run != 0 && b_run != 0; }
  bool changed() const;
};

/// A program and machine, and how many of either database's runs it made.
struct ProgramUse {
  Provenance program;
  size_t a_runs = 0;
  size_t b_runs = 0;
};

struct Comparison {
  std::string a;  // names of the files
  std::string b;
  std::vector<ComparedRun> runs;  // A's in their order, those only in B behind
  std::vector<ProgramUse> programs;

  size_t pairs() const;
  size_t changes() const;  // pairs with a figure that changed
  size_t only_a() const;
  size_t only_b() const;
  /// Whether any pair changed, or a run has no counterpart.
  bool differs() const { return changes() + only_a() + only_b() > 0; }
  /// Whether versions, commits, kernel targets or compute types are not the same in both.
  bool programs_differ() const;
};

/// Pairs runs of the same configuration (config_hash); of those left, runs that share names of model, texts
/// and policy asked for, prefix, steps, share and all else that a reader sees, where there is only one such
/// in each. Differences are B - A: of replays with an interval over their query heads, of evaluations and
/// tasks from both intervals, of simulations and plans exactly.
Comparison compare_stores(Store& a, const ReportData& runs_of_a, Store& b, const ReportData& runs_of_b);

/// The figures of two replays, B - A, with intervals over their query heads; the stores may be the same one.
/// Of other kinds of runs, see differences() in run_figures.hpp.
std::vector<FigureDifference> compare_runs(Store& of_a, const TradeoffRow& a, Store& of_b,
                                           const TradeoffRow& b);

/// As table, Markdown, CSV (a line for each figure of each pair), JSON or HTML. The first two and HTML show
/// the largest part where there is much, changes first, and say how much is left out.
std::string format_comparison(const Comparison& comparison, ReportFormat format);

}  // namespace razorscope
