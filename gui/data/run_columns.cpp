#include "gui/data/run_columns.hpp"

#include <algorithm>
#include <string_view>

#include "experiments/store/head_intervals.hpp"

namespace razorscope::gui {
namespace {

using Number = std::optional<double>;

/// A figure of one kind of run, given by a member of its row.
template <auto Member>
Number of_replay(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::replay) return {};
  const auto& value = s.replay(run).*Member;
  if constexpr (requires { value.has_value(); }) {
    return value ? Number(static_cast<double>(*value)) : Number();
  } else {
    return static_cast<double>(value);
  }
}
template <auto Member>
Number of_eval(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::eval) return {};
  return static_cast<double>(s.eval(run).*Member);
}
template <Estimate ClosedLoopRow::*Member>
Number mean_of_eval(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::eval) return {};
  return (s.eval(run).*Member).mean;
}
template <Estimate ClosedLoopRow::*Member>
std::optional<Interval> interval_of_eval(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::eval) return {};
  return (s.eval(run).*Member).interval;
}
template <auto Member>
Number of_explanation(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::explain) return {};
  return s.explanation(run).*Member;
}
template <auto Member>
Number of_plan(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::plan) return {};
  const auto& value = s.plan(run).*Member;
  if constexpr (requires { value.has_value(); }) {
    return value ? Number(*value) : Number();
  } else {
    return static_cast<double>(value);
  }
}
template <auto Member>
Number of_serving(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::serving) return {};
  return static_cast<double>(s.serving(run).result.*Member);
}
template <Percentiles ServingResult::*Of, double Percentiles::*Which>
Number latency(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::serving) return {};
  return 1e3 * (s.serving(run).result.*Of.*Which);
}

template <Facet facet>
QString facet_text(const Snapshot& s, const Run& run) {
  return s.name(run, facet);
}
QString policy_label_text(const Snapshot& s, const Run& run) { return s.label(run); }

const RunRow* measured(const Snapshot& s, const Run& run) {
  if (run.kind == RunKind::replay) return &s.replay(run);
  if (run.kind == RunKind::eval) return &s.eval(run);
  if (run.kind == RunKind::task) return &s.task(run);
  if (run.kind == RunKind::explain) return &s.explanation(run);
  return nullptr;
}
QString requested_text(const Snapshot& s, const Run& run) {
  return run.requested < 0 ? QString() : s.labels[static_cast<size_t>(run.requested)];
}

QString answer_text(const Snapshot& s, const Run& run) {
  if (run.kind != RunKind::explain) return {};
  return s.explanation(run).log_odds > 0.0 ? QStringLiteral("positive") : QStringLiteral("negative");
}

/// Measured runs of four kinds have the same figures of bytes, under four types.
template <typename Get>
Number of_measured(const Snapshot& s, const Run& run, const Get& get) {
  if (run.kind == RunKind::replay) return static_cast<double>(get(s.replay(run)));
  if (run.kind == RunKind::eval) return static_cast<double>(get(s.eval(run)));
  if (run.kind == RunKind::task) return static_cast<double>(get(s.task(run)));
  if (run.kind == RunKind::explain) return static_cast<double>(get(s.explanation(run)));
  return {};
}
Number run_id(const Snapshot&, const Run& run) { return static_cast<double>(run.ref.id); }
Number prefix(const Snapshot& s, const Run& run) {
  if (run.kind == RunKind::plan) return s.plan(run).context;
  return of_measured(s, run, [](const auto& row) { return row.prefix; });
}
Number steps(const Snapshot& s, const Run& run) {
  if (run.kind == RunKind::explain) return {};
  return of_measured(s, run, [](const auto& row) { return row.steps; });
}
Number physical_bytes(const Snapshot& s, const Run& run) {
  return of_measured(s, run, [](const auto& row) { return row.physical_bytes; });
}
Number logical_bytes(const Snapshot& s, const Run& run) {
  return of_measured(s, run, [](const auto& row) { return row.logical_bytes; });
}
Number nominal_bytes(const Snapshot& s, const Run& run) {
  return of_measured(s, run, [](const auto& row) { return row.nominal_bytes; });
}
Number relative_bytes(const Snapshot& s, const Run& run) {
  const RunRow* row = measured(s, run);
  if (row == nullptr || row->full_f16_bytes.value_or(0) == 0) return {};
  return *physical_bytes(s, run) / static_cast<double>(*row->full_f16_bytes);
}
Number compression(const Snapshot& s, const Run& run) {
  const Number share = relative_bytes(s, run);
  return share && *share > 0.0 ? Number(1.0 / *share) : Number();
}
Number bytes_per_token(const Snapshot& s, const Run& run) {
  const RunRow* row = measured(s, run);
  if (row == nullptr || row->prefix == 0) return {};
  return *physical_bytes(s, run) / row->prefix;
}
Number asked_share(const Snapshot& s, const Run& run) {
  const RunRow* row = measured(s, run);
  return row == nullptr ? Number() : row->equal_bytes_share;
}
Number accuracy(const Snapshot& s, const Run& run) {
  return run.kind == RunKind::task ? Number(s.task(run).accuracy) : Number();
}
std::optional<Interval> accuracy_interval(const Snapshot& s, const Run& run) {
  return run.kind == RunKind::task ? std::optional<Interval>(s.task(run).interval) : std::nullopt;
}
Number questions(const Snapshot& s, const Run& run) {
  return run.kind == RunKind::task ? Number(s.task(run).n) : Number();
}
Number kept_tokens(const Snapshot& s, const Run& run) {
  if (run.kind == RunKind::plan) return s.plan(run).kept_tokens_mean;
  return of_replay<&TradeoffRow::kept_tokens_mean>(s, run);
}
Number arrival_rate(const Snapshot& s, const Run& run) {
  return run.kind == RunKind::serving ? s.serving(run).rate : Number();
}

std::vector<RunColumn> make_columns() {
  using enum FigureKind;
  const char* const after = "right after the prefix was compressed";
  std::vector<RunColumn> columns;
  const auto text = [&](const char* key, const char* title, const char* help, bool shown,
                        QString (*get)(const Snapshot&, const Run&)) {
    columns.push_back({.key = key, .title = title, .unit = "", .help = help, .shown = shown, .text = get});
  };
  const auto figure = [&](const char* key, const char* title, const char* unit, const char* help,
                          FigureKind format, bool less, bool shown,
                          Number (*get)(const Snapshot&, const Run&),
                          std::optional<Interval> (*interval)(const Snapshot&, const Run&) = nullptr) {
    columns.push_back({.key = key,
                       .title = title,
                       .unit = unit,
                       .help = help,
                       .format = format,
                       .less_is_better = less,
                       .shown = shown,
                       .number = get,
                       .interval = interval});
  };
  // What a table shows at first, then all else.
  text("kind", "Kind", "replay, eval, task, explain, plan or serve", true, facet_text<Facet::kind>);
  text("label", "Policy", "as it ran, without what is default", true, policy_label_text);
  figure("bytes_physical_relative", "Bytes of full", "", "physical bytes as a share of full+f16's", share,
         true, true, relative_bytes);
  figure("bytes_physical", "Physical bytes", "", after, bytes, true, true, physical_bytes);
  figure("relative_error_mean", "Error", "", "mean relative error of attention outputs", error, true, true,
         of_replay<&TradeoffRow::relative_error_mean>);
  figure("kl_to_full", "KL to full", "nats", "of the next token's distribution", nats, true, true,
         mean_of_eval<&ClosedLoopRow::kl_to_full>, interval_of_eval<&ClosedLoopRow::kl_to_full>);
  figure("accuracy", "Accuracy", "", "share of questions answered", share, false, true, accuracy,
         accuracy_interval);
  text("model", "Model", "that was measured or planned for", true, facet_text<Facet::model>);
  text("text", "Text", "that the model read", true, facet_text<Facet::text>);
  figure("prefix", "Prefix", "tokens", "that were compressed; of a plan: its context", count, true, true,
         prefix);
  figure("run", "Run", "", "its id in the database", count, true, false, run_id);
  text("requested_policy", "Asked for", "before its size was solved for equal bytes", false, requested_text);
  text("device", "Device", "of plans and workloads served", false, facet_text<Facet::device>);
  text("sweep", "Sweep", "that the run came of", false, facet_text<Facet::sweep>);
  figure("steps", "Steps", "", "queries, scored steps or questions", count, false, false, steps);
  figure("bytes_logical", "Logical bytes", "", "what is stored, without padding", bytes, true, false,
         logical_bytes);
  figure("bytes_nominal", "Nominal bytes", "", "by the formula of papers", bytes, true, false, nominal_bytes);
  figure("bytes_per_token", "Bytes a token", "", "physical bytes over the prefix", bytes, true, false,
         bytes_per_token);
  figure("compression", "Compression", "x", "full+f16's bytes over physical bytes", error, false, false,
         compression);
  figure("equal_bytes_share", "Asked share", "", "of full+f16's bytes that sizes were solved for", share,
         true, false, asked_share);
  figure("kept_tokens_mean", "Kept a head", "tokens", "mean over KV heads", count, true, false, kept_tokens);
  figure("relative_error_p99", "Error p99", "", "99th percentile over head rows", error, true, false,
         of_replay<&TradeoffRow::relative_error_p99>);
  figure("relative_error_max", "Error max", "", "of a head row", error, true, false,
         of_replay<&TradeoffRow::relative_error_max>);
  figure("lost_mass_mean", "Lost mass", "", "mean share of attention on tokens that are not held", error,
         true, false, of_replay<&TradeoffRow::lost_mass_mean>);
  figure("kl_mean", "Attention KL", "nats", "mean KL of attention weights", nats, true, false,
         of_replay<&TradeoffRow::kl_mean>);
  figure("output_error_mean", "Output error", "", "mean relative error after W_O", error, true, false,
         of_replay<&TradeoffRow::output_error_mean>);
  figure("regret_mean", "Regret", "", "lost mass above the least that so many tokens could lose", error, true,
         false, of_replay<&TradeoffRow::regret_mean>);
  figure("nll_difference", "NLL above full", "nats", "a token", nats, true, false,
         mean_of_eval<&ClosedLoopRow::nll_difference>, interval_of_eval<&ClosedLoopRow::nll_difference>);
  figure("nll", "NLL", "nats", "a token", nats, true, false, mean_of_eval<&ClosedLoopRow::nll>,
         interval_of_eval<&ClosedLoopRow::nll>);
  figure("top1_agreement", "Top-1 agreement", "", "share of steps whose likeliest token is full's", share,
         false, false, of_eval<&ClosedLoopRow::top1_agreement>);
  figure("n", "Questions", "", "of a task", count, false, false, questions);
  text("answer", "Answer", "of an explanation: which of the two is likelier", false, answer_text);
  figure("log_odds", "Log-odds", "nats", "ln P(positive) - ln P(negative) of an explanation's answers", nats,
         false, false, of_explanation<&ExplanationRow::log_odds>);
  figure("log_odds_without_verdict", "Log-odds without verdict", "nats",
         "the same on the text without the verdict's paragraph", nats, false, false,
         of_explanation<&ExplanationRow::log_odds_without_verdict>);
  figure("max_batch", "Largest batch", "", "sequences whose caches fit", count, false, false,
         of_plan<&CapacityRow::max_batch>);
  figure("max_context", "Largest context", "tokens", "of the batch, by memory alone", count, false, false,
         of_plan<&CapacityRow::max_context>);
  figure("kv_bytes_per_sequence", "KV a sequence", "", "at the end of the output, all devices", bytes, true,
         false, of_plan<&CapacityRow::kv_bytes_per_sequence>);
  figure("decode_ms", "Decode step", "ms", "halfway through the output", milliseconds, true, false,
         of_plan<&CapacityRow::decode_ms>);
  figure("prefill_ms", "Prefill", "ms", "of one prompt", milliseconds, true, false,
         of_plan<&CapacityRow::prefill_ms>);
  figure("rate", "Rate", "requests/s", "at which requests arrive", FigureKind::rate, true, false,
         arrival_rate);
  figure("ttft_p50_ms", "TTFT p50", "ms", "time to the first token", milliseconds, true, false,
         latency<&ServingResult::ttft, &Percentiles::p50>);
  figure("ttft_p99_ms", "TTFT p99", "ms", "time to the first token", milliseconds, true, false,
         latency<&ServingResult::ttft, &Percentiles::p99>);
  figure("tpot_p50_ms", "TPOT p50", "ms", "time an output token", milliseconds, true, false,
         latency<&ServingResult::tpot, &Percentiles::p50>);
  figure("tpot_p99_ms", "TPOT p99", "ms", "time an output token", milliseconds, true, false,
         latency<&ServingResult::tpot, &Percentiles::p99>);
  figure("token_rate", "Throughput", "tokens/s", "output tokens", FigureKind::rate, false, false,
         of_serving<&ServingResult::token_rate>);
  figure("goodput", "Goodput", "requests/s", "completed within the service level", FigureKind::rate, false,
         false, of_serving<&ServingResult::goodput>);
  figure("goodput_share", "Within level", "", "share of requests within the service level", share, false,
         false, of_serving<&ServingResult::goodput_share>);
  for (RunColumn& column : columns) {
    for (const HeadMean& mean : means_over_heads) {
      if (std::string_view(column.key) == mean.key) column.of_heads = mean.interval;
    }
  }
  return columns;
}

}  // namespace

QString RunColumn::heading() const {
  const QString name = QString::fromUtf8(title);
  return *unit == '\0' ? name : QStringLiteral("%1 (%2)").arg(name, QString::fromUtf8(unit));
}

QString RunColumn::cell(const Snapshot& snapshot, const Run& run) const {
  if (!is_number()) return text(snapshot, run);
  const Number value = number(snapshot, run);
  return value ? figure_text(*value, format) : QString();
}

QString RunColumn::field(const Snapshot& snapshot, const Run& run) const {
  if (!is_number()) return text(snapshot, run);
  const Number value = number(snapshot, run);
  return value ? full_precision(*value) : QString();
}

const std::vector<RunColumn>& run_columns() {
  static const std::vector<RunColumn> columns = make_columns();
  return columns;
}

int run_column(const QString& key) {
  const std::vector<RunColumn>& columns = run_columns();
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const RunColumn& column) { return key == QLatin1String(column.key); });
  return found == columns.end() ? -1 : static_cast<int>(found - columns.begin());
}

}  // namespace razorscope::gui
