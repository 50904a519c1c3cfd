#pragma once

#include "tests/support/stored_runs.hpp"

namespace razorscope::testing {

/// On the model of probe_of(): 2 layers of 2 KV heads, which 2 query heads share each.
inline ReplayRecord replay_of_probed(const std::string& policy, double error = 0.25) {
  ReplayRecord record = record_of(policy, 8, error);
  record.model = probe_of().model;
  for (HeadErrors& head : record.result.heads) {
    head.kv_head = head.query_head / 2;
    head.lost_mass = 0.01 * head.query_head;
  }
  return record;
}

}  // namespace razorscope::testing
