#include "sim/serving/scheduler.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "sim/serving/plan.hpp"

namespace razorscope {
namespace {

double gigabytes(size_t bytes) { return static_cast<double>(bytes) / 1e9; }

}  // namespace

Scheduler::Scheduler(const SchedulerLimits& limits, PolicyFootprint& footprint, double pool_bytes,
                     bool hand_over)
    : limits_(limits), footprint_(footprint), hand_over_(hand_over) {
  // Engines hand out whole blocks: what is left of the pool beside them is never used.
  const size_t block = footprint.block_bytes();
  pool_bytes_ = static_cast<size_t>(pool_bytes / static_cast<double>(block)) * block;
  if (!limits.prefix_cache) return;
  if (footprint.drops()) {
    throw InputError("--prefix-cache",
                     fmt::format("{} drops tokens of each prompt, so that prompts have no blocks in common: "
                                 "it works with policies that keep everything",
                                 footprint.policy().name()));
  }
  if (limits.hash_block_tokens <= 0) return;  // only preempted sequences can find what they left
  const auto sequence = footprint.of_prompt(limits.hash_block_tokens);
  prefixes_.emplace(sequence->held_bytes(limits.hash_block_tokens));
}

std::optional<std::string> Scheduler::refusal(const Request& request) {
  const int64_t tokens = int64_t{request.input_tokens} + request.output_tokens;
  if (tokens > limits_.max_tokens) {
    return fmt::format("{} prompt and output tokens exceed the context of {}", tokens, limits_.max_tokens);
  }
  const auto sequence = footprint_.of_prompt(request.input_tokens);
  // A preemption computes prompt and output again as one prompt.
  const int end = static_cast<int>(tokens) - 1;
  const size_t most = std::max(sequence->prefill_bytes(end), sequence->held_bytes(end));
  if (most <= pool_bytes_) return std::nullopt;
  return fmt::format("needs {:.2f} GB of KV cache at {} tokens, the pool has {:.2f} GB", gigabytes(most), end,
                     gigabytes(pool_bytes_));
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  sequence->prompt = sequence->input + sequence->generated;
  waiting_.push_back(std::move(sequence));
}

/// Frees bytes that nobody uses, if there are as many: remnants first, of the oldest its end first, since
/// what follows a missing block is useless.
bool Scheduler::evict(size_t bytes) {
  if (remnant_bytes_ + (prefixes_ ? prefixes_->unpinned_bytes() : 0) < bytes) return false;
  while (bytes > 0 && !remnants_.empty()) {
    Remnant& oldest = remnants_.front();
    const size_t freed = std::min(oldest.bytes, bytes);
    const double left = static_cast<double>(oldest.bytes - freed) / static_cast<double>(oldest.bytes);
    oldest.tokens = static_cast<int>(left * oldest.tokens) / block_tokens * block_tokens;
    oldest.bytes -= freed;
    remnant_bytes_ -= freed;
    bytes -= freed;
    if (oldest.bytes == 0) remnants_.pop_front();
  }
  if (bytes > 0) prefixes_->evict(bytes);
  return true;
}

void Scheduler::leave_remnant(const Sequence& sequence, bool will_return) {
  if (!limits_.prefix_cache || sequence.held == 0) return;
  const int whole_blocks = sequence.computed / block_tokens * block_tokens;
  remnants_.push_back({will_return ? &sequence : nullptr, sequence.held, whole_blocks});
  remnant_bytes_ += sequence.held;
}

int Scheduler::take_remnant(const Sequence& sequence) {
  if (sequence.preemptions == 0) return 0;
  const auto found = std::find_if(remnants_.begin(), remnants_.end(),
                                  [&](const Remnant& remnant) { return remnant.owner == &sequence; });
  if (found == remnants_.end()) return 0;
  const int tokens = found->tokens;
  remnant_bytes_ -= found->bytes;
  remnants_.erase(found);
  return tokens;
}

bool Scheduler::reserve(Sequence& sequence, size_t bytes) {
  if (bytes > sequence.held) {
    const size_t more = bytes - sequence.held;
    const size_t used = used_bytes();
    if (used + more > pool_bytes_ && !evict(used + more - pool_bytes_)) return false;
  }
  own_bytes_ += bytes;
  own_bytes_ -= sequence.held;
  sequence.held = bytes;
  peak_bytes_ = std::max(peak_bytes_, referenced_bytes());
  return true;
}

size_t Scheduler::bytes_while_prefilling(const Sequence& sequence, int computed) const {
  size_t bytes = sequence.footprint->prefill_bytes(computed);
  // What is left after the prompt is compressed may be more, under a codec of more than 16 bits.
  if (computed == sequence.prompt) bytes = std::max(bytes, sequence.footprint->held_bytes(computed));
  return beside_shared(sequence, bytes);
}

size_t Scheduler::beside_shared(const Sequence& sequence, size_t bytes) const {
  if (!prefixes_) return bytes;
  return bytes - std::min(bytes, static_cast<size_t>(sequence.shared_blocks) * prefixes_->block_bytes());
}

size_t Scheduler::referenced_bytes() const {
  return own_bytes_ + (prefixes_ ? prefixes_->bytes() - prefixes_->unpinned_bytes() : 0);
}

void Scheduler::prefill(Sequence& sequence, int chunk) {
  scheduled_.push_back({&sequence, chunk});
  budget_ -= chunk;
  work_.prefill_tokens += chunk;
  work_.prefill_pairs += causal_pairs(sequence.computed, chunk);
  if (sequence.computed + chunk < sequence.prompt) return;
  ++work_.logits_rows;
  work_.other_bytes += sequence.footprint->compression().bytes;
  work_.other_operations += sequence.footprint->compression().operations;
}

void Scheduler::decode(Sequence& sequence) {
  scheduled_.push_back({&sequence, 0});
  --budget_;
  const CacheRead read = sequence.footprint->read(sequence.computed + 1);
  work_.kv_bytes += read.bytes;
  work_.coded_kv_bytes += read.coded_bytes;
  work_.other_bytes += read.score_bytes;
  ++work_.decode_sequences;
  ++work_.logits_rows;
}

void Scheduler::preempt_last() {
  std::unique_ptr<Sequence> sequence = std::move(running_.back());
  running_.pop_back();
  leave(*sequence, true);
  sequence->computed = 0;
  sequence->prompt = sequence->input + sequence->generated;
  ++sequence->preemptions;
  ++preemptions_;
  waiting_.push_front(std::move(sequence));
}

/// False where memory ran out and the sequence itself had to go.
bool Scheduler::schedule_running(Sequence& sequence) {
  const int chunk = std::min(budget_, sequence.prompt - sequence.computed);
  size_t bytes = sequence.held;
  if (chunk > 0) {
    bytes = bytes_while_prefilling(sequence, sequence.computed + chunk);
  } else if (sequence.computed + 1 >= sequence.grows_at) {
    bytes = beside_shared(sequence, sequence.footprint->held_bytes(sequence.computed + 1));
  }
  while (!reserve(sequence, bytes)) {
    const bool itself = running_.back().get() == &sequence;
    preempt_last();
    if (itself) return false;
  }
  if (chunk > 0) {
    prefill(sequence, chunk);
  } else {
    if (sequence.computed + 1 >= sequence.grows_at)
      sequence.grows_at = sequence.footprint->next_growth(sequence.computed + 1);
    decode(sequence);
  }
  return true;
}

/// Finds what is known of the prompt's beginning. The last token is always computed: its logits give the
/// next.
void Scheduler::pin_prefix(Sequence& sequence) {
  if (!prefixes_ || sequence.hashes.empty()) return;
  const auto usable = static_cast<size_t>((sequence.prompt - 1) / limits_.hash_block_tokens);
  const std::span<const int64_t> hashes(sequence.hashes.data(), std::min(usable, sequence.hashes.size()));
  sequence.shared_blocks = prefixes_->pin(hashes);
}

/// Lets the first of the waiting run, if its prompt fits beside the others.
bool Scheduler::admit() {
  Sequence& sequence = *waiting_.front();
  if (!sequence.footprint || sequence.footprint->prompt() != sequence.prompt)
    sequence.footprint = footprint_.of_prompt(sequence.prompt);
  pin_prefix(sequence);
  const size_t whole = bytes_while_prefilling(sequence, sequence.prompt);
  if (whole > pool_bytes_ - referenced_bytes()) {
    if (prefixes_) prefixes_->release(shared(sequence));
    sequence.shared_blocks = 0;
    return false;
  }
  const int whole_blocks = (sequence.prompt - 1) / block_tokens * block_tokens;
  sequence.computed = sequence.shared_blocks > 0 ? sequence.shared_blocks * limits_.hash_block_tokens
                                                 : std::min(take_remnant(sequence), whole_blocks);
  cached_tokens_ += sequence.computed;
  const int chunk = std::min(budget_, sequence.prompt - sequence.computed);
  reserve(sequence, bytes_while_prefilling(sequence, sequence.computed + chunk));  // fits, as the whole does
  running_.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
  prefill(*running_.back(), chunk);
  return true;
}

std::optional<StepWork> Scheduler::begin_step() {
  scheduled_.clear();
  work_ = {};
  budget_ = limits_.token_budget;
  bool preempted = false;
  for (size_t i = 0; i < running_.size() && budget_ > 0; ++i) {
    const size_t before = running_.size();
    const bool ran = schedule_running(*running_[i]);
    preempted = preempted || running_.size() < before;
    if (!ran) break;
  }
  const auto most = static_cast<size_t>(limits_.max_sequences);
  while (!preempted && budget_ > 0 && !waiting_.empty() && running_.size() + adopted_.size() < most) {
    if (!admit()) break;
  }
  if (scheduled_.empty()) return std::nullopt;
  return work_;
}

void Scheduler::finish_prompt(Sequence& sequence) {
  reserve(sequence, beside_shared(sequence, sequence.footprint->held_bytes(sequence.computed)));
  sequence.grows_at = sequence.footprint->next_growth(sequence.computed);
}

/// Makes the blocks of a prompt known to those that begin alike. Their bytes are the prefix cache's from now
/// on.
void Scheduler::publish_prompt(Sequence& sequence) {
  if (!prefixes_ || sequence.hashes.empty()) return;
  const int whole = std::min<int>(static_cast<int>(sequence.hashes.size()),
                                  std::min(sequence.computed, sequence.input) / limits_.hash_block_tokens);
  const std::span<const int64_t> hashes(sequence.hashes.data(), static_cast<size_t>(whole));
  prefixes_->release(shared(sequence));
  if (whole > sequence.shared_blocks) {
    const int added = prefixes_->publish(hashes, sequence.shared_blocks);
    const size_t bytes = std::min(sequence.held, static_cast<size_t>(added) * prefixes_->block_bytes());
    own_bytes_ -= bytes;
    sequence.held -= bytes;
  }
  sequence.shared_blocks = 0;
}

/// Gives back what a sequence holds. Under a prefix cache it stays in memory until others need the room.
void Scheduler::leave(Sequence& sequence, bool will_return) {
  publish_prompt(sequence);
  own_bytes_ -= sequence.held;
  // A hashed prompt is found by its hashes when it returns.
  if (sequence.hashes.empty()) leave_remnant(sequence, will_return);
  sequence.held = 0;
}

void Scheduler::end_step(std::vector<TokenEvent>& events, std::vector<std::unique_ptr<Sequence>>& done) {
  bool leaves = false;
  for (const Scheduled& item : scheduled_) {
    Sequence& sequence = *item.sequence;
    sequence.computed += item.chunk > 0 ? item.chunk : 1;
    if (item.chunk > 0 && sequence.prefilling()) continue;
    if (item.chunk > 0) finish_prompt(sequence);
    ++sequence.generated;
    const bool finished = sequence.generated >= sequence.output;
    events.push_back({&sequence, sequence.generated == 1, finished});
    leaves = leaves || finished || (hand_over_ && item.chunk > 0);
  }
  if (!leaves) return;
  const auto stays = [&](const std::unique_ptr<Sequence>& sequence) {
    return !sequence->prefilling() ? !(sequence->generated >= sequence->output || hand_over_) : true;
  };
  const auto gone = std::stable_partition(running_.begin(), running_.end(), stays);
  for (auto it = gone; it != running_.end(); ++it) {
    if ((*it)->generated >= (*it)->output) {
      leave(**it, false);
    } else {
      publish_prompt(**it);  // the rest it holds until release()
    }
    done.push_back(std::move(*it));
  }
  running_.erase(gone, running_.end());
}

bool Scheduler::adopt(std::unique_ptr<Sequence>& sequence) {
  if (running_.size() + adopted_.size() >= static_cast<size_t>(limits_.max_sequences)) return false;
  const size_t elsewhere = sequence->held;
  sequence->held = 0;
  if (!reserve(*sequence, sequence->footprint->held_bytes(sequence->computed))) {
    sequence->held = elsewhere;
    return false;
  }
  adopted_.push_back(std::move(sequence));
  return true;
}

void Scheduler::start(Sequence* sequence) {
  const auto found = std::find_if(adopted_.begin(), adopted_.end(),
                                  [&](const std::unique_ptr<Sequence>& s) { return s.get() == sequence; });
  running_.push_back(std::move(*found));
  adopted_.erase(found);
}

}  // namespace razorscope
