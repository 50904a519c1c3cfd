#include "experiments/store/connection.hpp"
#include "experiments/store/row_reader.hpp"
#include "experiments/store/store.hpp"

namespace razorscope {

std::vector<RunOrigin> Store::run_origins() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        "SELECT 0, origins.run_id, runs.config_hash, origins.started_utc, program_version, git_commit, cpu, "
        "kernel_target, compute_type, threads, os "
        "FROM provenance_of_runs AS origins JOIN runs ON runs.id = origins.run_id UNION ALL "
        "SELECT 1, origins.run_id, runs.config_hash, origins.started_utc, program_version, git_commit, cpu, "
        "kernel_target, compute_type, threads, os "
        "FROM provenance_of_deployment_runs AS origins JOIN deployment_runs AS runs ON runs.id = "
        "origins.run_id "
        "ORDER BY 1, 2");
    std::vector<RunOrigin> origins;
    while (statement.executeStep()) {
      RunOrigin& origin = origins.emplace_back();
      Provenance& by = origin.provenance;
      RowReader(statement) >> origin.on_device >> origin.run_id >> origin.config_hash >> origin.started_utc >>
          by.program_version >> by.commit >> by.cpu >> by.target >> by.compute >> by.threads >> by.os;
    }
    return origins;
  });
}

}  // namespace razorscope
