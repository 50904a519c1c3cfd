#include <fmt/format.h>
#include <utility>

#include "sim/serving/workloads/json_records.hpp"
#include "sim/serving/workloads/workload_format.hpp"

// Two kinds of JSON go by ShareGPT's name. Conversations, as the dataset has them: the first turn of the
// human is the prompt, the first turn of the model behind it the answer, and there are no arrivals. And the
// log of a benchmark that replayed them, with token counts and arrivals.

namespace razorscope {
namespace {

/// Bytes of English text that a token of today's vocabularies holds, on average; only their order of
/// magnitude is certain.
constexpr size_t bytes_per_token = 4;

int estimated_tokens(size_t bytes) {
  return static_cast<int>((bytes + bytes_per_token - 1) / bytes_per_token);
}

/// Bytes of the turn's text, or 0 where it is not the speaker's.
size_t spoken_bytes(const Place& place, const nlohmann::json& turn, bool human) {
  if (!turn.is_object()) fail_field(place, "conversations", turn.type_name(), "objects with from and value");
  const nlohmann::json& from = json_field(place, turn, "from");
  const nlohmann::json& value = json_field(place, turn, "value");
  if (!from.is_string()) fail_field(place, "from", from.type_name(), "a string");
  if (!value.is_string()) fail_field(place, "value", value.type_name(), "a string");
  const std::string& name = from.get_ref<const std::string&>();
  const bool is_human = name == "human" || name == "user";
  const bool is_model =
      name == "gpt" || name == "chatgpt" || name == "assistant" || name == "bing" || name == "bard";
  return (human ? is_human : is_model) ? value.get_ref<const std::string&>().size() : 0;
}

/// A conversation's first prompt and the answer to it; output_tokens 0 where it has no such pair.
Request read_conversation(const Place& place, const nlohmann::json& record) {
  const nlohmann::json& turns = json_field(place, record, "conversations");
  if (!turns.is_array()) fail_field(place, "conversations", turns.type_name(), "an array");
  Request request;
  for (const nlohmann::json& turn : turns) {
    if (request.input_tokens == 0) {
      request.input_tokens = estimated_tokens(spoken_bytes(place, turn, true));
    } else if (request.output_tokens == 0) {
      request.output_tokens = estimated_tokens(spoken_bytes(place, turn, false));
    }
  }
  return request;
}

FileRequests read_sharegpt(TextReader& text, size_t most) {
  FileRequests out;
  JsonRecords records(text);
  nlohmann::json record;
  bool first = true;
  bool conversations = false;
  int64_t skipped = 0;
  while (out.requests.size() < most && records.next(record)) {
    const Place place = records.place();
    // All records are of the first one's kind: what is missing in a later one is then an error.
    if (std::exchange(first, false)) {
      conversations = record.contains("conversations");
      out.has_arrivals = !conversations && record.contains("arrival_time");
    }
    Request request;
    if (conversations) {
      request = read_conversation(place, record);
      if (request.output_tokens == 0) {
        ++skipped;
        continue;
      }
    } else {
      request.arrival = out.has_arrivals ? json_time(place, record, "arrival_time") : 0.0;
      request.input_tokens = json_tokens(place, record, "input_toks");
      request.output_tokens = json_tokens(place, record, "output_toks");
    }
    reserve_for_rest(out.requests, text, most);
    out.requests.push_back(std::move(request));
  }
  if (conversations) {
    out.note = fmt::format("token counts are estimates, {} bytes of text each", bytes_per_token);
    if (skipped > 0)
      out.note += fmt::format("; conversations skipped for want of an answered prompt: {}", skipped);
  }
  return out;
}

}  // namespace

WorkloadFormat sharegpt_format() {
  return {.name = "sharegpt",
          .help =
              "JSON, an object a line or one array: conversations of from and value (lengths estimated), or "
              "input_toks, output_toks and, in seconds, arrival_time (may be missing)",
          .recognises =
              [](std::string_view text) {
                return has_json_key(text, "conversations") || has_json_key(text, "input_toks");
              },
          .read = read_sharegpt};
}

}  // namespace razorscope
