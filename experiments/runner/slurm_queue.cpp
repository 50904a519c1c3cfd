#include "experiments/runner/slurm_queue.hpp"

#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <stdexcept>

namespace razorscope {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <typename Integer>
std::optional<Integer> whole(std::string_view text) {
  Integer value = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || stop != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// "12" or "12_3".
struct JobName {
  int64_t id = 0;
  int task = -1;
};
std::optional<JobName> read_name(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '_');
  const std::optional<int64_t> id = whole<int64_t>(parts[0]);
  if (!id || parts.size() > 2) return std::nullopt;
  if (parts.size() == 1) return JobName{*id, -1};
  const std::optional<int> task = whole<int>(parts[1]);
  if (!task) return std::nullopt;
  return JobName{*id, *task};
}

[[noreturn]] void refuse(std::string_view command, std::string_view line) {
  throw std::runtime_error(
      fmt::format("{} printed what razorscope does not understand: '{}'", command, line.substr(0, 200)));
}

}  // namespace

std::vector<std::string> queue_arguments(const std::vector<int64_t>& jobs) {
  return {"--noheader", "--array", fmt::format("--jobs={}", fmt::join(jobs, ",")), "--format=%i|%T|%r"};
}

std::vector<QueuedJob> read_queue(std::string_view output) {
  std::vector<QueuedJob> jobs;
  for (const std::string_view line : split(output, '\n')) {
    if (line.empty()) continue;
    const std::vector<std::string_view> fields = split(line, '|');
    const std::optional<JobName> name = read_name(fields[0]);
    if (fields.size() < 3 || !name) refuse("squeue", line);
    jobs.push_back({name->id, name->task, std::string(fields[1]), std::string(fields[2])});
  }
  return jobs;
}

std::vector<std::string> ending_arguments(int64_t array) {
  return {"--noheader",  "--allocations",        "--array",
          "--parsable2", "--format=JobID,State", fmt::format("--jobs={}", array)};
}

std::map<int, std::string> read_endings(std::string_view output) {
  std::map<int, std::string> endings;
  for (const std::string_view line : split(output, '\n')) {
    const std::vector<std::string_view> fields = split(line, '|');
    const std::optional<JobName> name = read_name(fields[0]);
    if (fields.size() < 2 || !name || name->task < 0) continue;
    if (fields[1] == "PENDING" || fields[1] == "RUNNING" || fields[1] == "REQUEUED") continue;
    endings[name->task] = std::string(fields[1]);
  }
  return endings;
}

int64_t read_job_id(std::string_view output) {
  // "12", or "12;cluster" where there are several.
  const std::string_view line = split(output, '\n').front();
  const std::optional<int64_t> id = whole<int64_t>(split(line, ';').front());
  if (!id) refuse("sbatch", output);
  return *id;
}

std::string array_list(const std::vector<int>& tasks) {
  std::string list;
  for (size_t begin = 0; begin < tasks.size();) {
    size_t last = begin;
    while (last + 1 < tasks.size() && tasks[last + 1] == tasks[last] + 1) ++last;
    if (!list.empty()) list += ',';
    list += last == begin ? fmt::format("{}", tasks[begin]) : fmt::format("{}-{}", tasks[begin], tasks[last]);
    begin = last + 1;
  }
  return list;
}

}  // namespace razorscope
