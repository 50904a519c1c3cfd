#include "sim/device_replay/device_replay.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <fmt/format.h>
#include <numeric>
#include <simgrid/s4u.hpp>

#include "models/base/error.hpp"
#include "sim/device_replay/deployed_cache.hpp"
#include "sim/device_replay/layer_tasks.hpp"
#include "sim/serving/plan.hpp"
#include "sim/serving/simgrid_engine.hpp"

namespace razorscope {
namespace {

namespace s4u = simgrid::s4u;

constexpr double most_layer_tasks = 200000.0;
constexpr int64_t most_steps = 1 << 21;

/// The simulated device, and the clock of the policy at hand.
class SimulatedDevice {
 public:
  SimulatedDevice(double bandwidth, double peak) : bandwidth_(bandwidth), peak_(peak) {
    s4u::NetZone* zone = s4u::create_star_zone("device");
    memory_ = zone->create_host("memory", bandwidth)->seal();
    arithmetic_ = zone->create_host("arithmetic", peak)->seal();
    zone->seal();
  }

  s4u::Host* memory() const { return memory_; }
  void begin() { begin_ = s4u::Engine::get_clock(); }
  double now() const { return s4u::Engine::get_clock() - begin_; }

  /// Within an actor: returns once the task is over. `label` says whose it is.
  void run(const LayerTask& task, DeviceEvent label, EventLog& log) const {
    if (task.fixed > 0.0) {
      label.start = now();
      s4u::this_actor::sleep_for(task.fixed);
      note(StreamKind::fixed, 0.0, now(), label, log);
    }
    for (const Stage& stage : task.stages) {
      label.start = now();
      std::vector<s4u::ExecPtr> running;
      for (const Stream& stream : stage.streams)
        running.push_back(start(stream.seconds * bandwidth_, memory_));
      if (stage.arithmetic > 0.0) running.push_back(start(stage.arithmetic * peak_, arithmetic_));
      for (const s4u::ExecPtr& exec : running) exec->wait();
      for (size_t i = 0; i < running.size(); ++i) {
        const bool streams = i < stage.streams.size();
        note(streams ? stage.streams[i].kind : StreamKind::arithmetic, streams ? stage.streams[i].bytes : 0.0,
             running[i]->get_finish_time() - begin_, label, log);
      }
    }
  }

 private:
  static s4u::ExecPtr start(double amount, s4u::Host* host) {
    s4u::ExecPtr exec = s4u::Exec::init()->set_flops_amount(amount)->set_host(host);
    exec->start();
    return exec;
  }

  static void note(StreamKind kind, double bytes, double end, DeviceEvent& label, EventLog& log) {
    label.kind = kind;
    label.bytes = bytes;
    label.seconds = end - label.start;
    log.add(label);
  }

  double bandwidth_;
  double peak_;
  s4u::Host* memory_;
  s4u::Host* arithmetic_;
  double begin_ = 0.0;
};

/// One policy from its first chunk to its last token.
class PolicySimulation {
 public:
  PolicySimulation(const DeviceReplayRequest& request, const ReplayFootprints& recorded, LayerTasks& tasks,
                   SimulatedDevice& device)
      : request_(request),
        cache_(recorded, request.deployment.shape, request.context),
        tasks_(tasks),
        device_(device),
        chunks_((cache_.prompt() + request.token_budget - 1) / request.token_budget),
        together_(layers_together()),
        log_(steps(), layer_tasks() / together_),
        occupancy_(kv_pool_bytes(request.deployment)) {
    result_.policy = recorded.policy;
  }

  double steps() const {
    const double passes = cache_.compresses() ? 1.0 : 0.0;
    return request_.sequences * (chunks_ + passes) + cache_.steps();
  }

  /// Within an actor. `advance` is told after each step.
  template <typename Advance>
  DeviceReplayResult run(const Advance& advance) {
    device_.begin();
    for (int sequence = 0; sequence < request_.sequences; ++sequence) {
      prefill(sequence, advance);
      if (cache_.compresses()) compress(sequence, advance);
    }
    for (int step = 1; step <= cache_.steps(); ++step) decode(step, advance);
    return finish();
  }

 private:
  double layer_tasks() const { return steps() * cache_.layers(); }
  int layers_together() const {
    const double needed = std::ceil(layer_tasks() / most_layer_tasks);
    return static_cast<int>(std::clamp(needed, 1.0, static_cast<double>(cache_.layers())));
  }

  /// For runs of layers: the first, and how many.
  template <typename Work>
  void each_run(const Work& work) const {
    for (int layer = 0; layer < cache_.layers(); layer += together_)
      work(layer, std::min(together_, cache_.layers() - layer));
  }

  DeviceMoment moment(DevicePhase phase, int sequence, int token, int layer = -1) const {
    return {device_.now(), phase, sequence, token, layer};
  }
  static DeviceEvent label(const DeviceMoment& at, int layer, int layers) {
    DeviceEvent event;
    event.phase = at.phase;
    event.sequence = at.sequence;
    event.token = at.token;
    event.layer = layer;
    event.layers = layers;
    return event;
  }

  template <typename Advance>
  void prefill(int sequence, const Advance& advance) {
    const double begin = device_.now();
    const double others = sequence * cache_.held(0);
    for (int done = 0; done < cache_.prompt();) {
      const int tokens = std::min(request_.token_budget, cache_.prompt() - done);
      const DeviceMoment at = moment(DevicePhase::prefill, sequence, done + tokens);
      const double kv = others + cache_.prefilling(done + tokens);
      if (kv > occupancy_.pool()) occupancy_.overflow_at(first_beyond(at, done, others));
      occupancy_.set(at, kv);
      const double pairs = causal_pairs(done, tokens);
      each_run([&](int layer, int layers) {
        device_.run(tasks_.prefill(layers, tokens, pairs), label(at, layer, layers), log_);
      });
      done += tokens;
      if (done == cache_.prompt()) device_.run(tasks_.logits(1), label(at, -1, 0), log_);
      log_.end_step();
      advance();
    }
    result_.prefill_seconds += device_.now() - begin;
  }

  /// The first token of a chunk that the pool has no room for.
  DeviceMoment first_beyond(DeviceMoment at, int done, double others) const {
    int enough = done;
    while (at.token - enough > 1) {
      const int middle = enough + (at.token - enough) / 2;
      (others + cache_.prefilling(middle) > occupancy_.pool() ? at.token : enough) = middle;
    }
    return at;
  }

  template <typename Advance>
  void compress(int sequence, const Advance& advance) {
    const double begin = device_.now();
    double kv = sequence * cache_.held(0) + cache_.prefilling(cache_.prompt());
    each_run([&](int first, int layers) {
      LayerCompression pass;
      double exact = 0.0;
      DeviceMoment at;
      for (int layer = first; layer < first + layers; ++layer) {
        at = moment(DevicePhase::compression, sequence, cache_.prompt(), layer);
        pass.read += cache_.compression(layer).read;
        pass.written += cache_.compression(layer).written;
        pass.operations += cache_.compression(layer).operations;
        // Layers that are simulated together still give back their exact rows one by one.
        kv += cache_.compressed(layer) - exact;
        exact = cache_.exact(layer);
        occupancy_.set(at, kv);
      }
      device_.run(tasks_.compression(pass), label(at, first, layers), log_);
      kv -= exact;
      occupancy_.set(moment(DevicePhase::compression, sequence, cache_.prompt(), first + layers - 1), kv);
    });
    log_.end_step();
    advance();
    result_.compression_seconds += device_.now() - begin;
  }

  template <typename Advance>
  void decode(int step, const Advance& advance) {
    const int sequences = request_.sequences;
    const DeviceMoment at = moment(DevicePhase::decode, 0, cache_.prompt() + step);
    occupancy_.set(at, sequences * cache_.held(step));
    each_run([&](int first, int layers) {
      CacheTraffic read;
      for (int layer = first; layer < first + layers; ++layer) read += cache_.read(step, layer);
      read = read * sequences;
      result_.read_per_step += read;
      device_.run(tasks_.decode(layers, sequences, read), label(at, first, layers), log_);
    });
    device_.run(tasks_.logits(sequences), label(at, -1, 0), log_);
    log_.end_step();
    result_.decode_seconds.push_back(device_.now() - at.seconds);
    advance();
  }

  DeviceReplayResult finish() {
    const Deployment& deployment = request_.deployment;
    result_.device = deployment.device.name;
    result_.shape = deployment.shape.name;
    result_.sequences = request_.sequences;
    result_.prompt = cache_.prompt();
    result_.seconds = device_.now();
    result_.capacity_bytes = static_cast<double>(deployment.device.memory_bytes) * deployment.utilisation;
    result_.weights_bytes = weight_memory_bytes(deployment.shape, deployment.weights, 1);
    result_.non_kv_bytes = deployment.non_kv_bytes;
    result_.peak_kv_bytes = occupancy_.peak_bytes();
    result_.peak = occupancy_.peak();
    result_.overflow = occupancy_.overflow();
    result_.end_kv_bytes = request_.sequences * cache_.held(cache_.steps());
    result_.occupancy = occupancy_.points();
    result_.read_per_step = result_.read_per_step * (1.0 / cache_.steps());
    result_.weights_read_per_step = tasks_.layer_weights(cache_.layers()) + tasks_.head_weights();
    for (int layer = 0; layer < cache_.layers(); ++layer) {
      result_.compression.read += request_.sequences * cache_.compression(layer).read;
      result_.compression.written += request_.sequences * cache_.compression(layer).written;
      result_.compression.operations += request_.sequences * cache_.compression(layer).operations;
    }
    result_.detail = log_.detail();
    result_.events = log_.take();
    result_.layers_together = together_;
    result_.calibration = tasks_.calibration(cache_.coded());
    return std::move(result_);
  }

  const DeviceReplayRequest& request_;
  DeployedCache cache_;
  LayerTasks& tasks_;
  SimulatedDevice& device_;
  int chunks_;  // of a prompt
  int together_;
  EventLog log_;
  Occupancy occupancy_;
  DeviceReplayResult result_;
};

}  // namespace

double DeviceReplayResult::decode_mean() const {
  if (decode_seconds.empty()) return 0.0;
  return std::accumulate(decode_seconds.begin(), decode_seconds.end(), 0.0) /
         static_cast<double>(decode_seconds.size());
}

void check_device_replay(const DeviceReplayRequest& request) {
  const auto from_one = [](const char* option, int value) {
    constexpr int most = 1 << 24;
    if (value < 1 || value > most)
      throw InputError(option, fmt::format("{} is not allowed: from 1 to {}", value, most));
  };
  from_one("--sequences", request.sequences);
  from_one("--token-budget", request.token_budget);
  if (request.deployment.tp != 1) throw InputError("--tp", "a replay runs on one device: only 1 is possible");
  const Shape& shape = request.deployment.shape;
  if (shape.hidden <= 0 || shape.feed_forward <= 0 || shape.vocabulary <= 0) {
    throw InputError("--as", fmt::format("the trace does not tell how large the weights of {} are (hidden, "
                                         "feed_forward, vocabulary): name a shape",
                                         shape.name));
  }
  kv_pool_bytes(request.deployment);
}

std::vector<DeviceReplayResult> device_replay(
    const DeviceReplayRequest& request, const std::vector<std::shared_ptr<const ReplayFootprints>>& recorded,
    Progress& progress) {
  check_device_replay(request);
  const Deployment& deployment = request.deployment;
  LayerTasks tasks(deployment.device, deployment.shape, deployment.weights);
  double steps = 0.0;
  for (const auto& policy : recorded) {
    const int prompt = request.context > 0 ? request.context : policy->prefix;
    const int64_t chunks = int64_t{request.sequences} * (prompt / request.token_budget + 2) + policy->steps;
    if (chunks > most_steps) {
      throw InputError("--sequences", fmt::format("{} of {} tokens take {} steps; at most {} are simulated",
                                                  request.sequences, prompt, chunks, most_steps));
    }
    steps += static_cast<double>(chunks);
  }
  SimGridEngine engine;
  SimulatedDevice device(deployment.device.bandwidth, tasks.model().peak());
  std::vector<DeviceReplayResult> results;
  std::exception_ptr problem;
  progress.begin("replay on " + deployment.device.name, steps, "steps");
  double done = 0.0;
  // An exception must not leave an actor: SimGrid would end the program.
  s4u::Actor::create("policies", device.memory(), [&] {
    try {
      for (const auto& policy : recorded) {
        PolicySimulation simulation(request, *policy, tasks, device);
        results.push_back(simulation.run([&] { progress.advance(++done); }));
      }
    } catch (const simgrid::ForcefulKillException&) {
      throw;
    } catch (...) {
      problem = std::current_exception();
    }
  });
  engine.run();
  if (problem) std::rethrow_exception(problem);
  return results;
}

}  // namespace razorscope
