#pragma once

#include "models/base/progress.hpp"
#include "models/language/model_file.hpp"
#include "models/language/transformer.hpp"
#include "models/trace/head_scores.hpp"

namespace razorscope::cli {

/// What run_default_probe finds of a model: measured once for each model's content and arithmetic, and kept
/// below razorscope/probes in $XDG_CACHE_HOME or ~/.cache, where all that need it look first. A file there
/// that cannot be read is measured anew; where none can be written, nothing is kept.
HeadScores default_probe(const ModelFile& model, const Transformer& transformer, Progress& progress);

}  // namespace razorscope::cli
