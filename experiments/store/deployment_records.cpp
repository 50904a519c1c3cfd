#include "experiments/store/deployment_records.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/store/content_hash.hpp"
#include "experiments/store/device_constants.hpp"

namespace razorscope {
namespace {

/// A generator's text without "rate=…"; files have no rate in their names.
std::string without_rate(const std::string& name) {
  const size_t parameters = name.find(':');
  if (parameters == std::string::npos) return name;
  size_t begin = name.find("rate=", parameters);
  if (begin == std::string::npos || (name[begin - 1] != ':' && name[begin - 1] != ',')) return name;
  size_t end = name.find(',', begin);
  if (end == std::string::npos) {
    end = name.size();
    --begin;  // the separator before it
  } else {
    ++end;
  }
  return name.substr(0, begin) + name.substr(end);
}

std::optional<double> mean_rate(const std::vector<Request>& requests) {
  if (requests.size() < 2) return std::nullopt;
  const double span = requests.back().arrival - requests.front().arrival;
  if (span <= 0.0) return std::nullopt;
  return static_cast<double>(requests.size() - 1) / span;
}

template <typename T>
std::string hash_of_values(const std::vector<T>& values) {
  return hash_of(values.data(), values.size() * sizeof(T));
}

/// Everything of a shape that bytes and times depend on.
std::string identity(const Shape& shape) {
  return fmt::format("{}/{}/{}/{}/{}/{}/{}/{}/{}/{}/{}/{}", shape.name, shape.architecture, shape.layers,
                     shape.query_heads, shape.kv_heads, shape.head_size, shape.hidden, shape.feed_forward,
                     shape.vocabulary, shape.context, static_cast<int>(shape.mlp), shape.tied_head);
}

std::string identity(const DeploymentRecord& record) {
  const Deployment& deployment = record.deployment;
  return fmt::format(
      "model {}\ndevice {}\ntp {}\nweights {}\nutilisation {}\nnon-kv {}\nbudget {}\npolicy {}\n",
      identity(deployment.shape), content_hash(deployment.device), deployment.tp,
      weight_type_name(deployment.weights), deployment.utilisation, deployment.non_kv_bytes,
      record.token_budget, identity(record.policy));
}

}  // namespace

WorkloadDescription describe_workload(const Workload& workload, double requested_rate) {
  WorkloadDescription out;
  out.name = workload.name;
  out.pattern = without_rate(workload.name);
  out.rate = requested_rate > 0.0 ? requested_rate : mean_rate(workload.requests);
  std::vector<int64_t> content = {workload.hash_block_tokens};
  std::vector<double> arrivals;
  for (const Request& request : workload.requests) {
    arrivals.push_back(request.arrival);
    content.push_back(request.input_tokens);
    content.push_back(request.output_tokens);
    content.push_back(std::ssize(request.prefix_hashes));
    content.insert(content.end(), request.prefix_hashes.begin(), request.prefix_hashes.end());
  }
  out.hash = hash_of_values(content);
  out.arrivals_hash = hash_of_values(arrivals);
  return out;
}

std::string content_hash(const Device& device) {
  const auto peak = [](const std::optional<double>& value) { return value ? fmt::to_string(*value) : "-"; };
  return hash_of(fmt::format("{}\n{} {} {} {} {} {}\n{}", device.name, device.memory_bytes, device.bandwidth,
                             device.bf16_peak, peak(device.fp8_peak), peak(device.int8_peak),
                             device.link_bandwidth, constants_json(device).dump()));
}

std::string config_hash(const ServingRecord& record) {
  const ServingSetup& setup = record.setup;
  const SchedulerLimits& limits = setup.limits;
  return hash_of(fmt::format(
      "serve\n{}engines {} {} {}\nrouter {}\nlimits {} {} {}\nworkload {}\narrivals {}\nlevel {}\n",
      identity(record), setup.all_engines(), setup.prefill_engines, setup.decode_engines,
      router_name(setup.router), limits.max_sequences, limits.max_tokens, limits.prefix_cache,
      record.workload.hash, record.workload.arrivals_hash, to_string(setup.level)));
}

std::string config_hash(const PlanRecord& record) {
  return hash_of(fmt::format("plan\n{}context {}\noutput {}\nbatch {}\n", identity(record),
                             record.request.context, record.request.output, record.request.batch));
}

}  // namespace razorscope
