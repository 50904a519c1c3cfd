#include <string>
#include <utility>

#include "sim/serving/workloads/json_records.hpp"
#include "sim/serving/workloads/workload_format.hpp"

// Mooncake's traces (https://github.com/kvcache-ai/Mooncake, FAST'25): one request a line. hash_ids name the
// prompt's blocks of 512 tokens, each id standing for its block and all before it, the last for what is left.
// Arrivals come in steps of 3 s; they are kept so.

namespace razorscope {
namespace {

constexpr int block_tokens = 512;

std::vector<int64_t> read_hashes(const Place& place, const nlohmann::json& record, int input_tokens) {
  const nlohmann::json& ids = json_field(place, record, "hash_ids");
  const size_t blocks = (static_cast<size_t>(input_tokens) + block_tokens - 1) / block_tokens;
  if (!ids.is_array()) fail_field(place, "hash_ids", ids.type_name(), "an array of integers");
  if (ids.size() > blocks) {
    fail_field(place, "hash_ids", std::to_string(ids.size()) + " ids",
               "at most one for each 512 tokens of input_length, " + std::to_string(blocks));
  }
  std::vector<int64_t> hashes;
  hashes.reserve(ids.size());
  for (const nlohmann::json& id : ids) {
    if (!id.is_number_integer()) fail_field(place, "hash_ids", id.type_name(), "integers");
    hashes.push_back(id.get<int64_t>());
  }
  return hashes;
}

FileRequests read_mooncake(TextReader& text, size_t most) {
  FileRequests out;
  JsonRecords records(text);
  nlohmann::json record;
  while (out.requests.size() < most && records.next(record)) {
    const Place place = records.place();
    Request request{.arrival = json_time(place, record, "timestamp") / 1000.0,
                    .input_tokens = json_tokens(place, record, "input_length"),
                    .output_tokens = json_tokens(place, record, "output_length")};
    if (record.contains("hash_ids")) {
      request.prefix_hashes = read_hashes(place, record, request.input_tokens);
      out.hash_block_tokens = block_tokens;
    }
    reserve_for_rest(out.requests, text, most);
    out.requests.push_back(std::move(request));
  }
  return out;
}

}  // namespace

WorkloadFormat mooncake_format() {
  return {
      .name = "mooncake",
      .help =
          "JSON, an object a line: timestamp (ms), input_length, output_length, hash_ids (may be missing)",
      .recognises = [](std::string_view text) { return has_json_key(text, "input_length"); },
      .read = read_mooncake};
}

}  // namespace razorscope
