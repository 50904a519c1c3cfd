#include "sim/serving/cluster.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

void check(const ServingSetup& setup, const Workload& workload) {
  const auto between = [](const char* option, int64_t value, int64_t least, int64_t most) {
    if (value < least || value > most)
      throw InputError(option, fmt::format("{} is not allowed: from {} to {}", value, least, most));
  };
  constexpr int most_engines = 4096;
  constexpr int most = 1 << 24;
  between("--replicas", setup.engines, 1, most_engines);
  between("--disaggregate", setup.prefill_engines, setup.disaggregated() || setup.decode_engines > 0 ? 1 : 0,
          most_engines);
  between("--disaggregate", setup.decode_engines, setup.disaggregated() ? 1 : 0, most_engines);
  between("--token-budget", setup.limits.token_budget, 1, most);
  between("--max-num-seqs", setup.limits.max_sequences, 1, most);
  between("--max-model-len", setup.limits.max_tokens, 2, int64_t{1} << 28);
  if (workload.requests.empty()) throw InputError("--workload", "there is no request in it");
}

}  // namespace

Cluster::Cluster(const ServingSetup& setup, PolicyFootprint& footprint, const Workload& workload)
    : setup_(setup),
      footprint_(footprint),
      workload_(workload),
      model_(setup.deployment.device, setup.deployment.shape, setup.deployment.weights, setup.deployment.tp) {
  check(setup, workload);
  const double pool = kv_pool_bytes(setup.deployment);
  for (int i = 0; i < setup.all_engines(); ++i) {
    engines_.push_back(std::make_unique<Scheduler>(setup.limits, footprint, pool, i < setup.prefill_engines));
  }
  outstanding_.resize(engines_.size());
  latest_token_.resize(workload.requests.size());
  result_.records.resize(workload.requests.size());
}

size_t Cluster::route() {
  const size_t open = setup_.disaggregated() ? static_cast<size_t>(setup_.prefill_engines) : engines_.size();
  if (setup_.router == Router::round_robin) return routed_++ % open;
  const auto least =
      std::min_element(outstanding_.begin(), outstanding_.begin() + static_cast<ptrdiff_t>(open));
  return static_cast<size_t>(least - outstanding_.begin());
}

std::optional<size_t> Cluster::arrive(double now) {
  const size_t index = next_++;
  const Request& request = workload_.requests[index];
  RequestRecord& record = result_.records[index];
  record.arrival = now;
  record.input_tokens = request.input_tokens;
  record.output_tokens = request.output_tokens;
  integrate(now);
  if (std::optional<std::string> reason = engines_.front()->refusal(request)) {
    // One entry for all: reasons differ in their figures only.
    if (result_.refused.empty()) result_.refused[*reason] = 0;
    ++result_.refused.begin()->second;
    ++finished_;
    return std::nullopt;
  }
  auto sequence = std::make_unique<Sequence>();
  sequence->request = index;
  sequence->input = request.input_tokens;
  sequence->output = request.output_tokens;
  if (setup_.limits.prefix_cache) sequence->hashes = request.prefix_hashes;
  const size_t engine = route();
  ++outstanding_[engine];
  engines_[engine]->add(std::move(sequence));
  sample(now);
  return engine;
}

std::optional<StepTime> Cluster::begin_step(size_t engine, double now) {
  integrate(now);
  const std::optional<StepWork> work = engines_[engine]->begin_step();
  if (!work) return std::nullopt;
  ++result_.steps;
  prompt_tokens_ += work->prefill_tokens;
  const StepTime time = model_.step(*work);
  memory_seconds_ += time.memory_bound.memory + time.compute_bound.memory;
  compute_seconds_ += time.memory_bound.compute + time.compute_bound.compute;
  return time;
}

std::vector<std::unique_ptr<Sequence>> Cluster::end_step(size_t engine, double now) {
  integrate(now);
  events_.clear();
  std::vector<std::unique_ptr<Sequence>> done;
  engines_[engine]->end_step(events_, done);
  for (const TokenEvent& event : events_) {
    RequestRecord& record = result_.records[event.sequence->request];
    double& latest = latest_token_[event.sequence->request];
    if (event.first) {
      record.first_token = now;
    } else {
      gaps_.push_back(static_cast<float>(now - latest));
    }
    latest = now;
    ++output_tokens_;
    if (!event.finished) continue;
    record.last_token = now;
    record.preemptions = event.sequence->preemptions;
    record.completed = true;
    ++finished_;
    --outstanding_[engine];
    result_.seconds = now;
  }
  sample(now);
  std::erase_if(done, [](const std::unique_ptr<Sequence>& sequence) {
    return sequence->generated >= sequence->output;
  });
  outstanding_[engine] -= done.size();
  return done;
}

std::optional<size_t> Cluster::place(std::unique_ptr<Sequence>& sequence) {
  std::vector<size_t> order;
  for (size_t i = static_cast<size_t>(setup_.prefill_engines); i < engines_.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return outstanding_[a] < outstanding_[b]; });
  for (const size_t engine : order) {
    if (!engines_[engine]->adopt(sequence)) continue;
    ++outstanding_[engine];
    return engine;
  }
  return std::nullopt;
}

double Cluster::kv_use() const {
  double used = 0.0;
  double pool = 0.0;
  for (const auto& engine : engines_) {
    used += static_cast<double>(engine->referenced_bytes());
    pool += static_cast<double>(engine->pool_bytes());
  }
  return used / pool;
}

size_t Cluster::running() const {
  return std::accumulate(engines_.begin(), engines_.end(), size_t{0},
                         [](size_t sum, const auto& engine) { return sum + engine->running(); });
}

size_t Cluster::waiting() const {
  return std::accumulate(engines_.begin(), engines_.end(), size_t{0},
                         [](size_t sum, const auto& engine) { return sum + engine->waiting(); });
}

void Cluster::integrate(double now) {
  const double passed = now - integrated_until_;
  if (passed <= 0.0) return;
  integrated_until_ = now;
  running_seconds_ += passed * static_cast<double>(running());
  waiting_seconds_ += passed * static_cast<double>(waiting());
  kv_seconds_ += passed * kv_use();
}

void Cluster::sample(double now) {
  if (!timeline_.wants(now)) return;
  TimelinePoint point;
  point.time = now;
  point.running = static_cast<int>(running());
  point.waiting = static_cast<int>(waiting());
  point.kv_use = kv_use();
  for (const auto& engine : engines_) point.preemptions += engine->preemptions();
  point.output_tokens = output_tokens_;
  point.prompt_tokens = prompt_tokens_;
  timeline_.add(point);
}

std::string Cluster::describe_stall() const {
  return fmt::format(
      "the simulated engines stand still with {} of {} requests unfinished ({} running, {} waiting): their "
      "caches cannot grow and nothing is left to preempt",
      workload_.requests.size() - finished_, workload_.requests.size(), running(), waiting());
}

ServingResult Cluster::result() {
  ServingResult& out = result_;
  out.requests = workload_.requests.size();
  if (!out.refused.empty() && out.refused.begin()->second == out.requests) {
    throw InputError("--workload",
                     fmt::format("no request can be served: the first {}", out.refused.begin()->first));
  }
  std::vector<float> ttft;
  std::vector<float> tpot;
  std::vector<float> e2e;
  size_t good = 0;
  for (const RequestRecord& record : out.records) {
    if (!record.completed) continue;
    ++out.completed;
    ttft.push_back(static_cast<float>(record.ttft()));
    e2e.push_back(static_cast<float>(record.e2e()));
    if (const std::optional<double> value = record.tpot()) tpot.push_back(static_cast<float>(*value));
    if (record.meets(setup_.level)) ++good;
  }
  out.ttft = percentiles(ttft);
  out.tpot = percentiles(tpot);
  out.itl = percentiles(gaps_);
  out.e2e = percentiles(e2e);
  const double seconds = out.seconds;
  out.request_rate = static_cast<double>(out.completed) / seconds;
  out.token_rate = static_cast<double>(output_tokens_) / seconds;
  out.prompt_token_rate = static_cast<double>(prompt_tokens_) / seconds;
  out.goodput = static_cast<double>(good) / seconds;
  out.goodput_share = static_cast<double>(good) / static_cast<double>(out.requests);
  const size_t block = footprint_.block_bytes();
  for (const auto& engine : engines_) {
    out.preemptions += engine->preemptions();
    out.cached_tokens += engine->cached_tokens();
    out.kv_blocks += static_cast<int64_t>(engine->pool_bytes() / block);
    out.peak_kv_use = std::max(out.peak_kv_use, static_cast<double>(engine->peak_bytes()) /
                                                    static_cast<double>(engine->pool_bytes()));
  }
  out.mean_running = running_seconds_ / seconds;
  out.mean_waiting = waiting_seconds_ / seconds;
  out.mean_kv_use = kv_seconds_ / seconds;
  const double engine_seconds = seconds * static_cast<double>(engines_.size());
  out.memory_utilisation = memory_seconds_ / engine_seconds;
  out.compute_utilisation = compute_seconds_ / engine_seconds;
  out.calibration = model_.calibration(footprint_.coded());
  out.assumes_heads = footprint_.assumes_heads();
  out.timeline = timeline_.points();
  return std::move(out);
}

}  // namespace razorscope
