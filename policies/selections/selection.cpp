#include "policies/selections/selection.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

#include "models/base/error.hpp"
#include "models/language/transformer.hpp"

namespace razorscope {

const std::vector<SelectionEntry>& selection_registry() {
  static const std::vector<SelectionEntry> registry = {
      full_selection(),    window_selection(),    h2o_selection(),    tova_selection(),
      snapkv_selection(),  pyramidkv_selection(), adakv_selection(),  duo_selection(),
      razor_selection(),   occam_selection(),     knorm_selection(),  expected_selection(),
      keydiff_selection(), lagkv_selection(),     random_selection(), oracle_selection(),
  };
  return registry;
}

const SelectionEntry& find_selection(std::string_view where, std::string_view name) {
  std::vector<std::string> names;
  for (const SelectionEntry& entry : selection_registry()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw InputError(where, unknown_name("selection", name, names));
}

Parameter when_parameter(std::string fallback, bool every_chunk) {
  Parameter when;
  when.name = "when";
  when.kind = ParameterKind::choice;
  when.fallback = std::move(fallback);
  when.choices = {"after-prefill", "every-step"};
  when.help =
      "after-prefill: decide once, later tokens are all kept; every-step: also after each decoded token";
  if (every_chunk) {
    when.choices.emplace_back("every-chunk");
    when.help += fmt::format(
        "; every-chunk, in replay only: the prefix comes in chunks of {} tokens, with a decision at the end "
        "of each and of the prefix, later tokens are all kept",
        prefill_chunk);
  }
  return when;
}

When when_of(const ParameterValues& values) {
  const std::string& when = values.text("when");
  if (when == "every-chunk") return When::every_chunk;
  return when == "every-step" ? When::every_step : When::after_prefill;
}

int tokens_in_window(int tokens, int sinks, int recent) {
  return static_cast<int>(std::min<int64_t>(tokens, int64_t{sinks} + recent));
}

std::vector<int> window_counts(const Selection& selection, int layer, int kv_heads, int tokens) {
  const KeptRegions regions = selection.regions();
  const int kept = tokens_in_window(tokens, regions.sinks, regions.recent);
  std::vector<int> counts;
  for (int h = 0; h < kv_heads; ++h) counts.push_back(selection.is_protected(layer, h) ? tokens : kept);
  return counts;
}

std::vector<int32_t> held_between(const LayerView& view, size_t kv_head, int begin, int end) {
  std::vector<int32_t> out;
  if (begin >= end) return out;
  const std::span<const int32_t> held = view.held[kv_head];
  if (held.empty()) {
    out.resize(static_cast<size_t>(end - begin));
    std::iota(out.begin(), out.end(), begin);
    return out;
  }
  std::copy_if(held.begin(), held.end(), std::back_inserter(out),
               [&](int32_t position) { return position >= begin && position < end; });
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace razorscope
