#pragma once

#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/devices/step_time.hpp"
#include "policies/cache/footprint.hpp"
#include "sim/serving/prefix_cache.hpp"
#include "sim/serving/request.hpp"

namespace razorscope {

struct SchedulerLimits {
  int token_budget = 2048;  // of a step, prefill and decode together
  int max_sequences = 256;  // that run at once
  int max_tokens = 0;       // prompt and output of a request: the model's context
  bool prefix_cache = false;
  int hash_block_tokens = 0;  // of a workload's prefix hashes
};

/// One request in an engine.
struct Sequence {
  size_t request = 0;  // its index in the workload
  int input = 0;
  int output = 0;
  std::vector<int64_t> hashes = {};  // of its prompt's whole blocks

  int prompt = 0;     // tokens to prefill: the input, and after a preemption what was generated too
  int computed = 0;   // tokens whose K and V are there
  int generated = 0;  // tokens
  int preemptions = 0;
  int shared_blocks = 0;  // of the prefix cache, pinned
  size_t held = 0;        // bytes of its own
  int grows_at = 0;       // tokens at which it needs more of them
  std::shared_ptr<const SequenceFootprint> footprint = nullptr;

  bool prefilling() const { return computed < prompt; }
};

/// A token that a step gave a sequence.
struct TokenEvent {
  Sequence* sequence = nullptr;
  bool first = false;     // of its output
  bool finished = false;  // the last one
};

/// Continuous batching on one group of devices, as vLLM v1 does it: each step takes a token of every running
/// sequence and chunks of prompts within a budget of tokens; first come, first served; a request is admitted
/// when its prompt fits; where memory runs out, the latest arrival is preempted and computed again. Knows no
/// clock.
///
/// Contract. add() at any time between steps; begin_step(), then end_step() when its work is done. A sequence
/// belongs to the scheduler from add() (or adopt()) until end_step() reports it finished or hands it over.
class Scheduler {
 public:
  /// footprint must outlive it. hand_over: sequences leave after their prompt (disaggregated prefill) instead
  /// of decoding here; their bytes stay until release().
  Scheduler(const SchedulerLimits& limits, PolicyFootprint& footprint, double pool_bytes,
            bool hand_over = false);

  /// Why a request could never run here, alone and from the start to the end of its output; empty where it
  /// could.
  std::optional<std::string> refusal(const Request& request);

  void add(std::unique_ptr<Sequence> sequence);

  /// Takes over a sequence whose prompt was prefilled elsewhere, if its cache fits now; else leaves it where
  /// it is.
  bool adopt(std::unique_ptr<Sequence>& sequence);
  /// Lets an adopted sequence run: its cache has arrived.
  void start(Sequence* sequence);
  /// Frees what a handed-over sequence held here.
  void release(size_t bytes) { own_bytes_ -= bytes; }

  /// Chooses what the next step computes; nothing where there is nothing to do, or all must wait.
  std::optional<StepWork> begin_step();
  /// The step's work is done: tokens, by order of admission. Finished (or handed over) sequences are given to
  /// `done`.
  void end_step(std::vector<TokenEvent>& events, std::vector<std::unique_ptr<Sequence>>& done);

  size_t running() const { return running_.size(); }
  size_t waiting() const { return waiting_.size(); }
  bool idle() const { return running_.empty() && waiting_.empty() && adopted_.empty(); }
  /// Bytes that sequences hold, shared blocks counted once; without blocks that are only kept for later.
  size_t referenced_bytes() const;
  size_t peak_bytes() const { return peak_bytes_; }  // referenced
  size_t pool_bytes() const { return pool_bytes_; }
  int64_t preemptions() const { return preemptions_; }
  /// Prompt tokens that were found in the prefix cache.
  int64_t cached_tokens() const { return cached_tokens_; }

 private:
  struct Scheduled {
    Sequence* sequence = nullptr;
    int chunk = 0;  // prompt tokens; 0: a decoded token
  };

  size_t used_bytes() const { return own_bytes_ + remnant_bytes_ + (prefixes_ ? prefixes_->bytes() : 0); }
  /// What is left in memory of a sequence that gave its blocks back, until others need them.
  struct Remnant {
    const Sequence* owner = nullptr;  // to whom it is of use: one that was preempted
    size_t bytes = 0;
    int tokens = 0;
  };

  bool reserve(Sequence& sequence, size_t bytes);
  bool evict(size_t bytes);
  void leave_remnant(const Sequence& sequence, bool will_return);
  /// Prompt tokens that are still there.
  int take_remnant(const Sequence& sequence);
  /// What a sequence needs of its own, once it uses shared blocks.
  size_t beside_shared(const Sequence& sequence, size_t bytes) const;
  /// Bytes once so many prompt tokens are in.
  size_t bytes_while_prefilling(const Sequence& sequence, int computed) const;
  bool schedule_running(Sequence& sequence);
  bool admit();
  void preempt_last();
  void prefill(Sequence& sequence, int chunk);
  void decode(Sequence& sequence);
  void finish_prompt(Sequence& sequence);
  void leave(Sequence& sequence, bool will_return);
  void pin_prefix(Sequence& sequence);
  void publish_prompt(Sequence& sequence);
  std::span<const int64_t> shared(const Sequence& sequence) const {
    return {sequence.hashes.data(), static_cast<size_t>(sequence.shared_blocks)};
  }

  SchedulerLimits limits_;
  PolicyFootprint& footprint_;
  size_t pool_bytes_;
  bool hand_over_;
  std::optional<PrefixCache> prefixes_;
  std::list<Remnant> remnants_;  // the oldest first
  size_t remnant_bytes_ = 0;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // by admission
  std::vector<std::unique_ptr<Sequence>> adopted_;  // whose caches are on their way
  std::vector<Scheduled> scheduled_;
  StepWork work_;
  int budget_ = 0;
  size_t own_bytes_ = 0;
  size_t peak_bytes_ = 0;
  int64_t preemptions_ = 0;
  int64_t cached_tokens_ = 0;
};

}  // namespace razorscope
