#include "experiments/runner/slurm_record.hpp"

#include <nlohmann/json.hpp>

#include "experiments/store/write_file.hpp"
#include "models/base/error.hpp"
#include "models/base/mapped_file.hpp"

namespace razorscope {
namespace {

std::filesystem::path record_file(const std::filesystem::path& folder) { return folder / "jobs.json"; }

SlurmRecord from_json(const nlohmann::json& document, const std::filesystem::path& folder) {
  SlurmRecord record;
  SlurmSweep& sweep = record.sweep;
  document.at("name").get_to(sweep.name);
  sweep.folder = folder;
  sweep.base = document.at("base").get<std::string>();
  sweep.db = document.at("db").get<std::string>();
  sweep.program = document.at("program").get<std::string>();
  document.at("tasks").get_to(sweep.tasks);
  SlurmRequest& request = sweep.request;
  document.at("partition").get_to(request.partition);
  document.at("time").get_to(request.time);
  document.at("memory").get_to(request.memory);
  document.at("cpus").get_to(request.cpus);
  document.at("options").get_to(request.options);
  document.at("rounds").get_to(record.rounds);
  document.at("round").get_to(record.round.number);
  document.at("prepare_job").get_to(record.round.prepare);
  document.at("array_job").get_to(record.round.array);
  document.at("merge_job").get_to(record.round.merge);
  return record;
}

}  // namespace

std::optional<SlurmRecord> read_slurm_record(const std::filesystem::path& folder) {
  const std::filesystem::path file = record_file(folder);
  std::error_code unknown;
  if (!std::filesystem::exists(file, unknown)) return std::nullopt;
  try {
    return from_json(nlohmann::json::parse(read_utf8_file(file)), folder);
  } catch (const nlohmann::json::exception& problem) {
    throw InputError(file.string(), problem.what());
  }
}

void write_slurm_record(const SlurmRecord& record) {
  const SlurmSweep& sweep = record.sweep;
  const nlohmann::ordered_json document = {{"name", sweep.name},
                                           {"base", sweep.base.string()},
                                           {"db", sweep.db.string()},
                                           {"program", sweep.program.string()},
                                           {"tasks", sweep.tasks},
                                           {"partition", sweep.request.partition},
                                           {"time", sweep.request.time},
                                           {"memory", sweep.request.memory},
                                           {"cpus", sweep.request.cpus},
                                           {"options", sweep.request.options},
                                           {"rounds", record.rounds},
                                           {"round", record.round.number},
                                           {"prepare_job", record.round.prepare},
                                           {"array_job", record.round.array},
                                           {"merge_job", record.round.merge}};
  write_file(record_file(sweep.folder), document.dump(1) + '\n');
}

}  // namespace razorscope
