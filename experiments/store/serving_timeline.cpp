#include "experiments/store/serving_timeline.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <queue>
#include <vector>

namespace razorscope {
namespace {

void add_counters(const std::vector<TimelinePoint>& timeline, int process, ChromeTrace& trace) {
  for (size_t i = 0; i < timeline.size(); ++i) {
    const TimelinePoint& point = timeline[i];
    trace.add_counter(
        process, "requests", point.time,
        {{"running", static_cast<double>(point.running)}, {"waiting", static_cast<double>(point.waiting)}});
    trace.add_counter(process, "KV in use, %", point.time, {{"use", 100.0 * point.kv_use}});
    trace.add_counter(process, "preemptions", point.time,
                      {{"so far", static_cast<double>(point.preemptions)}});
    if (i + 1 == timeline.size()) continue;
    const TimelinePoint& next = timeline[i + 1];
    const double seconds = next.time - point.time;
    trace.add_counter(process, "tokens/s", point.time,
                      {{"prompt", static_cast<double>(next.prompt_tokens - point.prompt_tokens) / seconds},
                       {"output", static_cast<double>(next.output_tokens - point.output_tokens) / seconds}});
  }
}

/// Gives each request the thread that has been free for longest, else a new one.
class Threads {
 public:
  int take(double start, double end) {
    int thread = static_cast<int>(busy_.size()) + 1;
    if (!busy_.empty() && busy_.top().first <= start) {
      thread = busy_.top().second;
      busy_.pop();
    }
    busy_.emplace(end, thread);
    return thread;
  }

 private:
  using Busy = std::pair<double, int>;
  std::priority_queue<Busy, std::vector<Busy>, std::greater<>>
      busy_;  // until when, the first to be free on top
};

}  // namespace

void add_serving_timeline(const ServingResult& result, std::string_view name, ChromeTrace& trace,
                          size_t most_requests) {
  const int process = trace.add_process(name);
  add_counters(result.timeline, process, trace);
  Threads threads;
  const size_t requests = std::min(most_requests, result.records.size());
  for (size_t i = 0; i < requests; ++i) {
    const RequestRecord& record = result.records[i];
    if (!record.completed) continue;
    const int thread = threads.take(record.arrival, record.last_token);
    const ChromeTrace::Figures figures = {{"input tokens", static_cast<double>(record.input_tokens)},
                                          {"output tokens", static_cast<double>(record.output_tokens)},
                                          {"preemptions", static_cast<double>(record.preemptions)}};
    trace.add_complete(
        {process, thread, fmt::format("{} until its first token", i), record.arrival, record.ttft()},
        figures);
    trace.add_complete({process, thread, fmt::format("{} decodes", i), record.first_token,
                        record.last_token - record.first_token},
                       figures);
  }
}

}  // namespace razorscope
