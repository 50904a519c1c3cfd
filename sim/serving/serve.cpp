// The serving simulator on SimGrid: one actor for arrivals, one for each engine, one for each cache that
// travels. One event a phase of a step, never one a token: SimGrid takes a few microseconds for each.
#include <algorithm>
#include <deque>
#include <exception>
#include <fmt/format.h>
#include <numeric>
#include <simgrid/s4u.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

#include "models/base/error.hpp"
#include "sim/serving/cluster.hpp"
#include "sim/serving/serving.hpp"
#include "sim/serving/simgrid_engine.hpp"

namespace razorscope {
namespace {

namespace s4u = simgrid::s4u;

/// A group of devices that works in step: what one of them has stands for all.
struct DeviceGroup {
  s4u::Host* memory = nullptr;      // processes bytes
  s4u::Host* arithmetic = nullptr;  // processes operations
  s4u::ActorPtr actor = nullptr;
  bool idle = false;
};

class Simulation {
 public:
  Simulation(const ServingSetup& setup, PolicyFootprint& footprint, const Workload& workload,
             Progress& progress)
      : device_(setup.deployment.device), cluster_(setup, footprint, workload), progress_(progress) {
    s4u::NetZone* zone = s4u::create_star_zone("cluster");
    for (size_t i = 0; i < cluster_.engines(); ++i) {
      DeviceGroup& group = groups_.emplace_back();
      group.memory = zone->create_host(fmt::format("memory-{}", i), device_.bandwidth)->seal();
      group.arithmetic = zone->create_host(fmt::format("arithmetic-{}", i), cluster_.model().peak())->seal();
      if (setup.disaggregated()) connect(zone, i);
    }
    zone->seal();
    const auto total = static_cast<double>(workload.requests.size());
    progress_.begin("serving " + workload.name, total, "requests");
    for (size_t i = 0; i < groups_.size(); ++i) {
      groups_[i].actor = s4u::Actor::create(fmt::format("engine-{}", i), groups_[i].memory,
                                            [this, i] { guard([&] { run_engine(i); }); });
    }
    s4u::Actor::create("arrivals", groups_.front().memory, [this] { guard([&] { run_arrivals(); }); });
  }

  ServingResult result() {
    if (problem_) std::rethrow_exception(problem_);
    return cluster_.result();
  }

 private:
  static double now() { return s4u::Engine::get_clock(); }
  bool over() const { return problem_ != nullptr || cluster_.all_finished(); }

  void connect(s4u::NetZone* zone, size_t engine) {
    constexpr double efficiency = 0.7;  // as of the all-reduce
    s4u::SplitDuplexLink* link =
        zone->create_split_duplex_link(fmt::format("link-{}", engine), efficiency * device_.link_bandwidth);
    link->set_latency(0.0);
    zone->add_route(groups_[engine].memory->get_netpoint(), nullptr, nullptr, nullptr,
                    {s4u::LinkInRoute(link, s4u::LinkInRoute::Direction::UP)}, true);
  }

  /// An exception must not leave an actor: SimGrid would end the program. It ends the simulation instead.
  template <typename Work>
  void guard(const Work& work) {
    try {
      work();
    } catch (const simgrid::ForcefulKillException&) {
      throw;
    } catch (...) {
      if (!problem_) problem_ = std::current_exception();
    }
    if (over()) wake_all();
  }

  /// All are awake before the first of them runs: who looks whether the others sleep must see the whole.
  void wake(const std::vector<size_t>& engines) {
    std::vector<s4u::ActorPtr> sleepers;
    for (const size_t engine : engines) {
      if (!std::exchange(groups_[engine].idle, false)) continue;
      sleepers.push_back(groups_[engine].actor);
    }
    for (const s4u::ActorPtr& actor : sleepers) actor->resume();
  }
  void wake_all() {
    std::vector<size_t> all(groups_.size());
    std::iota(all.begin(), all.end(), size_t{0});
    wake(all);
  }

  void run_arrivals() {
    while (!cluster_.all_arrived() && !over()) {
      if (const double wait = cluster_.next_arrival() - now(); wait > 0.0) s4u::this_actor::sleep_for(wait);
      if (const std::optional<size_t> engine = cluster_.arrive(cluster_.next_arrival())) wake({*engine});
    }
    if (!over() && stands_still()) throw std::runtime_error(cluster_.describe_stall());
  }

  bool stands_still() const {
    if (!cluster_.all_arrived() || transfers_ > 0) return false;
    return std::all_of(groups_.begin(), groups_.end(), [](const DeviceGroup& group) { return group.idle; });
  }

  void run_engine(size_t index) {
    while (!over()) {
      const std::optional<StepTime> step = cluster_.begin_step(index, now());
      if (!step) {
        groups_[index].idle = true;
        if (stands_still() && !cluster_.all_finished()) throw std::runtime_error(cluster_.describe_stall());
        s4u::this_actor::suspend();
        continue;
      }
      run_step(groups_[index], *step);
      for (std::unique_ptr<Sequence>& sequence : cluster_.end_step(index, now()))
        travellers_.push_back({index, std::move(sequence)});
      send_travellers();
      progress_.advance(static_cast<double>(cluster_.finished()));
    }
  }

  /// Runs on the group's memory host. Arithmetic beside a longer stream of the same step never ends later,
  /// and nobody else uses it: it needs no event.
  void run_step(const DeviceGroup& group, const StepTime& step) const {
    s4u::this_actor::sleep_for(step.fixed);
    if (step.memory_bound.memory > 0.0)
      s4u::this_actor::execute(step.memory_bound.memory * device_.bandwidth);
    if (step.compute_bound.compute <= 0.0) return;
    const s4u::ExecPtr arithmetic =
        s4u::Exec::init()
            ->set_flops_amount(step.compute_bound.compute * cluster_.model().peak())
            ->set_host(group.arithmetic);
    arithmetic->start();
    if (step.compute_bound.memory > 0.0)
      s4u::this_actor::execute(step.compute_bound.memory * device_.bandwidth);
    arithmetic->wait();
  }

  struct Traveller {
    size_t from = 0;
    std::unique_ptr<Sequence> sequence;
  };

  /// First come, first served: a large cache is not overtaken by smaller ones.
  void send_travellers() {
    while (!travellers_.empty()) {
      Traveller& first = travellers_.front();
      const size_t bytes_there = first.sequence->held;
      Sequence* sequence = first.sequence.get();
      const size_t from = first.from;
      const std::optional<size_t> to = cluster_.place(first.sequence);
      if (!to) return;
      travellers_.pop_front();
      ++transfers_;
      s4u::Actor::create("transfer", groups_[from].memory, [this, sequence, from, to = *to, bytes_there] {
        guard([&] { transfer(sequence, from, to, bytes_there); });
      });
    }
  }

  /// The link, and the memories at both of its ends, each take as many bytes.
  void transfer(Sequence* sequence, size_t from, size_t to, size_t bytes_there) {
    const auto bytes = static_cast<double>(sequence->held);
    const s4u::CommPtr comm =
        s4u::Comm::sendto_async(groups_[from].memory, groups_[to].memory, static_cast<uint64_t>(bytes));
    const s4u::ExecPtr read = s4u::Exec::init()->set_flops_amount(bytes)->set_host(groups_[from].memory);
    const s4u::ExecPtr write = s4u::Exec::init()->set_flops_amount(bytes)->set_host(groups_[to].memory);
    read->start();
    write->start();
    comm->wait();
    read->wait();
    write->wait();
    --transfers_;
    cluster_.engine(from).release(bytes_there);
    cluster_.engine(to).start(sequence);
    wake({from, to});
  }

  const Device& device_;
  Cluster cluster_;
  Progress& progress_;
  std::vector<DeviceGroup> groups_;
  std::deque<Traveller> travellers_;
  int transfers_ = 0;
  std::exception_ptr problem_;
};

}  // namespace

ServingResult serve(const ServingSetup& setup, PolicyFootprint& footprint, const Workload& workload,
                    Progress& progress) {
  SimGridEngine engine;
  Simulation simulation(setup, footprint, workload, progress);
  engine.run();
  return simulation.result();
}

Router router(const std::string& name) {
  if (name == "round-robin") return Router::round_robin;
  if (name == "least-outstanding") return Router::least_outstanding;
  throw InputError("--router", unknown_name("router", name, {"round-robin", "least-outstanding"}));
}

std::string router_name(Router router) {
  return router == Router::round_robin ? "round-robin" : "least-outstanding";
}

}  // namespace razorscope
