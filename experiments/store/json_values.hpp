#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "experiments/store/policy_label.hpp"
#include "experiments/store/report_formats.hpp"

namespace razorscope {

// What JSON of several kinds of run is made from. Internal to this folder.

template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

/// {key_low: …, key_high: …}, null where there is no interval.
inline void put_interval(nlohmann::json& out, const std::string& key,
                         const std::optional<Interval>& interval) {
  out[key + "_low"] = interval ? nlohmann::json(interval->low) : nlohmann::json();
  out[key + "_high"] = interval ? nlohmann::json(interval->high) : nlohmann::json();
}

/// {key: mean, key_low: …, key_high: …}.
inline void put_estimate(nlohmann::json& out, const std::string& key, const std::string& interval_key,
                         const Estimate& estimate) {
  out[key] = estimate.mean;
  put_interval(out, interval_key, estimate.interval);
}

/// What a group's rows of any kind have in common.
inline nlohmann::json group_json(const RunRow& first) {
  return {{"model", first.model},
          {"model_sha256", first.model_sha256},
          {"text", first.text},
          {"prefix", first.prefix},
          {"steps", first.steps},
          {"comparison", first.comparison},
          {"equal_bytes_target", or_null(first.equal_bytes_target)},
          {"equal_bytes_share", or_null(first.equal_bytes_share)},
          {"bytes_full_f16", or_null(first.full_f16_bytes)}};
}

/// What each row of any kind begins with.
inline nlohmann::json run_json(const RunRow& row, double physical_bytes) {
  return {{"policy", row.policy},
          {"label", policy_label(row.policy)},
          {"requested_policy", row.requested_policy},
          {"run", row.run_id == 0 ? nlohmann::json() : nlohmann::json(row.run_id)},
          {"bytes_physical_relative", or_null(relative_bytes(physical_bytes, row))}};
}

}  // namespace razorscope
