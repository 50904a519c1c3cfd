#include "models/language/gguf.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <type_traits>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

constexpr uint32_t supported_version = 3;
constexpr uint32_t big_endian_version = supported_version << 24U;
constexpr size_t default_alignment = 32;
constexpr size_t max_name_length = 1024;  // of keys and tensors; the format's own limits are 65535 and 64

enum class ValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

/// Bytes of a value of a type in the file, at least: a text has its length before it.
size_t smallest_size(ValueType type) {
  switch (type) {
    case ValueType::u8:
    case ValueType::i8:
    case ValueType::boolean:
      return 1;
    case ValueType::u16:
    case ValueType::i16:
      return 2;
    case ValueType::u32:
    case ValueType::i32:
    case ValueType::f32:
      return 4;
    default:
      return 8;
  }
}

/// A key or tensor name as it can be shown: names come from the file and may hold anything.
std::string printable(std::string_view name) {
  std::string shown;
  for (const char c : name.substr(0, 80)) shown += (c >= ' ' && c < 127) ? c : '?';
  return shown;
}

/// Reads values front to back and never past the end.
class Cursor {
 public:
  explicit Cursor(const MappedFile& file) : path_(file.path().string()), bytes_(file.bytes()) {}

  [[noreturn]] void fail(std::string_view field, const std::string& problem) const {
    throw InputError(path_, field, problem);
  }
  size_t at() const { return at_; }
  size_t remaining() const { return bytes_.size() - at_; }

  template <typename T>
  T number(std::string_view field) {
    if (remaining() < sizeof(T))
      fail(field, fmt::format("the file ends inside it (at byte {})", bytes_.size()));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  std::string text(std::string_view field) {
    const auto length = number<uint64_t>(field);
    if (length > remaining()) {
      fail(field, fmt::format("a text of {} bytes does not fit into the remaining {}", length, remaining()));
    }
    std::string value(reinterpret_cast<const char*>(bytes_.data() + at_), length);
    at_ += length;
    return value;
  }

  /// A count of things that take at least `each` bytes in the file.
  size_t count(std::string_view field, size_t each) {
    const auto value = number<uint64_t>(field);
    if (value > remaining() / each) {
      fail(field, fmt::format("a count of {} cannot fit into a file of {} bytes", value, bytes_.size()));
    }
    return value;
  }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

template <typename Stored, typename As>
std::vector<As> read_numbers(Cursor& in, const std::string& key, size_t count) {
  std::vector<As> values(count);
  for (As& value : values) value = static_cast<As>(in.number<Stored>(key));
  return values;
}

GgufFile::Value read_array(Cursor& in, const std::string& key) {
  const auto type = static_cast<ValueType>(in.number<uint32_t>(key));
  if (type == ValueType::array) in.fail(key, "arrays of arrays are not read");
  if (type > ValueType::f64)
    in.fail(key, fmt::format("unknown element type {}", static_cast<uint32_t>(type)));
  const size_t count = in.count(key, smallest_size(type));
  switch (type) {
    case ValueType::u8:
      return read_numbers<uint8_t, int64_t>(in, key, count);
    case ValueType::i8:
      return read_numbers<int8_t, int64_t>(in, key, count);
    case ValueType::u16:
      return read_numbers<uint16_t, int64_t>(in, key, count);
    case ValueType::i16:
      return read_numbers<int16_t, int64_t>(in, key, count);
    case ValueType::u32:
      return read_numbers<uint32_t, int64_t>(in, key, count);
    case ValueType::i32:
      return read_numbers<int32_t, int64_t>(in, key, count);
    case ValueType::u64:
      return read_numbers<uint64_t, int64_t>(in, key, count);
    case ValueType::i64:
      return read_numbers<int64_t, int64_t>(in, key, count);
    case ValueType::boolean:
      return read_numbers<uint8_t, int64_t>(in, key, count);
    case ValueType::f32:
      return read_numbers<float, double>(in, key, count);
    case ValueType::f64:
      return read_numbers<double, double>(in, key, count);
    default:
      break;
  }
  std::vector<std::string> texts(count);
  for (std::string& text : texts) text = in.text(key);
  return texts;
}

GgufFile::Value read_value(Cursor& in, const std::string& key) {
  const auto type = in.number<uint32_t>(key);
  switch (static_cast<ValueType>(type)) {
    case ValueType::u8:
      return uint64_t{in.number<uint8_t>(key)};
    case ValueType::i8:
      return int64_t{in.number<int8_t>(key)};
    case ValueType::u16:
      return uint64_t{in.number<uint16_t>(key)};
    case ValueType::i16:
      return int64_t{in.number<int16_t>(key)};
    case ValueType::u32:
      return uint64_t{in.number<uint32_t>(key)};
    case ValueType::i32:
      return int64_t{in.number<int32_t>(key)};
    case ValueType::u64:
      return in.number<uint64_t>(key);
    case ValueType::i64:
      return in.number<int64_t>(key);
    case ValueType::f32:
      return double{in.number<float>(key)};
    case ValueType::f64:
      return in.number<double>(key);
    case ValueType::boolean:
      return in.number<uint8_t>(key) != 0;
    case ValueType::text:
      return in.text(key);
    case ValueType::array:
      return read_array(in, key);
  }
  in.fail(key, fmt::format("unknown value type {}", type));
}

/// A tensor's header; `data` is filled in once the data section's start is known.
struct TensorHeader {
  GgufTensor tensor;
  uint64_t offset = 0;
  uint64_t size = 0;
};

TensorHeader read_tensor_header(Cursor& in, size_t index) {
  TensorHeader header;
  GgufTensor& tensor = header.tensor;
  const std::string field = fmt::format("tensor {}", index);
  tensor.name = in.text(field + " name");
  if (tensor.name.empty() || tensor.name.size() > max_name_length)
    in.fail(field, "its name is empty or absurdly long");
  const std::string name = printable(tensor.name);
  const auto dimensions = in.number<uint32_t>(name + " dimensions");
  if (dimensions < 1 || dimensions > 4) {
    in.fail(name, fmt::format("has {} dimensions; allowed: 1 to 4", dimensions));
  }
  uint64_t elements = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto dim = in.number<uint64_t>(name + " dimensions");
    constexpr uint64_t most_elements = uint64_t{1} << 48U;
    if (dim == 0 || dim > most_elements / elements) in.fail(name, fmt::format("dimension {} is {}", i, dim));
    elements *= dim;
    tensor.dims.push_back(dim);
  }
  const auto type = in.number<uint32_t>(name + " type");
  const auto traits = tensor_type_traits(type);
  if (!traits) {
    in.fail(name, fmt::format("tensor type {} is not read; allowed: {}", type, readable_tensor_types()));
  }
  tensor.type = static_cast<TensorType>(type);
  if (tensor.columns() % traits->block_elements != 0) {
    in.fail(name, fmt::format("rows of {} elements are not whole {} blocks of {}", tensor.columns(),
                              traits->name, traits->block_elements));
  }
  header.size = elements / traits->block_elements * traits->block_bytes;
  header.offset = in.number<uint64_t>(name + " offset");
  return header;
}

}  // namespace

uint64_t GgufTensor::rows() const {
  uint64_t product = 1;
  for (size_t i = 1; i < dims.size(); ++i) product *= dims[i];
  return product;
}

GgufFile::GgufFile(const std::filesystem::path& path) : file_(path) {
  Cursor in(file_);
  if (in.remaining() < 4 || std::memcmp(file_.bytes().data(), "GGUF", 4) != 0) {
    in.fail("magic", "this is not a GGUF file: it does not begin with the four letters GGUF");
  }
  in.number<uint32_t>("magic");
  const auto version = in.number<uint32_t>("version");
  if (version != supported_version) {
    in.fail("version", version == big_endian_version
                           ? std::string("the file is big-endian; allowed: little-endian")
                           : fmt::format("{} is not read; allowed: {}", version, supported_version));
  }
  constexpr size_t smallest_tensor_header = 8 + 4 + 8 + 4 + 8;
  constexpr size_t smallest_key = 8 + 4 + 1;
  const size_t tensor_count = in.count("tensor_count", smallest_tensor_header);
  const size_t key_count = in.count("metadata_kv_count", smallest_key);
  for (size_t i = 0; i < key_count; ++i) {
    const std::string key = in.text(fmt::format("metadata key {}", i));
    if (key.empty() || key.size() > max_name_length)
      in.fail(fmt::format("metadata key {}", i), "is empty or absurdly long");
    if (!values_.emplace(key, read_value(in, printable(key))).second)
      in.fail(printable(key), "the key occurs twice");
  }
  std::vector<TensorHeader> headers;
  for (size_t i = 0; i < tensor_count; ++i) headers.push_back(read_tensor_header(in, i));

  const auto alignment = static_cast<size_t>(integer("general.alignment", 1, 1 << 20, default_alignment));
  if (!std::has_single_bit(alignment)) fail("general.alignment", "must be a power of two");
  const size_t data_start = (in.at() + alignment - 1) / alignment * alignment;
  const size_t data_size = file_.bytes().size() > data_start ? file_.bytes().size() - data_start : 0;
  for (TensorHeader& header : headers) {
    const std::string name = printable(header.tensor.name);
    if (header.offset % alignment != 0) {
      fail(name, fmt::format("offset {} is not a multiple of the alignment {}", header.offset, alignment));
    }
    if (header.offset > data_size || header.size > data_size - header.offset) {
      fail(name, fmt::format("its {} bytes at offset {} reach past the end of the file's {} data bytes",
                             header.size, header.offset, data_size));
    }
    header.tensor.data = file_.bytes().subspan(data_start + header.offset, header.size);
    if (!tensor_index_.emplace(header.tensor.name, tensors_.size()).second)
      fail(name, "the tensor occurs twice");
    tensors_.push_back(header.tensor);
  }
  std::sort(headers.begin(), headers.end(),
            [](const TensorHeader& a, const TensorHeader& b) { return a.offset < b.offset; });
  for (size_t i = 1; i < headers.size(); ++i) {
    if (headers[i - 1].offset + headers[i - 1].size > headers[i].offset) {
      fail(printable(headers[i].tensor.name),
           "its data overlap those of " + printable(headers[i - 1].tensor.name));
    }
  }
}

void GgufFile::fail(const std::string& key, const std::string& problem) const {
  throw InputError(path().string(), key, problem);
}

const GgufFile::Value* GgufFile::find(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

int64_t GgufFile::integer(const std::string& key, int64_t lowest, int64_t highest,
                          std::optional<int64_t> fallback) const {
  const Value* value = find(key);
  if (value == nullptr) {
    if (!fallback) fail(key, "the key is missing");
    return *fallback;
  }
  const auto refuse = [&](const std::string& shown) {
    fail(key, fmt::format("{} is out of range; allowed: {} to {}", shown, lowest, highest));
  };
  if (const auto* number = std::get_if<uint64_t>(value)) {
    if (*number > static_cast<uint64_t>(std::max<int64_t>(highest, 0))) refuse(fmt::to_string(*number));
    if (static_cast<int64_t>(*number) < lowest) refuse(fmt::to_string(*number));
    return static_cast<int64_t>(*number);
  }
  const auto* number = std::get_if<int64_t>(value);
  if (number == nullptr) fail(key, "is not an integer");
  if (*number < lowest || *number > highest) refuse(fmt::to_string(*number));
  return *number;
}

double GgufFile::real(const std::string& key, std::optional<double> fallback) const {
  const Value* value = find(key);
  if (value == nullptr) {
    if (!fallback) fail(key, "the key is missing");
    return *fallback;
  }
  const auto* number = std::get_if<double>(value);
  if (number == nullptr) fail(key, "is not a floating-point number");
  if (!std::isfinite(*number)) fail(key, "is not finite");
  return *number;
}

bool GgufFile::boolean(const std::string& key, bool fallback) const {
  const Value* value = find(key);
  if (value == nullptr) return fallback;
  const auto* flag = std::get_if<bool>(value);
  if (flag == nullptr) fail(key, "is not a boolean");
  return *flag;
}

std::string GgufFile::text(const std::string& key, std::optional<std::string> fallback) const {
  const Value* value = find(key);
  if (value == nullptr) {
    if (!fallback) fail(key, "the key is missing");
    return *fallback;
  }
  const auto* text = std::get_if<std::string>(value);
  if (text == nullptr) fail(key, "is not a text");
  return *text;
}

const std::vector<std::string>& GgufFile::texts(const std::string& key) const {
  const Value* value = find(key);
  if (value == nullptr) fail(key, "the key is missing");
  const auto* texts = std::get_if<std::vector<std::string>>(value);
  if (texts == nullptr) fail(key, "is not an array of texts");
  return *texts;
}

const std::vector<int64_t>& GgufFile::integers(const std::string& key) const {
  const Value* value = find(key);
  if (value == nullptr) fail(key, "the key is missing");
  const auto* numbers = std::get_if<std::vector<int64_t>>(value);
  if (numbers == nullptr) fail(key, "is not an array of integers");
  return *numbers;
}

const GgufTensor* GgufFile::find_tensor(const std::string& name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace razorscope
