#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <map>
#include <set>
#include <tuple>

#include "experiments/store/html/html_report.hpp"
#include "experiments/store/text_table.hpp"

namespace razorscope {
namespace {

/// "a, b, c", or the first of them and how many more.
std::string listed(const std::set<std::string>& names) {
  constexpr size_t most = 12;
  std::vector<std::string> shown(names.begin(), names.end());
  const size_t more = shown.size() - std::min(shown.size(), most);
  shown.resize(shown.size() - more);
  return fmt::format("{}{}", fmt::join(shown, ", "), more > 0 ? fmt::format(" and {} more", more) : "");
}

class Overview {
 public:
  template <typename Row>
  void add(const char* kind, const std::vector<Row>& rows) {
    if (rows.empty()) return;
    std::set<std::string> models;
    std::set<std::string> where;
    std::set<std::string> policies;
    for (const Row& row : rows) {
      models.insert(row.model);
      policies.insert(row.policy);
      if constexpr (std::is_base_of_v<RunRow, Row>) {
        if (!row.text.empty()) where.insert(row.text);
        runs_.emplace(false, row.run_id);
      } else {
        where.insert(row.device);
        runs_.emplace(true, row.run_id);
      }
    }
    kinds_.push_back({kind, fmt::to_string(rows.size()), fmt::to_string(policies.size()), listed(models),
                      where.empty() ? "-" : listed(where)});
  }

  std::string kinds() const { return format_table(kinds_, TextStyle::html); }

  std::string programs(const std::vector<RunOrigin>& origins) const {
    struct Use {
      size_t runs = 0;
      std::string first;
      std::string last;
    };
    std::map<std::vector<std::string>, Use> uses;
    for (const RunOrigin& origin : origins) {
      if (!runs_.contains({origin.on_device, origin.run_id})) continue;
      const Provenance& by = origin.provenance;
      Use& use = uses[{by.program_version, by.commit, by.target, by.compute, fmt::to_string(by.threads),
                       by.cpu, by.os}];
      ++use.runs;
      if (use.first.empty() || origin.started_utc < use.first) use.first = origin.started_utc;
      use.last = std::max(use.last, origin.started_utc);
    }
    if (uses.empty()) return "";
    std::vector<Cells> table = {{"version", "commit", "kernels", "products", "threads", "processor", "system",
                                 "runs", "first started", "last started"}};
    for (const auto& [program, use] : uses) {
      Cells& row = table.emplace_back(program);
      row.insert(row.end(), {fmt::to_string(use.runs), use.first, use.last});
    }
    return format_heading("Programs and machines", TextStyle::html) + format_table(table, TextStyle::html);
  }

 private:
  std::vector<Cells> kinds_ = {{"kind", "runs", "policies", "models", "texts or devices"}};
  std::set<std::pair<bool, int64_t>> runs_;
};

}  // namespace

std::string html_overview(const ReportData& data, const std::vector<RunOrigin>& origins) {
  Overview overview;
  overview.add("replay", data.replay);
  overview.add("evaluation", data.closed_loop);
  overview.add("task", data.tasks);
  overview.add("serving", data.serving);
  overview.add("plan", data.plans);
  return overview.kinds() + overview.programs(origins);
}

}  // namespace razorscope
