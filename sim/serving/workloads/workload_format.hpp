#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/serving/request.hpp"
#include "sim/serving/workloads/text_reader.hpp"

namespace razorscope {

/// A file's requests, as the file has them.
struct FileRequests {
  std::vector<Request> requests;  // in the file's order; arrivals in seconds from whatever origin
  bool has_arrivals = true;       // else all are 0
  int hash_block_tokens = 0;      // 0: no request has hashes
  std::string note;               // what was skipped or estimated; "" where nothing
};

/// One kind of workload file. Its reader is one .cpp; adding one is that file, its declaration below and its
/// line in workload_file.cpp's list.
struct WorkloadFormat {
  std::string name;
  std::string help;                                // one line: what identifies it and what is read
  bool (*recognises)(std::string_view beginning);  // the file's first 64 KiB or more
  /// Reads up to `most` requests. Throws InputError with file, line and field; finding no request is not
  /// its error.
  FileRequests (*read)(TextReader& text, size_t most);
};

WorkloadFormat azure_format();
WorkloadFormat mooncake_format();
WorkloadFormat vidur_format();
WorkloadFormat sharegpt_format();

/// The most tokens that a request may have on either side: more is a fault of the file.
constexpr int most_tokens = 100'000'000;

/// A field's value: 1 to most_tokens. Throws InputError with the place and field.
int parse_tokens(const Place& place, std::string_view field, std::string_view value);

/// A field's value in seconds or another unit of time: a number from 0 to 1e15.
double parse_time(const Place& place, std::string_view field, std::string_view value);

/// Makes room for the rest of a file once its records' length is known, so that a long file's requests are
/// not copied as they grow in number. For a reader to call before each request it adds; acts once.
void reserve_for_rest(std::vector<Request>& requests, const TextReader& text, size_t most);

}  // namespace razorscope
