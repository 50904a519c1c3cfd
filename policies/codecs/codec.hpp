#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policies/kernels/attend.hpp"
#include "policies/parameter.hpp"

namespace razorscope {

/// How a kept row of K or V is stored: [head_size] floats to row_bytes(head_size) bytes and back. Immutable.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual size_t row_bytes(int head_size) const = 0;
  /// Bits of one element, overhead included: what the nominal byte count uses.
  virtual double bits_per_element(int head_size) const = 0;
  virtual RowFormat format() const = 0;  // what the kernels dispatch on
  virtual void encode(const float* row, int head_size, std::byte* out) const = 0;
  virtual void decode(const std::byte* stored, int head_size, float* row) const = 0;
};

/// A codec's declaration. To add one: a file like f16.cpp with such an entry, and a line in codec.cpp.
struct CodecEntry {
  std::string name;
  std::string help;
  std::vector<Parameter> parameters;
  std::function<std::unique_ptr<const Codec>(const ParameterValues&)> make;
};

CodecEntry f32_codec();
CodecEntry f16_codec();

const std::vector<CodecEntry>& codec_registry();
/// InputError, with the nearest name, where there is no such codec.
const CodecEntry& find_codec(std::string_view where, std::string_view name);

}  // namespace razorscope
