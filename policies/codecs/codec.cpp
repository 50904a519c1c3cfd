#include "policies/codecs/codec.hpp"

#include "models/base/error.hpp"

namespace razorscope {

const std::vector<CodecEntry>& codec_registry() {
  static const std::vector<CodecEntry> registry = {
      f32_codec(),  f16_codec(),        bf16_codec(),  q8_0_codec(),  q4_0_codec(),
      q4_1_codec(), int8_token_codec(), kivi4_codec(), kivi2_codec(), fp8_e4m3_codec(),
  };
  return registry;
}

const CodecEntry& find_codec(std::string_view where, std::string_view name) {
  std::vector<std::string> names;
  for (const CodecEntry& entry : codec_registry()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw InputError(where, unknown_name("codec", name, names));
}

}  // namespace razorscope
