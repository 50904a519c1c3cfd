#include "models/language/transformer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "models/base/error.hpp"
#include "models/base/parallel.hpp"

namespace razorscope {
namespace {

constexpr size_t logits_rows_at_a_time = 32;

size_t rows_of(std::span<const SequenceInput> batch) {
  size_t rows = 0;
  for (const SequenceInput& sequence : batch) rows += sequence.tokens.size();
  return rows;
}

void check_batch(const Shape& shape, std::span<const SequenceInput> batch) {
  for (const SequenceInput& sequence : batch) {
    const int64_t end = sequence.first_position + static_cast<int64_t>(sequence.tokens.size());
    if (end > shape.context) {
      throw InputError(
          shape.name, fmt::format("{} tokens do not fit into the model's context of {}", end, shape.context));
    }
    for (const int32_t id : sequence.tokens) {
      if (id < 0 || id >= shape.vocabulary) {
        throw InputError(shape.name,
                         fmt::format("token id {} is outside the vocabulary of {}", id, shape.vocabulary));
      }
    }
  }
}

/// A row of the batch whose logits are wanted.
struct LogitRow {
  const SequenceInput* sequence = nullptr;
  size_t row = 0;  // of the batch
  int position = 0;
};

std::vector<LogitRow> wanted_logits(std::span<const SequenceInput> batch) {
  std::vector<LogitRow> wanted;
  size_t first_row = 0;
  for (const SequenceInput& sequence : batch) {
    const size_t tokens = sequence.tokens.size();
    size_t t = tokens;
    if (sequence.logits == LogitsWanted::all) t = 0;
    if (sequence.logits == LogitsWanted::last && tokens > 0) t = tokens - 1;
    for (; t < tokens; ++t)
      wanted.push_back({&sequence, first_row + t, sequence.first_position + static_cast<int>(t)});
    first_row += tokens;
  }
  return wanted;
}

}  // namespace

Transformer::Transformer(Shape shape, Weights weights, Compute compute)
    : shape_(std::move(shape)), weights_(std::move(weights)), compute_(compute) {
  if (shape_.position == PositionScheme::rope) rope_.emplace(shape_.rope, shape_.head_size);
}

void Transformer::forward(std::span<const SequenceInput> batch) const {
  check_batch(shape_, batch);
  const size_t rows = rows_of(batch);
  const auto hidden = static_cast<size_t>(shape_.hidden);
  Matrix x(rows, hidden);  // the residual stream
  Matrix normal(rows, hidden);
  Matrix qkv(rows, static_cast<size_t>(shape_.query_width() + 2 * shape_.kv_width()));
  Matrix attention(rows, static_cast<size_t>(shape_.query_width()));
  Matrix gate(shape_.mlp == MlpKind::swiglu ? rows : 0, static_cast<size_t>(shape_.feed_forward));
  Matrix active(rows, static_cast<size_t>(shape_.feed_forward));

  size_t row = 0;
  for (const SequenceInput& sequence : batch) {
    for (const int32_t id : sequence.tokens) {
      std::memcpy(x.row(row++), weights_.embedding.row(static_cast<size_t>(id)), hidden * sizeof(float));
    }
  }
  for (int i = 0; i < shape_.layers; ++i) {
    const LayerWeights& layer = weights_.layers[static_cast<size_t>(i)];
    normalise(x, layer.attention_norm, normal);
    layer.qkv.multiply(normal.data(), rows, qkv.data());
    attend(i, batch, qkv, attention);
    layer.attention_out.multiply(attention.data(), rows, x.data(), Epilogue::add);
    normalise(x, layer.mlp_norm, normal);
    feed_forward(layer, normal, gate, active, x);
  }
  emit_logits(batch, x);
}

void Transformer::normalise(const Matrix& x, const NormWeights& norm, Matrix& out) const {
  const size_t width = x.columns;
  const bool centred = shape_.norm == NormKind::layer;
#pragma omp parallel for schedule(static)
  for (size_t r = 0; r < x.rows; ++r) {
    const float* in = x.row(r);
    float* y = out.row(r);
    double mean = 0.0;
    if (centred) {
      for (size_t i = 0; i < width; ++i) mean += in[i];
      mean /= static_cast<double>(width);
    }
    double squares = 0.0;
    for (size_t i = 0; i < width; ++i) squares += (in[i] - mean) * (in[i] - mean);
    const double variance = squares / static_cast<double>(width);
    const auto inverse =
        static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(shape_.norm_epsilon)));
    const auto centre = static_cast<float>(mean);
    for (size_t i = 0; i < width; ++i) y[i] = (in[i] - centre) * inverse * norm.scale[i];
    if (!norm.bias.empty()) {
      for (size_t i = 0; i < width; ++i) y[i] += norm.bias[i];
    }
  }
}

void Transformer::attend(int layer, std::span<const SequenceInput> batch, Matrix& qkv, Matrix& out) const {
  const int query_heads = shape_.query_heads;
  const int query_width = shape_.query_width();
  const int kv_width = shape_.kv_width();
  std::vector<QueriesKeysValues> blocks;
  std::vector<float*> outputs;
  size_t row = 0;
  for (const SequenceInput& sequence : batch) {
    const auto tokens = static_cast<int>(sequence.tokens.size());
    if (rope_) {
      const Matrix angles = rope_->angles(sequence.first_position, tokens);
#pragma omp parallel for schedule(static)
      for (int t = 0; t < tokens; ++t) {
        // Q and K lie side by side in a row, so their heads rotate in one go.
        rope_->rotate(qkv.row(row + static_cast<size_t>(t)), query_heads + shape_.kv_heads,
                      angles.row(static_cast<size_t>(t)));
      }
    }
    const float* first = qkv.row(row);
    blocks.push_back({sequence.first_position, tokens, qkv.columns, first, first + query_width,
                      first + query_width + kv_width});
    outputs.push_back(out.row(row));
    row += static_cast<size_t>(tokens);
  }
  const auto remember = [&](size_t i) {
    if (blocks[i].tokens == 1 && blocks[i].first_position > 0) {
      batch[i].memory->step(layer, blocks[i], outputs[i]);
    } else {
      batch[i].memory->prefill(layer, blocks[i], outputs[i]);
    }
  };
  if (batch.size() == 1) {
    remember(0);  // its memory may use all threads
  } else {
    parallel_for(static_cast<int>(batch.size()), [&](int i) { remember(static_cast<size_t>(i)); });
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].observer != nullptr) batch[i].observer->attention(layer, blocks[i]);
  }
}

void Transformer::feed_forward(const LayerWeights& layer, const Matrix& x, Matrix& gate, Matrix& active,
                               Matrix& residual) const {
  if (shape_.mlp == MlpKind::swiglu) {
    layer.gate.multiply(x.data(), x.rows, gate.data(), Epilogue::silu);
    layer.up.multiply(x.data(), x.rows, active.data(), Epilogue::times, gate.data());
  } else {
    layer.up.multiply(x.data(), x.rows, active.data(), Epilogue::gelu);
  }
  layer.down.multiply(active.data(), x.rows, residual.data(), Epilogue::add);
}

void Transformer::emit_logits(std::span<const SequenceInput> batch, const Matrix& x) const {
  const std::vector<LogitRow> wanted = wanted_logits(batch);
  for (size_t first = 0; first < wanted.size(); first += logits_rows_at_a_time) {
    const std::span<const LogitRow> part =
        std::span(wanted).subspan(first, std::min(logits_rows_at_a_time, wanted.size() - first));
    Matrix residual(part.size(), x.columns);
    for (size_t i = 0; i < part.size(); ++i)
      std::memcpy(residual.row(i), x.row(part[i].row), x.columns * sizeof(float));
    Matrix normal(part.size(), x.columns);
    normalise(residual, weights_.output_norm, normal);
    Matrix logits(part.size(), weights_.head.rows());
    weights_.head.multiply(normal.data(), part.size(), logits.data());
    for (size_t begin = 0; begin < part.size();) {
      size_t end = begin + 1;
      while (end < part.size() && part[end].sequence == part[begin].sequence) ++end;
      part[begin].sequence->observer->logits(part[begin].position, static_cast<int>(end - begin),
                                             logits.row(begin));
      begin = end;
    }
  }
}

void prefill(const Transformer& transformer, SequenceInput sequence, Progress& progress,
             std::string_view phase) {
  const std::span<const int32_t> tokens = sequence.tokens;
  const LogitsWanted wanted = sequence.logits;
  progress.begin(phase, static_cast<double>(tokens.size()), "tokens");
  for (size_t begin = 0; begin < tokens.size(); begin += prefill_chunk) {
    const size_t count = std::min<size_t>(prefill_chunk, tokens.size() - begin);
    const bool last = begin + count == tokens.size();
    SequenceInput chunk = sequence;
    chunk.tokens = tokens.subspan(begin, count);
    chunk.first_position = sequence.first_position + static_cast<int>(begin);
    chunk.logits = wanted == LogitsWanted::last && !last ? LogitsWanted::none : wanted;
    transformer.forward({&chunk, 1});
    progress.advance(static_cast<double>(begin + count));
  }
}

}  // namespace razorscope
