#include "gui/views/view.hpp"

namespace razorscope::gui {

const std::vector<ViewEntry>& view_catalogue() {
  static const std::vector<ViewEntry> views = {
      {"tradeoff", "Trade-off", "What does each policy cost in error, and what does it save in bytes?",
       make_tradeoff_view},
      {"runs", "Runs", "Every run with all its figures", make_runs_view},
      {"tokens", "Token map", "What does each policy keep of a text, and what does that do to an answer?",
       make_tokens_view},
  };
  return views;
}

}  // namespace razorscope::gui
