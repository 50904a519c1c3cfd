#pragma once

#include <string>
#include <vector>

#include "experiments/advise/metric.hpp"

namespace razorscope {

/// What a command that measures is made from where no earlier run of its kind tells how.
struct MeasureSettings {
  std::string model;  // --model of the command; a model file's name
  int context = 0;    // tokens, cut to what the model can
  std::string database;
};

/// The command that measures the policies for metrics of that source (evaluation, task, replay). `earlier` is
/// the command line of a run of the same kind, as it is stored, or "": then texts are placeholders in
/// capitals. With an earlier run the new figures stand beside its: same model, text, prefix and steps.
std::string measure_command(const Metric& metric, const std::vector<std::string>& policies,
                            const std::string& earlier, const MeasureSettings& settings);

/// The words of a command line quoted for a shell, as the store has them.
std::vector<std::string> shell_words(const std::string& line);
std::string shell_quoted(const std::string& word);

}  // namespace razorscope
