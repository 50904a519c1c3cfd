#include "gui/data/run.hpp"

namespace razorscope::gui {

const char* to_string(RunKind kind) {
  static constexpr const char* names[] = {"replay", "eval", "task", "explain", "plan", "serve"};
  return names[static_cast<size_t>(kind)];
}

const char* facet_key(Facet facet) {
  static constexpr const char* keys[] = {"kind",  "model",  "text",   "family", "codec",
                                         "share", "prefix", "device", "sweep"};
  return keys[static_cast<size_t>(facet)];
}

const char* facet_title(Facet facet) {
  static constexpr const char* titles[] = {"Kind",  "Model",  "Text",   "Policy", "Codec",
                                           "Bytes", "Prefix", "Device", "Sweep"};
  return titles[static_cast<size_t>(facet)];
}

}  // namespace razorscope::gui
