#include "sim/serving/simgrid_engine.hpp"

#include <array>
#include <csignal>
#include <simgrid/s4u.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace razorscope {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr const char* contexts = "--cfg=contexts/factory:thread";  // sanitizers must see each stack
#else
constexpr const char* contexts = "--cfg=contexts/factory:raw";
#endif

/// SimGrid takes these signals for itself, and never gives them back.
class SavedSignals {
 public:
  SavedSignals() {
    for (size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], nullptr, &actions_[i]);
  }
  void restore() const {
    for (size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &actions_[i], nullptr);
  }

 private:
  static constexpr std::array<int, 4> signals = {SIGINT, SIGTERM, SIGSEGV, SIGABRT};
  std::array<struct sigaction, signals.size()> actions_ = {};
};

}  // namespace

SimGridEngine::SimGridEngine() {
  static bool used = false;  // the engine may be gone, but not the time it left behind
  if (std::exchange(used, true))
    throw std::logic_error("SimGrid runs one simulation a process: its clock never goes back");
  const SavedSignals saved;
  // SimGrid ends whatever would end within its precision together: with its 10 us, steps of 30 us that
  // several streams share came out 6 % short.
  std::vector<std::string> words = {
      "razorscope", "--cfg=network/model:CM02",  "--cfg=network/crosstraffic:0", "--cfg=surf/precision:1e-9",
      contexts,     "--log=root.thresh:critical"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  auto count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  engine_ = std::make_unique<simgrid::s4u::Engine>(&count, arguments.data());
  saved.restore();
}

SimGridEngine::~SimGridEngine() = default;

void SimGridEngine::run() {
  const SavedSignals saved;
  engine_->run();
  saved.restore();
}

}  // namespace razorscope
