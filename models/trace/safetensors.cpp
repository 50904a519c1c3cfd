#include "models/trace/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "models/base/error.hpp"

namespace razorscope {
namespace {

using nlohmann::json;

constexpr uint64_t longest_header = 100'000'000;  // the format's own limit
constexpr uint64_t most_elements = uint64_t{1} << 48U;

struct Dtype {
  std::string_view name;
  size_t size;
};
constexpr std::array<Dtype, 14> dtypes = {{{"F64", 8},
                                           {"F32", 4},
                                           {"F16", 2},
                                           {"BF16", 2},
                                           {"I64", 8},
                                           {"U64", 8},
                                           {"I32", 4},
                                           {"U32", 4},
                                           {"I16", 2},
                                           {"U16", 2},
                                           {"I8", 1},
                                           {"U8", 1},
                                           {"BOOL", 1},
                                           {"F8_E4M3", 1}}};

std::string printable(const std::string& name) {
  std::string shown;
  for (const char c : name.substr(0, 80)) shown += (c >= ' ' && c < 127) ? c : '?';
  return shown;
}

[[noreturn]] void fail_write(const std::filesystem::path& path) {
  throw std::runtime_error(
      path.string() + ": cannot be written: " + std::error_code(errno, std::generic_category()).message());
}

void write_at(int descriptor, const std::filesystem::path& path, uint64_t offset,
              std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t written = ::pwrite(descriptor, data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_write(path);
    data = data.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
}

/// The file that a path means, links followed. What is there and is no regular file must not be replaced by
/// one.
std::filesystem::path writable_target(const std::filesystem::path& path) {
  std::error_code problem;
  const std::filesystem::path target = std::filesystem::weakly_canonical(path, problem);
  if (path.empty() || problem) throw InputError(path.string(), "is not a path that can be written");
  const std::filesystem::file_status status = std::filesystem::status(target, problem);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw InputError(path.string(), "exists and is not a regular file");
  }
  return target;
}

/// Parses the header; null where it is not JSON or names a tensor twice.
json parse_header(const char* begin, const char* end) {
  std::set<std::string> names;
  bool twice = false;
  const json::parser_callback_t watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::key && depth == 1)
      twice = twice || !names.insert(parsed.get<std::string>()).second;
    return true;
  };
  json header = json::parse(begin, end, watch, false);
  if (twice) return {};
  return header;  // moved: a copy would recurse into what the file nests
}

}  // namespace

uint64_t SafeTensor::elements() const {
  uint64_t product = 1;
  for (const uint64_t dim : dims) product *= dim;
  return product;
}

void SafetensorsFile::fail(std::string_view field, const std::string& problem) const {
  throw InputError(path().string(), field, problem);
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const std::span<const std::byte> bytes = file_.bytes();
  uint64_t header_length = 0;
  if (bytes.size() < sizeof(header_length)) fail("header", "the file is too short to be a safetensors file");
  std::memcpy(&header_length, bytes.data(), sizeof(header_length));
  if (header_length < 2 || header_length > longest_header ||
      header_length > bytes.size() - sizeof(header_length)) {
    fail("header", fmt::format("a header of {} bytes does not fit into a file of {} (this is not a "
                               "safetensors file, or it is cut off)",
                               header_length, bytes.size()));
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data() + sizeof(header_length));
  const json header = parse_header(text, text + header_length);
  if (!header.is_object()) fail("header", "is not a JSON object, or names a tensor twice");
  const std::span<const std::byte> data = bytes.subspan(sizeof(header_length) + header_length);

  std::vector<std::pair<uint64_t, std::pair<uint64_t, std::string>>> ranges;
  for (const auto& [name, value] : header.items()) {
    const std::string shown = printable(name);
    if (!value.is_object()) fail(shown, "is not a JSON object");
    if (name == "__metadata__") {
      for (const auto& [key, entry] : value.items()) {
        if (!entry.is_string()) fail("__metadata__." + printable(key), "is not a text");
        metadata_[key] = entry.get<std::string>();
      }
      continue;
    }
    SafeTensor tensor;
    if (!value.contains("dtype") || !value["dtype"].is_string())
      fail(shown + ".dtype", "is missing or not a text");
    tensor.dtype = value["dtype"].get<std::string>();
    const size_t size = SafetensorsWriter::element_size(tensor.dtype);
    if (size == 0)
      fail(shown + ".dtype", fmt::format("'{}' is not a safetensors dtype", printable(tensor.dtype)));
    if (!value.contains("shape") || !value["shape"].is_array())
      fail(shown + ".shape", "is missing or not an array");
    uint64_t elements = 1;
    for (const json& dim : value["shape"]) {
      if (!dim.is_number_unsigned()) fail(shown + ".shape", "holds something that is not a count");
      tensor.dims.push_back(dim.get<uint64_t>());
      if (tensor.dims.back() == 0 || tensor.dims.back() > most_elements / elements) {
        fail(shown + ".shape", fmt::format("a dimension of {} is empty or absurd", tensor.dims.back()));
      }
      elements *= tensor.dims.back();
    }
    const json& offsets = value.contains("data_offsets")
                              ? value["data_offsets"]
                              : value;  // a copy would recurse into what the file nests
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned()) {
      fail(shown + ".data_offsets", "is not a pair of byte offsets");
    }
    const auto begin = offsets[0].get<uint64_t>();
    const auto end = offsets[1].get<uint64_t>();
    if (begin > end || end > data.size()) {
      fail(shown + ".data_offsets",
           fmt::format("[{}, {}] lies outside the file's {} data bytes", begin, end, data.size()));
    }
    if (end - begin != elements * size) {
      fail(shown + ".data_offsets", fmt::format("{} bytes, but {} elements of {} take {}", end - begin,
                                                elements, tensor.dtype, elements * size));
    }
    tensor.data = data.subspan(begin, end - begin);
    ranges.emplace_back(begin, std::pair(end, shown));
    tensors_.emplace(name, std::move(tensor));
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i - 1].second.first > ranges[i].first) {
      fail(ranges[i].second.second, "its data overlap those of " + ranges[i - 1].second.second);
    }
  }
}

size_t SafetensorsWriter::element_size(std::string_view dtype) {
  for (const Dtype& known : dtypes) {
    if (known.name == dtype) return known.size;
  }
  return 0;
}

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path,
                                     const std::vector<SafeTensorDeclaration>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(writable_target(path)), part_(path_.string() + ".part") {
  json header;
  header["__metadata__"] = metadata;
  uint64_t size = 0;
  for (const SafeTensorDeclaration& tensor : tensors) {
    uint64_t bytes = element_size(tensor.dtype);
    for (const uint64_t dim : tensor.dims) bytes *= dim;
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.dims}, {"data_offsets", {size, size + bytes}}};
    ranges_[tensor.name] = {size, size + bytes};
    size += bytes;
  }
  // Names may hold bytes that are not UTF-8: they are shown as U+FFFD.
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');  // data begin aligned
  const uint64_t length = text.size();
  for (auto& [name, range] : ranges_) {
    range.first += sizeof(length) + length;
    range.second += sizeof(length) + length;
  }
  descriptor_ = ::open(part_.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_write(part_);
  write_at(descriptor_, part_, 0, std::as_bytes(std::span(&length, 1)));
  write_at(descriptor_, part_, sizeof(length), std::as_bytes(std::span(text)));
  const auto whole = static_cast<off_t>(sizeof(length) + length + size);
  // Reserving the space now makes a full disk an error before the work, not after it.
  const int reserved = ::posix_fallocate(descriptor_, 0, whole);
  if (reserved != 0) {
    ::close(descriptor_);
    ::unlink(part_.c_str());
    errno = reserved;
    fail_write(part_);
  }
}

SafetensorsWriter::~SafetensorsWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(part_.c_str());
}

void SafetensorsWriter::write(const std::string& tensor, uint64_t offset, std::span<const std::byte> data) {
  const auto [begin, end] = ranges_.at(tensor);
  if (offset > end - begin || data.size() > end - begin - offset) {
    throw std::out_of_range("SafetensorsWriter: data past the end of " + tensor);
  }
  write_at(descriptor_, part_, begin + offset, data);
}

void SafetensorsWriter::commit() {
  const bool synced = ::fsync(descriptor_) == 0;
  const bool closed = ::close(std::exchange(descriptor_, -1)) == 0;
  if (!synced || !closed || std::rename(part_.c_str(), path_.c_str()) != 0) {
    const int problem = errno;
    ::unlink(part_.c_str());
    errno = problem;
    fail_write(path_);
  }
}

}  // namespace razorscope
