#pragma once

#include <memory>

namespace simgrid::s4u {
class Engine;
}

namespace razorscope {

/// This process's one SimGrid engine, set up for simulations of devices: links give their whole bandwidth
/// whatever flows the other way, and signals stay with the program. A second one throws std::logic_error.
class SimGridEngine {
 public:
  SimGridEngine();
  ~SimGridEngine();
  SimGridEngine(const SimGridEngine&) = delete;
  SimGridEngine& operator=(const SimGridEngine&) = delete;

  /// Returns when no actor is left.
  void run();

 private:
  std::unique_ptr<simgrid::s4u::Engine> engine_;
};

}  // namespace razorscope
