#pragma once

#include <QJsonObject>
#include <QString>
#include <QStringList>
#include <string>
#include <vector>

#include "experiments/store/deployment_rows.hpp"
#include "sim/serving/deployment_options.hpp"
#include "sim/serving/plan.hpp"

namespace razorscope::gui {

/// What is asked of devices: the options of `razorscope plan`.
struct PlanSettings {
  DeploymentOptions deployment;
  std::string policies;  // separated by ';'
  int context = 0;       // tokens of the prompt
  int output = 0;
  int batch = 1;

  bool operator==(const PlanSettings&) const = default;
  QJsonObject toJson() const;
  /// What is missing or cannot be understood is as in `others`.
  static PlanSettings fromJson(const QJsonObject& json, const PlanSettings& others);
};

/// What one sees first: a model and a device that most have heard of.
PlanSettings usual_plan();

/// The settings of stored plans: those of the last one, with the devices and policies of all that differ from
/// it in nothing else. At least one.
PlanSettings settings_of(const std::vector<CapacityRow>& plans);

/// What came of it: figures of each device and policy for which there are any, and why there are none of the
/// others.
struct PlanAnswer {
  PlanSettings settings;
  std::vector<PlanRow> rows;
  QStringList problems;
  QStringList notes;         // that must stand below
  int model_context = 0;     // tokens that the model was made for; 0: unknown
  double utilisation = 0.0;  // share of a device's memory that the engine may take
};

/// The figures of `razorscope plan`, by its own functions. Milliseconds for a handful of policies.
PlanAnswer answer_plan(const PlanSettings& settings);

/// The figures of `razorscope plan --json`, by its keys, a line for each row.
QString plan_csv(const PlanAnswer& answer);

}  // namespace razorscope::gui
