#include "gui/views/view.hpp"

namespace razorscope::gui {

const std::vector<ViewEntry>& view_catalogue() {
  static const std::vector<ViewEntry> views = {
      {"tradeoff", "Trade-off", "What does each policy cost in error, and what does it save in bytes?",
       make_tradeoff_view},
      {"runs", "Runs", "Every run with all its figures", make_runs_view},
      {"heads", "Head atlas", "Which heads retrieve, and in which does a policy err?", make_heads_view},
      {"tokens", "Token map", "What does each policy keep of a text, and what does that do to an answer?",
       make_tokens_view},
      {"devices", "Devices", "What does a model's cache take on a device, and how much of it fits?",
       make_devices_view},
      {"serving", "Serving", "How do latency and goodput change with load, and what happens over time?",
       make_serving_view},
      {"compare", "Compare", "What differs between two runs, or two databases?", make_compare_view},
      {"sql", "SQL", "Any question, in SQL", make_sql_view},
      {"sweep", "Sweep", "Run an experiment and watch its results arrive", make_sweep_view},
  };
  return views;
}

}  // namespace razorscope::gui
