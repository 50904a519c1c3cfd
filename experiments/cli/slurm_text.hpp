#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "experiments/runner/slurm_status.hpp"

namespace razorscope::cli {

/// For `sweep status --folder`.
std::string slurm_status_text(const SlurmRecord& record, const SlurmStatus& status);
nlohmann::json slurm_status_json(const SlurmRecord& record, const SlurmStatus& status);

}  // namespace razorscope::cli
