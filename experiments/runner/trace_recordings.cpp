#include "experiments/runner/trace_recordings.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace razorscope {

TraceRecordings::TraceRecordings(const std::vector<SweepTrace>& traces)
    : traces_(traces), entries_(traces.size()) {}

TraceRecordings::State TraceRecordings::state(size_t trace) {
  Entry& entry = entries_[trace];
  std::error_code unknown;
  if (entry.state == State::missing && std::filesystem::exists(traces_[trace].path, unknown))
    entry.state = State::there;
  return entry.state;
}

bool TraceRecordings::take(size_t trace) {
  Entry& entry = entries_[trace];
  if (state(trace) != State::missing) return false;
  const std::filesystem::path& path = traces_[trace].path;
  const std::string lock = path.string() + ".lock";
  std::error_code problem;
  std::filesystem::create_directories(path.parent_path(), problem);
  if (!std::ofstream(lock, std::ios::app))
    throw std::runtime_error(fmt::format("{}: cannot be written; traces are kept there", lock));
  entry.lock = boost::interprocess::file_lock(lock.c_str());
  if (!entry.lock.try_lock()) return false;
  if (state(trace) == State::there) {  // somebody was done with it a moment ago
    entry.lock.unlock();
    return false;
  }
  entry.state = State::running;
  return true;
}

void TraceRecordings::end(size_t trace, const std::string& message) {
  Entry& entry = entries_[trace];
  entry.message = message;
  entry.state = message.empty() ? State::there : State::failed;
  std::error_code unknown;
  std::filesystem::remove(traces_[trace].path.string() + ".lock", unknown);
  entry.lock.unlock();
}

}  // namespace razorscope
