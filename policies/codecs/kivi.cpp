#include <algorithm>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "policies/codecs/block_format.hpp"
#include "policies/codecs/kivi_block.hpp"
#include "policies/codecs/kivi_key_store.hpp"
#include "policies/codecs/row_codec.hpp"

namespace razorscope {
namespace {

/// Liu et al., "KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache", ICML 2024: keys per channel
/// over groups of 32 tokens, values per token over groups of 32 channels, the latest tokens in f16.
template <int bits>
class Kivi final : public Codec {
 public:
  Kivi(const KiviKeyOptions& keys, const RowStoreOptions& values) : keys_(keys), values_(values) {}

  std::unique_ptr<RowStore> make_store(int head_size, RowRole role,
                                       AllocationCounter& counter) const override {
    if (role == RowRole::keys) return make_kivi_key_store(bits, keys_, head_size, counter);
    return make_row_store(value_format_, values_, head_size, counter);
  }
  /// Of keys; values of a head size that is no multiple of 32 take more, for their last group is padded.
  double bits_per_element(int /*head_size*/) const override { return bits + 2.0 * 16 / group_size; }
  int residual_rows(int rows, int prefix_rows, RowRole role) const override {
    const int aging = values_.prefix_only ? prefix_rows : rows;
    const int exact = rows - aging;
    if (role == RowRole::values) return std::min(values_.residual, aging) + exact;
    const int step = keys_.step();
    const int ready = keys_.chunk ? aging : aging - keys_.residual;
    return aging - std::max(0, ready / step * step) + exact;
  }
  bool exact_after_prefix() const override { return values_.prefix_only; }
  size_t allocated_bytes(int rows, int head_size, RowRole role) const override {
    if (role == RowRole::keys) return kivi_key_store_bytes(bits, keys_, rows, head_size);
    return row_store_bytes(value_format_, values_, rows, head_size);
  }

 private:
  KiviKeyOptions keys_;
  RowStoreOptions values_;
  BlockFormat<KiviBlock<bits>> value_format_;
};

template <int bits>
CodecEntry kivi_codec() {
  const std::string name = fmt::format("kivi{}", bits);
  return {name,
          fmt::format("{} bits: keys per channel in groups of 32 tokens, values per token; {} bits in all, "
                      "beside a residual",
                      bits, bits + 1),
          {"chunk", "prefix"},
          {{.name = "residual",
            .fallback = "128",
            .help = "latest tokens that stay in f16; of keys, up to 31 more"}},
          [name](const std::vector<std::string>& variants, const ParameterValues& values) {
            const RowStoreOptions value_options = row_store_options(variants, values);
            KiviKeyOptions key_options;
            key_options.residual = value_options.residual;
            key_options.prefix_only = value_options.prefix_only;
            key_options.chunk = std::find(variants.begin(), variants.end(), "chunk") != variants.end();
            if (key_options.chunk && (key_options.residual == 0 || key_options.residual % group_size != 0)) {
              throw InputError(
                  fmt::format("codec {}/chunk", name), "residual",
                  fmt::format("{} is no multiple of the group of 32 tokens; allowed: 32, 64, 96, ...",
                              key_options.residual));
            }
            return std::make_unique<Kivi<bits>>(key_options, value_options);
          }};
}

}  // namespace

CodecEntry kivi4_codec() { return kivi_codec<4>(); }
CodecEntry kivi2_codec() { return kivi_codec<2>(); }

}  // namespace razorscope
