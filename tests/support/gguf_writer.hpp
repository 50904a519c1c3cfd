#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "models/language/tensor_type.hpp"

namespace razorscope::testing {

/// Builds a GGUF version 3 file, little-endian, aligned to 32 bytes. Adding a key again replaces its value
/// where it stands, so that a test may change one key of a sound file. Nothing else is checked: a test may
/// want a faulty file.
class GgufWriter {
 public:
  /// The format's numbers of value types.
  enum Type : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

  GgufWriter& add_u32(std::string_view key, uint32_t value) { return add_raw(key, u32, number(value)); }
  GgufWriter& add_i32(std::string_view key, int32_t value) { return add_raw(key, i32, number(value)); }
  GgufWriter& add_u64(std::string_view key, uint64_t value) { return add_raw(key, u64, number(value)); }
  GgufWriter& add_f32(std::string_view key, float value) { return add_raw(key, f32, number(value)); }
  GgufWriter& add_bool(std::string_view key, bool value) {
    return add_raw(key, boolean, number(static_cast<uint8_t>(value)));
  }
  GgufWriter& add_string(std::string_view key, std::string_view value) {
    return add_raw(key, text, string(value));
  }
  GgufWriter& add_strings(std::string_view key, const std::vector<std::string>& values) {
    std::string payload = number(uint32_t{text}) + number(uint64_t{values.size()});
    for (const std::string& value : values) payload += string(value);
    return add_raw(key, array, payload);
  }
  GgufWriter& add_i32s(std::string_view key, const std::vector<int32_t>& values) {
    return add_array(key, i32, values);
  }
  GgufWriter& add_f32s(std::string_view key, const std::vector<float>& values) {
    return add_array(key, f32, values);
  }

  /// `payload` is what follows the type number in the file.
  GgufWriter& add_raw(std::string_view key, uint32_t type, std::string_view payload) {
    Entry entry{std::string(key), number(type) + std::string(payload)};
    const auto old = find(key);
    if (old == entries_.end()) {
      entries_.push_back(std::move(entry));
    } else {
      *old = std::move(entry);
    }
    return *this;
  }

  GgufWriter& remove(std::string_view key) {
    const auto old = find(key);
    if (old == entries_.end()) throw std::logic_error("no such key: " + std::string(key));
    entries_.erase(old);
    return *this;
  }

  /// Dimensions fastest first; `data` are the blocks as they are stored.
  GgufWriter& add_tensor(std::string_view name, std::vector<uint64_t> dims, TensorType type,
                         std::span<const std::byte> data) {
    tensors_.push_back({std::string(name), std::move(dims), type,
                        std::string(reinterpret_cast<const char*>(data.data()), data.size())});
    return *this;
  }
  GgufWriter& add_tensor(std::string_view name, std::vector<uint64_t> dims, std::span<const float> data) {
    return add_tensor(name, std::move(dims), TensorType::f32, std::as_bytes(data));
  }

  std::string bytes() const {
    std::string file =
        "GGUF" + number(uint32_t{3}) + number(uint64_t{tensors_.size()}) + number(uint64_t{entries_.size()});
    for (const Entry& entry : entries_) file += string(entry.key) + entry.value;
    uint64_t offset = 0;
    for (const Tensor& tensor : tensors_) {
      file += string(tensor.name) + number(static_cast<uint32_t>(tensor.dims.size()));
      for (const uint64_t dim : tensor.dims) file += number(dim);
      file += number(static_cast<uint32_t>(tensor.type)) + number(offset);
      offset += padded(tensor.data.size());
    }
    file.resize(padded(file.size()));
    for (const Tensor& tensor : tensors_) {
      file += tensor.data;
      file.resize(padded(file.size()));
    }
    return file;
  }

  void write(const std::filesystem::path& path) const { write(path, bytes()); }

  /// For bytes() that a test has changed.
  static void write(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + path.string());
  }

 private:
  struct Entry {
    std::string key;
    std::string value;  // with the type before it
  };
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;
    TensorType type;
    std::string data;
  };

  static constexpr size_t alignment = 32;
  static size_t padded(size_t size) { return (size + alignment - 1) / alignment * alignment; }

  template <typename T>
  static std::string number(T value) {
    static_assert(std::is_arithmetic_v<T> && std::endian::native == std::endian::little);
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
  }
  static std::string string(std::string_view value) {
    return number(uint64_t{value.size()}) + std::string(value);
  }

  template <typename T>
  GgufWriter& add_array(std::string_view key, Type element, const std::vector<T>& values) {
    std::string payload = number(uint32_t{element}) + number(uint64_t{values.size()});
    for (const T value : values) payload += number(value);
    return add_raw(key, array, payload);
  }

  std::vector<Entry>::iterator find(std::string_view key) {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const Entry& entry) { return entry.key == key; });
  }

  std::vector<Entry> entries_;
  std::vector<Tensor> tensors_;
};

}  // namespace razorscope::testing
