#include "sim/closed_loop/compressed_context.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "models/base/parallel.hpp"

namespace razorscope {
namespace {

class QueryKeeper final : public ForwardObserver {
 public:
  explicit QueryKeeper(PrefixQueries& queries) : queries_(queries) {}
  void attention(int layer, const QueriesKeysValues& block) override { queries_.add(layer, block); }

 private:
  PrefixQueries& queries_;
};

const Needs every_query = {.column_queries = Needs::all_queries};

/// InputError where a policy works in replay only.
void check_closed_loop(const Policy& policy, const Selection& selection) {
  const Needs needs = selection.needs();
  if (needs.replay_only()) {
    throw InputError(policy.name(),
                     fmt::format("an oracle needs {}, which only a replay of a trace has",
                                 needs.future ? "the queries to come" : "every query's exact attention"));
  }
  if (selection.when() == When::every_chunk) {
    throw InputError(policy.name(),
                     "every-chunk works in replay: here policies are forked from an exact prefill, which "
                     "evicts nothing on its way");
  }
}

}  // namespace

CompressedContext::CompressedContext(const Transformer& transformer, std::span<const int32_t> tokens,
                                     const std::vector<Policy>& policies, const ModelKnowledge& knowledge,
                                     int room, Progress& progress, const std::string& phase,
                                     const ColumnsObserver& columns)
    : transformer_(transformer),
      tokens_(static_cast<int>(tokens.size())),
      exact_(transformer.shape(), tokens_ + room) {
  const SelectionContext context{
      .shape = transformer.shape(), .prefix = tokens_, .probe = knowledge.probe, .bounds = knowledge.bounds};
  bool needs_queries = false;
  std::set<int> first_queries;  // of the columns that policies ask for
  for (const Policy& policy : policies) {
    runs_.push_back(std::make_unique<PolicyRun>(policy, context));
    check_closed_loop(policy, runs_.back()->selection());
    const Needs needs = runs_.back()->selection().needs();
    needs_queries = needs_queries || needs.rows;
    if (needs.column_queries > 0) first_queries.insert(PrefixObservations::first_query(needs, tokens_));
    memories_.push_back(std::make_unique<PolicyMemory>(*runs_.back()));
  }
  if (columns) first_queries.insert(PrefixObservations::first_query(every_query, tokens_));
  // Summed while the prefix is read: a second product of queries and keys would take as long again.
  for (const int begin : first_queries) exact_.sum_columns(begin, tokens_);
  std::unique_ptr<PrefixQueries> queries;
  std::unique_ptr<QueryKeeper> keeper;
  if (needs_queries) {
    queries = std::make_unique<PrefixQueries>(transformer.shape(), tokens_);
    keeper = std::make_unique<QueryKeeper>(*queries);
  }
  SequenceInput prefix;
  prefix.tokens = tokens;
  prefix.memory = &exact_;
  prefix.observer = keeper.get();
  prefill(transformer, prefix, progress, phase);
  compress_all(queries.get(), first_queries, columns);
}

void CompressedContext::compress_all(const PrefixQueries* queries, const std::set<int>& first_queries,
                                     const ColumnsObserver& columns) {
  const Shape& shape = transformer_.shape();
  const auto d = static_cast<size_t>(shape.head_size);
  for (int layer = 0; layer < shape.layers; ++layer) {
    const ExactLayer rows = exact_.layer(layer);
    PrefixObservations observations(shape, queries != nullptr ? queries->rows(layer) : HeadRows(),
                                    {rows.keys, d, rows.head_stride}, {rows.values, d, rows.head_stride},
                                    tokens_, tokens_);
    for (const int begin : first_queries)
      observations.provide_columns(begin, exact_.take_columns(layer, begin));
    if (columns) columns(layer, observations.view(every_query).columns);
    for (const auto& run : runs_) observations.prepare(run->selection().needs());
    parallel_for(static_cast<int>(runs_.size()), [&](int i) {
      const auto policy = static_cast<size_t>(i);
      memories_[policy]->compress_layer(observations.view(runs_[policy]->selection().needs()), tokens_);
    });
  }
}

}  // namespace razorscope
