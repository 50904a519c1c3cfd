#include "experiments/runner/slurm_commands.hpp"

#include <algorithm>
#include <boost/process/search_path.hpp>
#include <fmt/format.h>
#include <stdexcept>

#include "experiments/runner/child_pool.hpp"

namespace razorscope {
namespace {

ChildExit run_program(const std::string& name, const std::vector<std::string>& arguments) {
  constexpr std::chrono::seconds patience{120};  // sbatch itself tries again while the controller is busy
  const std::filesystem::path program = boost::process::search_path(name).string();
  if (program.empty())
    throw std::runtime_error(fmt::format(
        "there is no {} here: Slurm's commands are needed, on a machine that submits jobs", name));
  ChildPool pool(program, 1);
  pool.add(arguments);
  const std::optional<ChildExit> exit = pool.wait(patience);
  if (!exit) throw std::runtime_error(fmt::format("{} did not answer for {} s", name, patience.count()));
  return *exit;
}

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

[[noreturn]] void fail(const std::string& name, const ChildExit& exit) {
  throw std::runtime_error(
      fmt::format("{} failed (exit code {}): {}", name, exit.exit_code, one_line(exit.error_tail)));
}

}  // namespace

std::vector<std::string> submit_words(const std::filesystem::path& script, const std::string& dependency,
                                      const std::vector<int>& tasks) {
  std::vector<std::string> words = {"sbatch", "--parsable"};
  if (!tasks.empty()) words.push_back("--array=" + array_list(tasks));
  if (!dependency.empty()) words.push_back("--dependency=" + dependency);
  words.push_back(script.string());
  return words;
}

int64_t submit_job(const std::vector<std::string>& words) {
  const ChildExit exit = run_program(words.front(), {words.begin() + 1, words.end()});
  if (exit.exit_code != 0) fail(words.front(), exit);
  return read_job_id(exit.output);
}

std::vector<QueuedJob> ask_queue(const std::vector<int64_t>& jobs) {
  std::vector<int64_t> known = jobs;
  std::erase(known, 0);
  if (known.empty()) return {};
  const ChildExit exit = run_program("squeue", queue_arguments(known));
  // Slurm forgets a job some time after its end.
  if (exit.exit_code != 0 && exit.error_tail.find("Invalid job id") != std::string::npos) return {};
  if (exit.exit_code != 0) fail("squeue", exit);
  return read_queue(exit.output);
}

std::map<int, std::string> ask_endings(int64_t array) {
  if (array == 0 || boost::process::search_path("sacct").empty()) return {};
  const ChildExit exit = run_program("sacct", ending_arguments(array));
  return exit.exit_code == 0 ? read_endings(exit.output) : std::map<int, std::string>();
}

void cancel_job(int64_t job) {
  const ChildExit exit = run_program("scancel", {fmt::to_string(job)});
  if (exit.exit_code != 0) fail("scancel", exit);
}

}  // namespace razorscope
