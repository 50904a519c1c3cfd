#pragma once

#include <map>
#include <utility>
#include <vector>

#include "models/trace/trace.hpp"
#include "policies/selections/selection.hpp"

namespace razorscope {

/// Bounds on |q·k|/sqrt(d) from a trace: `calibrated` is the quantile of |q·k| over all causal pairs of the
/// prefix (and nothing later), measured when first asked for; `norm-bound` and `paper` were stored when the
/// trace was recorded, since they need the weights. `trace` must outlive it. Not shared by threads.
class TraceBounds final : public ScoreBoundSource {
 public:
  TraceBounds(const Trace& trace, int prefix) : trace_(trace), prefix_(prefix) {}
  double bound(const std::string& kind, double quantile, int layer, int kv_head) const override;

 private:
  const std::vector<double>& calibrated(double quantile) const;

  const Trace& trace_;
  int prefix_;
  mutable std::map<double, std::vector<double>> calibrated_;  // quantile -> [layers, query_heads]
};

}  // namespace razorscope
