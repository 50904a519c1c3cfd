#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

#include "experiments/store/content_hash.hpp"
#include "experiments/store/records.hpp"
#include "models/base/mapped_file.hpp"

namespace razorscope {
namespace {

/// Two models without a hash differ where their names or shapes do.
std::string identity(const ModelDescription& model) {
  if (!model.sha256.empty()) return model.sha256;
  const Shape& shape = model.shape;
  return fmt::format("{}/{}/{}/{}/{}/{}", shape.name, shape.architecture, shape.layers, shape.query_heads,
                     shape.kv_heads, shape.head_size);
}

const std::string& identity(const TextDescription& text) {
  return text.sha256.empty() ? text.name : text.sha256;
}

/// " heads=<hash>" for each file that the values name.
std::string content_of_files(std::string_view variant, const std::vector<Parameter>& declared,
                             const ParameterValues& values) {
  std::string out;
  for (const Parameter* parameter : applicable_parameters(variant, declared, values)) {
    if (parameter->kind != ParameterKind::file) continue;
    const std::string& text = values.text(parameter->name);
    if (text == parameter->fallback) continue;
    const MappedFile file(text);
    out += fmt::format(" {}={}", parameter->name, hash_of(file.bytes().data(), file.bytes().size()));
  }
  return out;
}

}  // namespace

std::string hash_of(const void* bytes, size_t size) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, size);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string identity(const Policy& policy) {
  std::string out = policy.name();
  out += content_of_files(policy.variant(), policy.entry().parameters, policy.values());
  for (const CodecChoice& codec : policy.codecs())
    out += content_of_files("", find_codec("policy", codec.name).parameters, codec.values);
  return out;
}

std::string config_hash(const ReplayRecord& record) {
  return hash_of(fmt::format("replay\nmodel {}\ntrace {}\nprefix {}\nsteps {}\npolicy {}\ncompute {}\n",
                             identity(record.model), record.trace.content_hash, record.prefix, record.steps,
                             identity(record.policy), record.provenance.compute));
}

std::string config_hash(const EvalRecord& record) {
  std::string texts;
  for (const TextDescription& text : record.texts) texts += fmt::format("text {}\n", identity(text));
  return hash_of(fmt::format("eval\nmodel {}\n{}prefix {}\nsteps {}\nseed {}\npolicy {}\ncompute {}\n",
                             identity(record.model), texts, record.prefix, record.steps, record.seed,
                             identity(record.policy), record.provenance.compute));
}

std::string config_hash(const TaskRecord& record) {
  const std::optional<double> share = stored_share(record);
  return hash_of(
      fmt::format("task\nmodel {}\nhaystack {}\nsettings {}\npolicy {}\nshare {}\ntarget {}\ncompute {}\n",
                  identity(record.model), identity(record.haystack), to_json(record.settings).dump(),
                  identity(record.policy), share ? fmt::to_string(*share) : "none",
                  share ? 0 : record.equal_bytes_target.value_or(0), record.provenance.compute));
}

std::string config_hash(const ExplainRecord& record) {
  const ExplainRequest& request = record.request;
  return hash_of(fmt::format(
      "explain\nmodel {}\ntext {}\nquestion {}\nanswers {} {}\nverdict {}\npolicy {}\ncompute {}\n",
      identity(record.model), hash_of(request.text), hash_of(request.question), hash_of(request.positive),
      hash_of(request.negative), hash_of(request.verdict), identity(record.policy),
      record.provenance.compute));
}

std::string attention_hash(const ExplainRecord& record) {
  return hash_of(fmt::format("attention\nmodel {}\ntext {}\nquestion {}\ncompute {}\n",
                             identity(record.model), hash_of(record.request.text),
                             hash_of(record.request.question), record.provenance.compute));
}

std::string config_hash(const ProbeRecord& record) {
  const HeadScores& scores = record.scores;
  return hash_of(fmt::format(
      "probe\nmodel {}\nblock {}\nrepeats {}\nseed {}\nvariant {}\nsource {}\nids {}\ncompute {}\n",
      identity(record.model), scores.block, scores.repeats, scores.seed, scores.variant, scores.token_source,
      fmt::join(record.block, " "), record.provenance.compute));
}

}  // namespace razorscope
