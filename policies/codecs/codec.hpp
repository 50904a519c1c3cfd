#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policies/cache_buffer.hpp"
#include "policies/codecs/row_store.hpp"
#include "policies/parameter.hpp"

namespace razorscope {

enum class RowRole { keys, values };

/// How the kept rows of K or V are stored. Immutable; makes the stores that hold them.
class Codec {
 public:
  virtual ~Codec() = default;
  /// An empty store; codec and counter must outlive it.
  virtual std::unique_ptr<RowStore> make_store(int head_size, RowRole role,
                                               AllocationCounter& counter) const = 0;
  /// Bits of one element, scales included and residual windows left out: what the nominal byte count uses.
  virtual double bits_per_element(int head_size) const = 0;
  /// Of `rows` rows, the first prefix_rows of which came with the prefix: those that are not coded.
  virtual int residual_rows(int /*rows*/, int /*prefix_rows*/, RowRole /*role*/) const { return 0; }
  /// Whether rows after the prefix stay exact (variant prefix).
  virtual bool exact_after_prefix() const { return false; }
  /// RowBytes::allocated of a store once a prefix of `rows` kept rows is in.
  virtual size_t allocated_bytes(int rows, int head_size, RowRole role) const = 0;
};

/// A codec's declaration. To add one: a file like q8_0.cpp with such an entry, its line below and in
/// codec.cpp, and a line in CMakeLists.txt.
struct CodecEntry {
  std::string name;
  std::string help;
  std::vector<std::string> variants;  // any of them may be named, in this order: kivi4/chunk/prefix
  std::vector<Parameter> parameters;
  std::function<std::unique_ptr<const Codec>(const std::vector<std::string>& variants,
                                             const ParameterValues&)>
      make;
};

CodecEntry f32_codec();
CodecEntry f16_codec();
CodecEntry bf16_codec();
CodecEntry q8_0_codec();
CodecEntry q4_0_codec();
CodecEntry q4_1_codec();
CodecEntry int8_token_codec();
CodecEntry kivi4_codec();
CodecEntry kivi2_codec();
CodecEntry fp8_e4m3_codec();

const std::vector<CodecEntry>& codec_registry();
/// InputError, with the nearest name, where there is no such codec.
const CodecEntry& find_codec(std::string_view where, std::string_view name);

}  // namespace razorscope
