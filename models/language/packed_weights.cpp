#include "models/language/packed_weights.hpp"

#include <dnnl.hpp>

#include "models/language/onednn.hpp"

namespace razorscope {
namespace {

using Order = dnnl::memory::format_tag;
using Type = dnnl::memory::data_type;

const dnnl::engine& cpu() {
  prepare_onednn();
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& stream_of_thread() {
  static thread_local dnnl::stream stream(cpu());
  return stream;
}

Type type_of(Compute compute) { return compute == Compute::bf16 ? Type::bf16 : Type::f32; }

dnnl::memory::desc matrix(size_t rows, size_t columns, Type type, Order order) {
  return {{static_cast<dnnl_dim_t>(rows), static_cast<dnnl_dim_t>(columns)}, type, order};
}

dnnl::memory view(const dnnl::memory::desc& desc, const float* data) {
  return {desc, cpu(), const_cast<float*>(data)};  // oneDNN has no type for what is only read
}

/// Memory that a thread keeps from one product to the next: fresh pages cost more than a small product.
float* kept(Floats& buffer, size_t bytes) {
  const size_t count = (bytes + sizeof(float) - 1) / sizeof(float);
  if (buffer.size() < count) buffer = Floats(count);
  return buffer.data();
}

float* scratchpad(size_t bytes) {
  static thread_local Floats buffer;
  return kept(buffer, bytes);
}

float* rounded_inputs(size_t bytes) {
  static thread_local Floats buffer;
  return kept(buffer, bytes);
}

dnnl::post_ops post_ops_of(Epilogue epilogue, const dnnl::memory::desc& output) {
  dnnl::post_ops ops;
  switch (epilogue) {
    case Epilogue::none:
      break;
    case Epilogue::add:
      ops.append_sum(1.0F);
      break;
    case Epilogue::silu:
      ops.append_eltwise(1.0F, dnnl::algorithm::eltwise_swish, 1.0F, 0.0F);
      break;
    case Epilogue::gelu:
      ops.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_erf, 0.0F, 0.0F);
      break;
    case Epilogue::times:
      ops.append_binary(dnnl::algorithm::binary_mul, output);
      break;
  }
  return ops;
}

}  // namespace

struct PackedWeights::Packed {
  dnnl::memory::desc desc;  // [inputs, outputs], in oneDNN's blocks
  Floats values;            // of desc's type

  dnnl::memory memory() const { return view(desc, values.data()); }
};

PackedWeights::PackedWeights() = default;
PackedWeights::PackedWeights(PackedWeights&&) noexcept = default;
PackedWeights& PackedWeights::operator=(PackedWeights&&) noexcept = default;
PackedWeights::~PackedWeights() = default;

PackedWeights::PackedWeights(const Matrix& w, Compute compute)
    : rows_(w.rows), columns_(w.columns), compute_(compute) {
  // The order that oneDNN prefers depends on w's shape, not on the number of input rows: 512 stand for any.
  constexpr size_t some_rows = 512;
  const Type type = type_of(compute);
  const dnnl::matmul::primitive_desc product(
      dnnl::matmul::desc(matrix(some_rows, columns_, type, Order::ab),
                         matrix(columns_, rows_, type, Order::any),
                         matrix(some_rows, rows_, Type::f32, Order::ab)),
      cpu());
  auto packed = std::make_unique<Packed>();
  packed->desc = product.weights_desc();
  packed->values = Floats((packed->desc.get_size() + sizeof(float) - 1) / sizeof(float));
  dnnl::memory from = view(matrix(columns_, rows_, Type::f32, Order::ba), w.data());
  dnnl::memory to = packed->memory();
  dnnl::reorder(from, to).execute(stream_of_thread(), from, to);
  packed_ = std::move(packed);
}

void PackedWeights::multiply(const float* x, size_t rows, float* y, Epilogue epilogue,
                             const float* factor) const {
  if (rows == 0) return;
  dnnl::stream& stream = stream_of_thread();
  const dnnl::memory::desc input = matrix(rows, columns_, type_of(compute_), Order::ab);
  const dnnl::memory::desc output = matrix(rows, rows_, Type::f32, Order::ab);
  dnnl::memory inputs = view(matrix(rows, columns_, Type::f32, Order::ab), x);
  if (compute_ == Compute::bf16) {
    dnnl::memory rounded = view(input, rounded_inputs(input.get_size()));
    dnnl::reorder(inputs, rounded).execute(stream, inputs, rounded);
    inputs = rounded;
  }
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(post_ops_of(epilogue, output));
  // oneDNN's own scratchpad belongs to the thread that made a primitive first, not to the one that runs it.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  // Made anew for each product: oneDNN keeps the code of the last 1024 by shape and thread count, under a
  // lock, so this takes 3 µs but for the first time.
  const dnnl::matmul::primitive_desc product(dnnl::matmul::desc(input, packed_->desc, output), attributes,
                                             cpu());
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, inputs},
      {DNNL_ARG_WEIGHTS, packed_->memory()},
      {DNNL_ARG_DST, view(output, y)},
      {DNNL_ARG_SCRATCHPAD,
       view(product.scratchpad_desc(), scratchpad(product.scratchpad_desc().get_size()))}};
  if (epilogue == Epilogue::times) {
    arguments.insert({DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, view(output, factor)});
  }
  dnnl::matmul(product).execute(stream, arguments);
}

Matrix PackedWeights::unpacked() const {
  Matrix w(rows_, columns_);
  if (empty()) return w;
  dnnl::memory from = packed_->memory();
  dnnl::memory to = view(matrix(columns_, rows_, Type::f32, Order::ba), w.data());
  dnnl::reorder(from, to).execute(stream_of_thread(), from, to);
  return w;
}

}  // namespace razorscope
