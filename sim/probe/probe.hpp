#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/base/progress.hpp"
#include "models/language/tokenizer.hpp"
#include "models/language/transformer.hpp"
#include "models/trace/head_scores.hpp"

namespace razorscope {

/// Which earlier occurrences of a token count.
enum class ProbeVariant {
  sum_prior,   // all of them, summed; the last token of a block counts for induction too
  last_prior,  // the most recent one; the last token of a block has no successor in its block and is left out
};

ProbeVariant probe_variant(const std::string& name);  // InputError with the allowed names
std::string probe_variant_name(ProbeVariant variant);

/// A block of `length` ids, uniform over the vocabulary's normal tokens ("vocabulary") or over 10000..12500
/// ("range"). The same seed gives the same ids everywhere.
std::vector<int32_t> random_block(const Tokenizer& tokenizer, int length, uint64_t seed,
                                  const std::string& source);

/// Echo and induction scores of every query head: the model reads a BOS (where it has one) and `repeats`
/// copies of the block; for each position from the second copy on, echo is the attention weight on earlier
/// occurrences of the same token, induction that on the tokens that followed them; both averaged over
/// positions. The result's seed and token source are left for the caller to fill in. bos: -1 for none.
/// InputError where the sequence does not fit the context.
HeadScores run_probe(const Transformer& transformer, const std::vector<int32_t>& block, int repeats,
                     int32_t bos, ProbeVariant variant, Progress& progress);

/// The probe that policies expect where nothing else is said: 200 tokens, 4 repeats, seed 1, sum-prior; the
/// block is cut so that the sequence fits the context.
inline constexpr int default_probe_block = 200;
inline constexpr int default_probe_repeats = 4;
inline constexpr uint64_t default_probe_seed = 1;
HeadScores run_default_probe(const Transformer& transformer, const Tokenizer& tokenizer, Progress& progress);

}  // namespace razorscope
