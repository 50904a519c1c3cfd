#include "gui/data/device_plan.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "experiments/store/plan_rows.hpp"
#include "experiments/store/policy_label.hpp"
#include "gui/data/format.hpp"
#include "models/base/error.hpp"
#include "models/language/shape_catalogue.hpp"

namespace razorscope::gui {
namespace {

QString words(const std::exception& problem) { return QString::fromUtf8(problem.what()); }

void add(QStringList& lines, const QString& line) {
  if (!lines.contains(line)) lines += line;
}

PlanRequest request_of(const PlanSettings& settings) {
  return {settings.context, settings.output, settings.batch, token_budget(settings.deployment)};
}

/// A JSON value as CSV: figures with every digit, as the JSON has them.
QString field(const nlohmann::json& value) {
  if (value.is_null()) return {};
  return csv_field(QString::fromStdString(value.is_string() ? value.get<std::string>() : value.dump()));
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ";") + name;
  return out;
}

void add_new(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

QJsonObject PlanSettings::toJson() const {
  QJsonObject json = {{QStringLiteral("devices"), QString::fromStdString(deployment.devices)},
                      {QStringLiteral("model"), QString::fromStdString(deployment.model)},
                      {QStringLiteral("weights"), QString::fromStdString(deployment.weights)},
                      {QStringLiteral("engine"), QString::fromStdString(deployment.engine)},
                      {QStringLiteral("tp"), deployment.tp},
                      {QStringLiteral("policies"), QString::fromStdString(policies)},
                      {QStringLiteral("context"), context},
                      {QStringLiteral("output"), output},
                      {QStringLiteral("batch"), batch}};
  if (deployment.utilisation) json[QStringLiteral("utilisation")] = *deployment.utilisation;
  if (deployment.non_kv_bytes) json[QStringLiteral("nonKv")] = *deployment.non_kv_bytes;
  if (deployment.token_budget) json[QStringLiteral("tokenBudget")] = *deployment.token_budget;
  return json;
}

PlanSettings PlanSettings::fromJson(const QJsonObject& json, const PlanSettings& others) {
  PlanSettings out = others;
  const auto text = [&](const char* key, std::string& into) {
    const QJsonValue value = json[QLatin1String(key)];
    if (value.isString() && !value.toString().isEmpty()) into = value.toString().toStdString();
  };
  const auto number = [&](const char* key, int& into) {
    const int value = json[QLatin1String(key)].toInt(0);
    if (value > 0) into = value;
  };
  text("devices", out.deployment.devices);
  text("model", out.deployment.model);
  text("weights", out.deployment.weights);
  text("engine", out.deployment.engine);
  text("policies", out.policies);
  number("tp", out.deployment.tp);
  number("context", out.context);
  number("output", out.output);
  number("batch", out.batch);
  const QJsonValue utilisation = json[QLatin1String("utilisation")];
  if (utilisation.isDouble()) out.deployment.utilisation = utilisation.toDouble();
  const QJsonValue non_kv = json[QLatin1String("nonKv")];
  if (non_kv.isDouble()) out.deployment.non_kv_bytes = non_kv.toDouble();
  const int budget = json[QLatin1String("tokenBudget")].toInt(0);
  if (budget > 0) out.deployment.token_budget = budget;
  return out;
}

PlanSettings usual_plan() {
  PlanSettings settings;
  settings.deployment.devices = "H100 SXM";
  settings.deployment.model = "llama-3.1-8b";
  settings.policies = usual_plan_policies;
  settings.context = 32768;
  settings.output = 256;
  settings.batch = 8;
  return settings;
}

PlanSettings settings_of(const std::vector<CapacityRow>& plans) {
  const auto shared = [](const CapacityRow& row) {
    PlanSettings settings;
    settings.deployment = {.devices = {},
                           .model = row.model,
                           .weights = row.weights,
                           .engine = row.engine,
                           .tp = row.tp,
                           .utilisation = row.utilisation,
                           .non_kv_bytes = row.non_kv_bytes,
                           .token_budget = row.token_budget};
    settings.context = row.context;
    settings.output = row.output;
    settings.batch = row.batch;
    return settings;
  };
  PlanSettings out = shared(plans.back());
  std::vector<std::string> devices;
  std::vector<std::string> policies;
  for (const CapacityRow& row : plans) {
    if (!(shared(row) == shared(plans.back()))) continue;
    add_new(devices, row.device);
    add_new(policies, policy_label(row.policy));
  }
  out.deployment.devices = joined(devices);
  out.policies = joined(policies);
  return out;
}

PlanAnswer answer_plan(const PlanSettings& settings) {
  PlanAnswer answer;
  answer.settings = settings;
  try {
    answer.model_context = find_shape("model", settings.deployment.model).context;
    const std::vector<Deployment> on = deployments(settings.deployment);
    const std::vector<Policy> policies = Policy::parse_list(settings.policies);
    std::vector<std::string> notes;
    for (const Deployment& deployment : on) {
      answer.utilisation = deployment.utilisation;
      for (const Policy& policy : policies) {
        try {
          PolicyFootprint footprint(policy, deployment.shape, nullptr, deployment.tp);
          answer.rows.push_back(plan(deployment, footprint, request_of(settings)));
          add_notes(notes, plan_notes(deployment, answer.rows.back()));
        } catch (const InputError& problem) {
          add(answer.problems, words(problem));
        }
      }
    }
    for (const std::string& note : notes) answer.notes += QString::fromStdString(note);
  } catch (const std::exception& problem) {
    add(answer.problems, words(problem));
  }
  return answer;
}

QString plan_csv(const PlanAnswer& answer) {
  QString out;
  for (const PlanRow& row : answer.rows) {
    const nlohmann::json json = plan_row_json(row, answer.settings.deployment, request_of(answer.settings));
    QStringList names;
    QStringList values;
    for (const auto& [key, value] : json.items()) {
      if (!value.is_object()) {
        names += QString::fromStdString(key);
        values += field(value);
        continue;
      }
      for (const auto& [inner, part] : value.items()) {
        names += QString::fromStdString(key + '_' + inner);
        values += field(part);
      }
    }
    if (out.isEmpty()) out = names.join(u',') + u'\n';
    out += values.join(u',') + u'\n';
  }
  return out;
}

}  // namespace razorscope::gui
