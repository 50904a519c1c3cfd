#include "experiments/advise/head_export.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/advise/evidence.hpp"
#include "experiments/store/policy_label.hpp"
#include "policies/cache/even_head_scores.hpp"

namespace razorscope {
namespace {

void set_regions(const Selection& selection, ProtectedHeads& heads) {
  const KeptRegions regions = selection.regions();
  heads.sinks = regions.sinks;
  heads.recent = regions.recent;
}

}  // namespace

std::optional<StoredProbe> latest_probe(const std::vector<RankedHead>& ranking, const Shape& shape) {
  StoredProbe probe;
  const auto size = static_cast<size_t>(shape.layers) * static_cast<size_t>(shape.kv_heads);
  for (const RankedHead& head : ranking) {
    if (is_same_model(head.model, shape.name)) probe.probe_id = std::max(probe.probe_id, head.probe_id);
  }
  HeadScores& scores = probe.scores;
  scores.layers = shape.layers;
  scores.query_heads = scores.kv_heads = shape.kv_heads;
  scores.echo.assign(size, 0.0);
  scores.induction.assign(size, 0.0);
  size_t found = 0;
  for (const RankedHead& head : ranking) {
    if (head.probe_id != probe.probe_id) continue;
    const bool fits =
        head.layer >= 0 && head.layer < shape.layers && head.kv_head >= 0 && head.kv_head < shape.kv_heads;
    if (!fits) return std::nullopt;
    const auto i = static_cast<size_t>(head.layer) * static_cast<size_t>(shape.kv_heads) +
                   static_cast<size_t>(head.kv_head);
    scores.echo[i] = head.echo;
    scores.induction[i] = head.induction;
    ++found;
  }
  if (probe.probe_id == 0 || found != size) return std::nullopt;
  return probe;
}

std::optional<ProtectedHeads> protected_heads_of(const Policy& policy, const Shape& shape, int context,
                                                 const std::optional<StoredProbe>& probe) {
  const Policy chooser = policy.values().has("heads") ? policy : Policy::parse("duo");
  const bool asks_probe = chooser.values().text("heads") == "probe";
  if (asks_probe && !probe) return std::nullopt;
  const SelectionContext selection_context{
      .shape = shape, .prefix = context, .probe = probe ? &probe->scores : nullptr};
  const std::unique_ptr<const Selection> selection = chooser.make_selection(selection_context);
  ProtectedHeads out;
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int head = 0; head < shape.kv_heads; ++head) {
      if (selection->is_protected(layer, head)) out.heads.insert({layer, head});
    }
  }
  set_regions(*selection, out);
  out.source = fmt::format("{} with {}", policy_label(chooser.name()),
                           asks_probe ? fmt::format("probe {}", probe->probe_id) : "the heads of its file");
  return out;
}

ProtectedHeads with_heads(const Policy& policy, const Shape& shape, int context,
                          const std::vector<HeadId>& heads, const std::string& source) {
  ProtectedHeads out{.heads = {heads.begin(), heads.end()}, .source = source};
  // What other heads keep does not depend on which are protected, but a probe must be there to choose from.
  const HeadScores even = even_head_scores(shape);
  set_regions(*policy.make_selection({.shape = shape, .prefix = context, .probe = &even}), out);
  return out;
}

std::string duo_attention_table(const Shape& shape, const std::set<HeadId>& heads) {
  std::string out;
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int head = 0; head < shape.kv_heads; ++head) {
      if (head > 0) out += '\t';
      out += heads.contains({layer, head}) ? "1.0" : "0.0";
    }
    out += '\n';
  }
  return out;
}

std::string duo_attention_config(const ProtectedHeads& heads) {
  return fmt::format(R"({{"sink_size": {}, "recent_size": {}}})", heads.sinks, heads.recent);
}

std::string head_list_json(const Shape& shape, const ProtectedHeads& heads) {
  nlohmann::json by_layer = nlohmann::json::object();
  for (const auto& [layer, head] : heads.heads) by_layer[std::to_string(layer)].push_back(head);
  const nlohmann::ordered_json out = {{"model", shape.name},        {"layers", shape.layers},
                                      {"kv_heads", shape.kv_heads}, {"retrieval_heads", by_layer},
                                      {"sinks", heads.sinks},       {"recent", heads.recent}};
  return out.dump(1) + '\n';
}

}  // namespace razorscope
