#include "sim/serving/workloads/csv_columns.hpp"
#include "sim/serving/workloads/workload_format.hpp"

// The trace files of Vidur (https://github.com/microsoft/vidur): one request a row; arrivals in seconds,
// which its length-only traces lack.

namespace razorscope {
namespace {

FileRequests read_vidur(TextReader& text, size_t most) {
  FileRequests out;
  CsvColumns columns(text, {"num_prefill_tokens", "num_decode_tokens"}, {"arrived_at"});
  out.has_arrivals = columns.has(2);
  std::vector<std::string_view> fields;
  while (out.requests.size() < most && columns.next(fields)) {
    const Place place = text.place();
    reserve_for_rest(out.requests, text, most);
    out.requests.push_back({.arrival = out.has_arrivals ? parse_time(place, "arrived_at", fields[2]) : 0.0,
                            .input_tokens = parse_tokens(place, "num_prefill_tokens", fields[0]),
                            .output_tokens = parse_tokens(place, "num_decode_tokens", fields[1])});
  }
  return out;
}

}  // namespace

WorkloadFormat vidur_format() {
  return {.name = "vidur",
          .help = "CSV: num_prefill_tokens,num_decode_tokens and, in seconds, arrived_at (may be missing)",
          .recognises = [](std::string_view text) { return header_has(text, "num_prefill_tokens"); },
          .read = read_vidur};
}

}  // namespace razorscope
