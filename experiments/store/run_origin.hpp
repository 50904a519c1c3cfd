#pragma once

#include <cstdint>
#include <string>

#include "experiments/store/provenance.hpp"

namespace razorscope {

/// Where a stored run came from, and what makes it the run that it is.
struct RunOrigin {
  bool on_device = false;  // run ids of the two kinds are series of their own
  int64_t run_id = 0;
  std::string config_hash;
  std::string started_utc;
  Provenance provenance;
};

}  // namespace razorscope
