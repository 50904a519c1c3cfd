#include "policies/codecs/codec.hpp"

#include "models/base/error.hpp"

namespace razorscope {

const std::vector<CodecEntry>& codec_registry() {
  static const std::vector<CodecEntry> registry = {f32_codec(), f16_codec()};
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
