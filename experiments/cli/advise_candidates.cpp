#include "experiments/cli/advise_candidates.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <set>

#include "experiments/advise/evidence.hpp"
#include "experiments/cli/policy_options.hpp"
#include "experiments/cli/run_records.hpp"
#include "experiments/cli/serve_children.hpp"
#include "experiments/store/policy_label.hpp"
#include "models/base/error.hpp"
#include "models/language/model_file.hpp"
#include "models/language/shape_catalogue.hpp"

namespace razorscope::cli {
namespace {

EvidenceWanted wanted(const AdviseOptions& options) {
  if (options.evidence != "any" && options.evidence != "same-model")
    throw InputError("--evidence", unknown_name("evidence", options.evidence, {"any", "same-model"}));
  return {name_in_store(options.deployment.model), options.context, options.evidence == "same-model"};
}

void put(Candidate& candidate, const char* name, double value, const Evidence& evidence) {
  candidate.figures[name] = {.value = value, .evidence = evidence};
}

void put_plan(Candidate& candidate, const PlanRow& row, double full_bytes, const Evidence& evidence) {
  put(candidate, "kv_bytes", row.kv_bytes_per_sequence, evidence);
  put(candidate, "bytes_share", row.kv_bytes_per_sequence / full_bytes, evidence);
  put(candidate, "max_batch", static_cast<double>(row.max_batch), evidence);
  put(candidate, "max_context", static_cast<double>(row.max_context), evidence);
  put(candidate, "decode_ms", row.decode.total() * 1e3, evidence);
  put(candidate, "prefill_ms", row.prefill_seconds * 1e3, evidence);
  candidate.figures.erase("tokens_per_second");
  if (row.decode_full) {
    put(candidate, "tokens_per_second", static_cast<double>(row.max_batch) / row.decode_full->total(),
        evidence);
  }
}

/// What a run of `serve` printed.
void put_serving(Candidate& candidate, const nlohmann::json& document, const AdviseOptions& options) {
  const Evidence evidence{.source = MetricSource::serving,
                          .run_id = document.at("run").get<int64_t>(),
                          .model = options.deployment.model,
                          .tokens = options.context,
                          .n = document.at("requests").get<int64_t>(),
                          .unit = "requests"};
  for (const char* key : {"ttft", "tpot", "e2e"}) {
    for (const char* of : {"mean", "p50", "p90", "p99"}) {
      const auto value = document.at(fmt::format("{}_ms", key)).at(of).get<double>();
      put(candidate, fmt::format("{}_{}", key, of).c_str(), value, evidence);
    }
  }
  put(candidate, "goodput", document.at("goodput_share").get<double>(), evidence);
  put(candidate, "token_rate", document.at("token_rate").get<double>(), evidence);
  put(candidate, "request_rate", document.at("request_rate").get<double>(), evidence);
  for (const nlohmann::json& refused : document.at("refused")) {
    candidate.notes.push_back(fmt::format("{} requests of the load were refused: {}",
                                          refused.at("requests").get<size_t>(),
                                          refused.at("reason").get<std::string>()));
  }
}

/// Whether its figures, as they are without their intervals, hold all limits that they are there for.
bool may_hold(const Candidate& candidate, const std::vector<Limit>& limits) {
  return candidate.refusal.empty() && std::all_of(limits.begin(), limits.end(), [&](const Limit& limit) {
           const CandidateFigure* figure = candidate.figure(*limit.metric);
           return figure == nullptr || limit.holds(figure->value);
         });
}

}  // namespace

std::string name_in_store(const std::string& model) {
  std::filesystem::path file;
  try {
    file = find_model(model);
  } catch (const InputError&) {  // a shape alone
    return find_shape("--model", model).name;
  }
  return file.extension() == ".gguf" ? ModelFile(file).shape().name : find_shape("--model", model).name;
}

AdviseCandidates::AdviseCandidates(const AdviseOptions& options, Store& store)
    : options_(options), deployment_(deployments(options.deployment).front()) {
  kv_pool_bytes(deployment_);  // weights that do not fit are an error, not a policy's fault
  full_ =
      std::make_unique<PolicyFootprint>(Policy::parse("full"), deployment_.shape, nullptr, deployment_.tp);
  add_policies(store);
}

void AdviseCandidates::add_note(const std::string& note) {
  if (std::find(notes_.begin(), notes_.end(), note) == notes_.end()) notes_.push_back(note);
}

void AdviseCandidates::add_policies(Store& store) {
  evidence_ = quality_figures({store.closed_loop(), store.tasks(), store.tradeoff()}, wanted(options_));
  std::vector<Policy> policies;
  if (options_.policies.empty()) {
    for (const CodecEntry& codec : codec_registry()) {
      if (codec.name != "f32") policies.push_back(Policy::parse("full+" + codec.name));
    }
    for (const auto& [name, unused] : evidence_) {
      try {
        policies.push_back(Policy::parse(name));
      } catch (const InputError& problem) {
        add_note(fmt::format("a stored policy was left out: {}", problem.what()));
      }
    }
  } else {
    policies = parse_policies({options_.policies, ""});
  }
  std::set<std::string> seen;
  for (const Policy& policy : policies) {
    if (!seen.insert(policy.name()).second) continue;
    Candidate candidate{.policy = policy.name()};
    if (const auto known = evidence_.find(policy.name()); known != evidence_.end())
      candidate.figures = known->second;
    std::unique_ptr<PolicyFootprint>& footprint = footprints_.emplace_back();
    try {
      footprint = std::make_unique<PolicyFootprint>(policy, deployment_.shape, nullptr, deployment_.tp);
    } catch (const InputError& problem) {
      if (!options_.policies.empty()) throw;
      candidate.refusal = problem.what();
    }
    policies_.push_back(policy);
    candidates_.push_back(std::move(candidate));
  }
}

double AdviseCandidates::full_bytes(int context) {
  return static_cast<double>(full_->of_prompt(context)->held_bytes_of_all(context + options_.output));
}

std::optional<PlanRow> AdviseCandidates::plan_row(size_t index, int context, Candidate& candidate) {
  if (footprints_[index] == nullptr) return std::nullopt;
  try {
    return plan(deployment_, *footprints_[index],
                {context, options_.output, options_.batch, token_budget(options_.deployment)});
  } catch (const InputError& problem) {
    candidate.refusal = problem.what();
    return std::nullopt;
  }
}

void AdviseCandidates::note_shares(size_t index) {
  Candidate& candidate = candidates_[index];
  const auto share = [&](int tokens) {
    return footprints_[index]->of_prompt(tokens)->kept_tokens_mean(tokens) / tokens;
  };
  std::set<int> measured;
  for (const auto& [name, figure] : candidate.figures) {
    if (is_quality(find_metric("figures", name))) measured.insert(figure.evidence.tokens);
  }
  const double here = share(options_.context);
  for (const int tokens : measured) {
    if (tokens < 1) continue;
    double there = 0.0;
    try {
      there = share(tokens);
    } catch (const InputError&) {
      continue;  // it was measured on another model, where it made sense
    }
    if (here > 0.95 * there) continue;
    candidate.notes.push_back(fmt::format(
        "its size does not grow as the context does: it keeps {:.1f} % of {} tokens, where it was "
        "measured, and {:.1f} % of {}",
        there * 100.0, tokens, here * 100.0, options_.context));
  }
}

void AdviseCandidates::plan_all(Store& store, Progress& progress) {
  progress.begin("planning", static_cast<double>(candidates_.size()), "policies");
  for (size_t i = 0; i < candidates_.size(); ++i) {
    progress.advance(static_cast<double>(i));
    Candidate& candidate = candidates_[i];
    const std::optional<PlanRow> row = plan_row(i, options_.context, candidate);
    if (!row) continue;
    PlanRecord record;
    describe_command(record, options_.common.seed, Compute::f32);
    record.policy = policies_[i];
    record.model.shape = deployment_.shape;
    record.deployment = deployment_;
    record.engine = options_.deployment.engine;
    record.token_budget = token_budget(options_.deployment);
    record.request = {options_.context, options_.output, options_.batch, record.token_budget};
    record.row = *row;
    const Evidence evidence{.source = MetricSource::plan,
                            .run_id = store.add_plan(record),
                            .model = options_.deployment.model,
                            .tokens = options_.context};
    put_plan(candidate, *row, full_bytes(options_.context), evidence);
    note_shares(i);
    for (const std::string& note : deployment_notes(deployment_, row->calibration, false)) add_note(note);
    if (row->assumes_heads) {
      candidate.notes.emplace_back(
          "its retrieval heads were assumed for bytes and times (14 % + 1 %, spread evenly): heads=FILE "
          "names "
          "real ones");
    }
    if (row->beyond_model)
      add_note(fmt::format("{} was made for contexts of {} tokens", deployment_.shape.name,
                           deployment_.shape.context));
  }
}

double AdviseCandidates::serve_all(const std::vector<Limit>& limits, Progress& progress) {
  const ServeOptions serving = serve_options(options_);
  serving_setup(serving);  // refuses what makes no sense before any process starts
  ServeChildren children(serving);
  double runs = 0.0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (!may_hold(candidates_[i], limits)) continue;
    children.start(i, candidates_[i].policy, serving.source.rate);
    runs += 1.0;
  }
  progress.begin("serving", runs, "runs");
  const auto begin = std::chrono::steady_clock::now();
  double done_runs = 0.0;
  double refused_runs = 0.0;
  while (!children.all_done()) {
    progress.advance(done_runs);
    const std::optional<ServeChildren::Done> done = children.wait_for_any();
    if (!done) continue;
    done_runs += 1.0;
    Candidate& candidate = candidates_[done->policy];
    if (!done->refusal.empty()) {
      candidate.refusal = "the load cannot be served: " + done->refusal;
      refused_runs += 1.0;
      if (refused_runs == runs) throw InputError("the load", done->refusal);  // it is no policy's fault
      continue;
    }
    put_serving(candidate, done->document, options_);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return runs > 0.0 ? seconds / runs : 0.0;
}

std::vector<std::pair<double, Candidate>> AdviseCandidates::serve_rates(const std::string& policy,
                                                                        const std::vector<double>& rates,
                                                                        Progress& progress) const {
  const ServeOptions serving = serve_options(options_);
  ServeChildren children(serving);
  for (const double rate : rates) children.start(0, policy, rate);
  progress.begin("serving at other rates", static_cast<double>(rates.size()), "runs");
  std::vector<std::pair<double, Candidate>> runs;
  while (!children.all_done()) {
    progress.advance(static_cast<double>(runs.size()));
    const std::optional<ServeChildren::Done> done = children.wait_for_any();
    if (!done || !done->refusal.empty()) continue;
    auto& [rate, candidate] = runs.emplace_back(done->rate, Candidate{policy});
    put_serving(candidate, done->document, options_);
  }
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return runs;
}

std::vector<Candidate> AdviseCandidates::at(int context) {
  std::vector<Candidate> moved = candidates_;
  for (size_t i = 0; i < moved.size(); ++i) {
    moved[i].refusal = footprints_[i] == nullptr ? candidates_[i].refusal : "";
    const std::optional<PlanRow> row = plan_row(i, context, moved[i]);
    if (row)
      put_plan(moved[i], *row, full_bytes(context), {.model = options_.deployment.model, .tokens = context});
  }
  return moved;
}

}  // namespace razorscope::cli
