#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "experiments/advise/advice.hpp"
#include "experiments/store/policy_label.hpp"

namespace razorscope {
namespace {

using nlohmann::json;

json evidence_id(const Evidence& evidence) {
  return {{"source", to_string(evidence.source)}, {"run", evidence.run_id}};
}

json figure_json(const Metric& metric, const CandidateFigure& figure) {
  return {{"value", figure.value},
          {"low", figure.interval ? json(figure.interval->low) : json()},
          {"high", figure.interval ? json(figure.interval->high) : json()},
          {"decides", figure.decisive(metric)},
          {"evidence", evidence_id(figure.evidence)}};
}

json candidate_json(const Candidate& candidate) {
  json out = {{"policy", candidate.policy},
              {"label", policy_label(candidate.policy)},
              {"figures", json::object()},
              {"notes", candidate.notes}};
  for (const auto& [name, figure] : candidate.figures)
    out["figures"][name] = figure_json(find_metric("figures", name), figure);
  return out;
}

json limit_json(const Limit& limit) {
  return {{"limit", to_string(limit)}, {"metric", limit.metric->name}, {"value", limit.value}};
}

json names_json(const std::vector<Limit>& limits) {
  json out = json::array();
  for (const Limit& limit : limits) out.push_back(limit.metric->name);
  return out;
}

json ranked_json(const Advice& advice, size_t place) {
  const Candidate& candidate = advice.candidates[advice.ranking.within[place]];
  json out = candidate_json(candidate);
  const CandidateFigure* figure = candidate.figure(*advice.goal.metric);
  const CandidateFigure* best = advice.candidates[advice.ranking.within.front()].figure(*advice.goal.metric);
  out["place"] = place + 1;
  out["goal_value"] = figure == nullptr ? json() : json(figure->value);
  out["behind_best"] = figure == nullptr || best == nullptr || best->value == 0.0
                           ? json()
                           : json(std::abs(figure->value / best->value - 1.0));
  return out;
}

json rejected_json(const Advice& advice, size_t index) {
  const Candidate& candidate = advice.candidates[index];
  json out = candidate_json(candidate);
  out["refusal"] = candidate.refusal.empty() ? json() : json(candidate.refusal);
  out["broken"] = json::array();
  for (const Limit& limit : standing(candidate, advice.limits).broken) {
    const CandidateFigure& figure = *candidate.figure(*limit.metric);
    json row = limit_json(limit);
    row.update({{"decides", figure.decisive(*limit.metric)}, {"excess", excess(limit, figure)}});
    out["broken"].push_back(row);
  }
  return out;
}

json not_measured_json(const Advice& advice, size_t index) {
  const Candidate& candidate = advice.candidates[index];
  json out = candidate_json(candidate);
  out["unmeasured"] = names_json(standing(candidate, advice.limits).unmeasured);
  out["commands"] = json::array();
  for (const MissingEvidence& missing : advice.missing) {
    if (std::find(missing.policies.begin(), missing.policies.end(), candidate.policy) !=
        missing.policies.end())
      out["commands"].push_back(missing.command);
  }
  return out;
}

json changes_json(const Advice& advice) {
  const auto name = [&](const std::optional<size_t>& index) {
    return index ? json(advice.candidates[*index].policy) : json();
  };
  json out = {
      {"limits", json::array()}, {"context", json::array()}, {"evidence", json::array()}, {"load", {}}};
  for (const LimitChange& change : advice.limit_changes) {
    json row = limit_json(change.limit);
    row.update({{"direction", change.looser ? "looser" : "tighter"},
                {"at", change.value},
                {"best", name(change.winner)}});
    out["limits"].push_back(row);
  }
  for (const ContextChange& change : advice.context_changes) {
    out["context"].push_back(
        {{"context", change.context}, {"best", change.winner ? json(*change.winner) : json()}});
  }
  for (const EvidenceChange& change : advice.evidence_changes) {
    out["evidence"].push_back({{"policy", advice.candidates[change.candidate].policy},
                               {"unmeasured", names_json(change.unmeasured)},
                               {"undecided", names_json(change.undecided)}});
  }
  if (advice.load_change) {
    const std::optional<double>& fails = advice.load_change->fails_from;
    out["load"] = {{"holds_up_to", advice.load_change->holds_up_to},
                   {"fails_from", fails ? json(*fails) : json()}};
  }
  return out;
}

json evidence_json(const Advice& advice) {
  json out = json::array();
  std::set<std::pair<MetricSource, int64_t>> seen;
  for (const Candidate& candidate : advice.candidates) {
    for (const auto& [name, figure] : candidate.figures) {
      const Evidence& evidence = figure.evidence;
      if (!seen.emplace(evidence.source, evidence.run_id).second) continue;
      json row = evidence_id(evidence);
      row.update({{"policy", candidate.policy},
                  {"model", evidence.model},
                  {"same_model", evidence.same_model},
                  {"text", evidence.text},
                  {"tokens", evidence.tokens},
                  {"n", evidence.n},
                  {"unit", evidence.unit}});
      out.push_back(row);
    }
  }
  return out;
}

json settings_json(const Advice& advice) {
  json out = json::array();
  for (const PolicySettings& of_policy : advice.settings) {
    for (const EngineSetting& setting : of_policy.settings) {
      out.push_back({{"policy", of_policy.policy},
                     {"engine", setting.engine},
                     {"setting", setting.setting ? json(*setting.setting) : json()},
                     {"note", setting.note}});
    }
  }
  return out;
}

}  // namespace

json advice_json(const Advice& advice) {
  const AdviceRequest& asked = advice.question;
  json out = {{"question",
               {{"model", asked.model},
                {"device", asked.device},
                {"weights", asked.weights},
                {"engine", asked.engine},
                {"tp", asked.tp},
                {"context", asked.context},
                {"output", asked.output},
                {"batch", asked.batch},
                {"workload", asked.workload},
                {"rate", asked.rate ? json(*asked.rate) : json()}}},
              {"limits", json::array()},
              {"goal", {{"name", advice.goal.name}, {"metric", advice.goal.metric->name}}},
              {"best", nullptr},
              {"ranking", json::array()},
              {"rejected", json::array()},
              {"not_measured", json::array()},
              {"what_would_change", changes_json(advice)},
              {"settings", settings_json(advice)},
              {"evidence", evidence_json(advice)},
              {"notes", advice.notes}};
  for (const Limit& limit : advice.limits) out["limits"].push_back(limit_json(limit));
  for (size_t i = 0; i < advice.ranking.within.size(); ++i) out["ranking"].push_back(ranked_json(advice, i));
  if (!out["ranking"].empty()) out["best"] = out["ranking"].front();
  for (const size_t i : advice.ranking.rejected) out["rejected"].push_back(rejected_json(advice, i));
  for (const size_t i : advice.ranking.not_measured)
    out["not_measured"].push_back(not_measured_json(advice, i));
  const std::optional<size_t> near = closest(advice.candidates, advice.limits);
  const Limit* hardest = hardest_limit(advice.candidates, advice.limits);
  out["hardest_limit"] = hardest == nullptr ? json() : limit_json(*hardest);
  out["closest"] = near ? rejected_json(advice, *near) : json();
  return out;
}

}  // namespace razorscope
