#pragma once

#include <string>

#include "experiments/store/deployment_records.hpp"
#include "models/devices/catalogue.hpp"
#include "tests/support/stored_runs.hpp"

namespace razorscope::testing {

/// On one L40S.
template <typename Record>
Record on_device(const std::string& policy) {
  Record record;
  static_cast<RunRecord&>(record) = record_of(policy);
  record.deployment.device = find_device("test", "L40S");
  record.deployment.shape = record.model.shape;
  record.engine = "vllm";
  record.token_budget = 2048;
  return record;
}

inline ServingRecord serving_of(const std::string& policy, double rate) {
  auto record = on_device<ServingRecord>(policy);
  record.setup.deployment = record.deployment;
  record.setup.level = {.ttft = 2.0, .tpot = std::nullopt, .e2e = 60.0};
  Workload workload;
  workload.name = "poisson:rate=" + std::to_string(rate) + ",requests=2";
  workload.requests = {{0.0, 10, 20}, {1.0 / rate, 30, 40}};
  record.workload = describe_workload(workload, rate);
  record.result.requests = 2;
  record.result.completed = 1;
  record.result.refused = {{"too long", 1}};
  record.result.ttft = {0.5, 0.25, 0.75, 0.875, 1.0};
  record.result.goodput = 1.5;
  record.result.kv_blocks = 1000;
  record.result.calibration = Calibration::borrowed;
  record.result.timeline = {{0.0, 1, 2, 0.5, 0, 10, 20}, {0.5, 2, 1, 0.25, 1, 30, 40}};
  return record;
}

}  // namespace razorscope::testing
