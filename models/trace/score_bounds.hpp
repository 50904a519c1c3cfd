#pragma once

#include "models/language/shape.hpp"
#include "models/language/weights.hpp"
#include "models/trace/trace.hpp"

namespace razorscope {

/// Bounds B on |q·k|/sqrt(d) of every query head, from the weights alone (razor-attention, section 2), for
/// models with LayerNorm and without projection biases. x = γ⊙x̂ + b with ||x̂||₂ <= sqrt(hidden), so
///   norm_bound = σ(W_Qᵀ W_K)·(||γ||∞·sqrt(hidden) + ||b||₂)²·score_scale          provable
///   paper      = σ(W_Qᵀ W_K)·(||γ||₂² + ||b||₂²)                                  as printed; one outlier in
///   γ breaks it
/// σ: largest singular value, in double precision.
ScoreBounds weight_score_bounds(const Shape& shape, const Weights& weights);

}  // namespace razorscope
