#include "experiments/cli/run_records.hpp"

#include <filesystem>

#include "experiments/cli/options.hpp"
#include "models/base/mapped_file.hpp"

namespace razorscope::cli {

void describe_command(RunRecord& record, uint64_t seed, Compute compute) {
  record.seed = seed;
  record.command_line = command_line();
  record.started_utc = utc_now();
  record.provenance = current_provenance(compute);
}

void describe_policy(RunRecord& record, const PlannedPolicy& plan, std::optional<size_t> full_f16_bytes) {
  record.policy = plan.policy;
  record.requested = plan.requested;
  record.full_f16_bytes = full_f16_bytes;
  if (!plan.target) return;
  record.comparison = equal_bytes;
  record.equal_bytes_target = plan.target;
  record.equal_bytes_share = plan.share;
}

TextDescription describe_text(const std::string& file, const std::string& text) {
  return {file.empty() ? "(given as it is)" : std::filesystem::path(file).filename().string(),
          sha256_hex(text)};
}

}  // namespace razorscope::cli
