#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/advise/engine_settings.hpp"
#include "experiments/advise/ranking.hpp"
#include "experiments/advise/sensitivity.hpp"

namespace razorscope {

/// What was asked, in words.
struct AdviceRequest {
  std::string model;
  std::string device;
  std::string weights;
  std::string engine;
  int tp = 1;
  int context = 0;  // tokens of a prompt
  int output = 0;
  int batch = 1;
  std::string workload = {};  // "": no load
  std::optional<double> rate = {};
};

/// Policies that lack figures of one kind, and the command that measures them.
struct MissingEvidence {
  MetricSource source = MetricSource::evaluation;
  std::vector<std::string> policies;
  std::string command;
};

/// How far the best policy carries a load: within all limits up to one rate, no more at another.
struct LoadChange {
  double holds_up_to = 0.0;          // requests/s
  std::optional<double> fails_from;  // nothing: at none that was tried
};

struct PolicySettings {
  std::string policy;
  std::vector<EngineSetting> settings;
};

/// All that is shown. Candidates are meant by index.
struct Advice {
  AdviceRequest question;
  std::vector<Limit> limits;  // that --batch stands for is the last
  Goal goal;
  std::vector<Candidate> candidates;
  Ranking ranking;
  size_t top = 3;  // of the ranking that are shown
  std::vector<LimitChange> limit_changes = {};
  std::vector<EvidenceChange> evidence_changes = {};
  std::vector<ContextChange> context_changes = {};
  std::optional<LoadChange> load_change = {};
  std::vector<MissingEvidence> missing = {};
  std::vector<PolicySettings> settings = {};
  std::vector<std::string> notes = {};
};

/// For people, at most 110 columns but for commands, which stand on lines of their own.
std::string advice_text(const Advice& advice);
/// {"question", "limits", "goal", "best", "ranking", "rejected", "not_measured", "what_would_change",
/// "settings", "evidence", "notes"}; "best" is null where no policy holds all limits.
nlohmann::json advice_json(const Advice& advice);

/// "kl 0.031 [0.027, 0.036]".
std::string figure_text(const Metric& metric, const CandidateFigure& figure);
/// "evaluation 3: smollm2-135m, harbour.txt, 1536 tokens, 256 rows".
std::string evidence_text(const Evidence& evidence);

}  // namespace razorscope
