#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace razorscope {

/// One request of a workload.
struct Request {
  double arrival = 0.0;   // seconds since the workload began
  int input_tokens = 0;   // at least 1
  int output_tokens = 0;  // at least 1
  /// What its prompt begins with, block by block of Workload::hash_block_tokens: requests with equal leading
  /// ids share that part of their prompts. Empty: it shares nothing.
  std::vector<int64_t> prefix_hashes = {};
};

/// Requests in the order of their arrival.
struct Workload {
  std::string name;  // the file's name, or the generator's canonical text
  std::vector<Request> requests;
  int hash_block_tokens = 0;  // 0: no request has hashes
  std::string note;           // what the reader had to change or assume; "" where nothing
};

}  // namespace razorscope
