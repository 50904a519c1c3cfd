#include "policies/selections/protected_heads.hpp"

#include "models/base/error.hpp"
#include "policies/retrieval_heads.hpp"

namespace razorscope {

std::vector<Parameter> protected_head_parameters(const std::string& choose,
                                                 const std::vector<std::string>& variants) {
  const auto share = [](const char* name, const char* fallback, const char* help,
                        const std::vector<std::string>& choices) {
    return Parameter{.name = name,
                     .kind = ParameterKind::real,
                     .fallback = fallback,
                     .help = help,
                     .lowest = 0.0,
                     .highest = 1.0,
                     .needs_parameter = "choose",
                     .needs_values = choices};
  };
  return {
      {.name = "heads",
       .kind = ParameterKind::file,
       .fallback = "probe",
       .help = "retrieval heads: from a probe's scores, or a JSON file used as it is",
       .variants = variants},
      {.name = "choose",
       .kind = ParameterKind::choice,
       .fallback = choose,
       .help =
           "how they are chosen: shares of all heads, scores above a threshold, or above the largest gap; as "
           "controls random heads, as many as paper takes, or none",
       .choices = {"paper", "threshold", "gap", "random", "none"},
       .needs_parameter = "heads",
       .needs_values = {"probe"}},
      share("induction", "0.14", "share of KV heads, by induction score", {"paper", "random"}),
      share("echo", "0.01", "share of KV heads, by echo score", {"paper", "random"}),
      share("induction", "0.1", "smallest induction score", {"threshold"}),
      share("echo", "0.1", "smallest echo score", {"threshold"}),
      {.name = "draw",
       .fallback = "1",
       .help = "seed of random heads",
       .needs_parameter = "choose",
       .needs_values = {"random"}},
  };
}

std::set<HeadId> protected_heads(const std::string& owner, const ParameterValues& values,
                                 const SelectionContext& context) {
  std::vector<HeadId> heads;
  if (values.text("heads") != "probe") {
    heads = read_head_table(values.text("heads"), context.shape);
  } else if (context.probe == nullptr) {
    throw InputError(
        owner, "heads",
        "no probe is at hand: record the trace with one (without --no-probe), or give heads=FILE with "
        R"({"retrieval_kv_heads": [[layer, head], ...]})");
  } else {
    HeadChoiceParameters parameters;
    parameters.choice = head_choice(owner, values.text("choose"));
    if (values.has("draw")) parameters.seed = static_cast<uint64_t>(values.integer("draw"));
    if (values.has("induction")) {
      parameters.induction = values.real("induction");
      parameters.echo = values.real("echo");
    }
    heads = choose_retrieval_heads(*context.probe, parameters);
  }
  return {heads.begin(), heads.end()};
}

}  // namespace razorscope
