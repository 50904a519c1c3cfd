#include "experiments/store/chrome_trace.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/store/write_file.hpp"

namespace razorscope {
namespace {

constexpr double microseconds = 1e6;

void append(const nlohmann::json& event, std::string& events) {
  if (!events.empty()) events += ",\n";
  events += event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json object(const ChromeTrace::Figures& figures) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [name, value] : figures) out[name] = value;
  return out;
}

}  // namespace

void ChromeTrace::add_name(int process, int thread, std::string_view what, std::string_view name) {
  append({{"ph", "M"}, {"pid", process}, {"tid", thread}, {"name", what}, {"args", {{"name", name}}}},
         events_);
}

int ChromeTrace::add_process(std::string_view name) {
  const int process = processes_++;
  add_name(process, 0, "process_name", name);
  return process;
}

void ChromeTrace::name_thread(int process, int thread, std::string_view name) {
  add_name(process, thread, "thread_name", name);
}

void ChromeTrace::add_complete(const Span& span, const Figures& figures) {
  append({{"ph", "X"},
          {"pid", span.process},
          {"tid", span.thread},
          {"name", span.name},
          {"ts", span.start * microseconds},
          {"dur", span.seconds * microseconds},
          {"args", object(figures)}},
         events_);
}

void ChromeTrace::add_counter(int process, std::string_view name, double seconds, const Figures& values) {
  append({{"ph", "C"},
          {"pid", process},
          {"tid", 0},
          {"name", name},
          {"ts", seconds * microseconds},
          {"args", object(values)}},
         events_);
}

std::string ChromeTrace::json() const {
  return fmt::format("{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n{}\n]}}\n", events_);
}

void ChromeTrace::write(const std::filesystem::path& path) const { write_file(path, json()); }

}  // namespace razorscope
