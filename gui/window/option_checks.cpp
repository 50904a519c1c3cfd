#include "gui/window/option_checks.hpp"

#include <QJsonArray>
#include <QJsonDocument>
#include <algorithm>
#include <iterator>

#include "gui/data/run_columns.hpp"
#include "gui/views/view.hpp"
#include "models/base/error.hpp"

namespace razorscope::gui {
namespace {

using Names = std::vector<std::string>;

const char* name_of(QJsonValue::Type type) {
  switch (type) {
    case QJsonValue::Bool:
      return "true or false";
    case QJsonValue::Double:
      return "a number";
    case QJsonValue::String:
      return "a string";
    case QJsonValue::Array:
      return "a list";
    case QJsonValue::Object:
      return "an object";
    default:
      return "null";
  }
}

/// As JSON, which a value alone is not to Qt.
std::string text_of(const QJsonValue& value) {
  const QByteArray list = QJsonDocument(QJsonArray{value}).toJson(QJsonDocument::Compact);
  return list.mid(1, list.size() - 2).toStdString();
}

void check_type(const char* option, const QString& key, const QJsonValue& value, QJsonValue::Type wanted) {
  if (value.type() == wanted) return;
  throw InputError(option, key.toStdString(),
                   text_of(value) + " is " + name_of(value.type()) + "; allowed: " + name_of(wanted));
}

void check_keys(const char* option, const char* kind, const QJsonObject& object, const Names& allowed) {
  for (const QString& key : object.keys()) {
    if (std::find(allowed.begin(), allowed.end(), key.toStdString()) == allowed.end())
      throw InputError(option, unknown_name(kind, key.toStdString(), allowed));
  }
}

Names columns_with(bool numbers) {
  Names keys;
  for (const RunColumn& column : run_columns()) {
    if (column.is_number() == numbers) keys.emplace_back(column.key);
  }
  return keys;
}

Names names_of(const std::vector<QString>& names) {
  Names out;
  std::transform(names.begin(), names.end(), std::back_inserter(out),
                 [](const QString& name) { return name.toStdString(); });
  return out;
}

constexpr const char* filter_option = "--filter";

/// The object under a key, which may be missing.
QJsonObject part(const QJsonObject& json, const QString& key) {
  if (!json.contains(key)) return {};
  check_type(filter_option, key, json[key], QJsonValue::Object);
  return json[key].toObject();
}

}  // namespace

void check_filter(const QJsonObject& json) {
  check_keys(filter_option, "key", json, {"facets", "bounds", "words", "search"});
  const QJsonObject facets = part(json, QStringLiteral("facets"));
  Names facet_keys;
  for (const Facet facet : all_facets) facet_keys.emplace_back(facet_key(facet));
  check_keys(filter_option, "facet", facets, facet_keys);
  for (const QString& key : facets.keys()) {
    check_type(filter_option, key, facets[key], QJsonValue::Array);
    const QJsonArray names = facets[key].toArray();
    for (const QJsonValue& name : names) check_type(filter_option, key, name, QJsonValue::String);
  }
  const QJsonObject bounds = part(json, QStringLiteral("bounds"));
  check_keys(filter_option, "figure", bounds, columns_with(true));
  for (const QString& key : bounds.keys()) {
    check_type(filter_option, key, bounds[key], QJsonValue::Object);
    const QJsonObject ends = bounds[key].toObject();
    check_keys(filter_option, "bound", ends, {"low", "high"});
    for (const QString& end : ends.keys()) check_type(filter_option, end, ends[end], QJsonValue::Double);
  }
  const QJsonObject words = part(json, QStringLiteral("words"));
  check_keys(filter_option, "name", words, columns_with(false));
  for (const QString& key : words.keys()) check_type(filter_option, key, words[key], QJsonValue::String);
  if (json.contains(QStringLiteral("search")))
    check_type(filter_option, QStringLiteral("search"), json[QLatin1String("search")], QJsonValue::String);
}

void check_filter_names(const RunFilter& filter, const Snapshot& snapshot) {
  for (const auto& [facet, chosen] : filter.chosen) {
    const std::vector<QString>& there = snapshot.names_of(facet);
    for (const QString& name : chosen) {
      if (!name.isEmpty() && std::find(there.begin(), there.end(), name) == there.end())
        throw InputError(filter_option, unknown_name(facet_key(facet), name.toStdString(), names_of(there)));
    }
  }
}

void check_runs(const std::vector<RunRef>& runs, const Snapshot& snapshot) {
  for (const RunRef& run : runs) {
    if (snapshot.find(run) == nullptr)
      throw InputError("--select", std::string(run.on_device ? "d" : "") + std::to_string(run.id) +
                                       ": the database has no such run; `razorscope report` lists them");
  }
}

void check_state(const QJsonObject& state, const View& view) {
  const QJsonObject saved = view.saveState();
  Names keys;
  for (const QString& key : saved.keys()) keys.push_back(key.toStdString());
  check_keys("--state", "setting", state, keys);
  for (const QString& key : state.keys()) {
    // What is not chosen yet is null.
    if (!saved[key].isNull()) check_type("--state", key, state[key], saved[key].type());
  }
}

void check_state_taken(const QJsonObject& state, const View& view) {
  const QJsonObject saved = view.saveState();
  for (const QString& key : state.keys()) {
    // Lists and objects are completed by the view.
    if (state[key].isArray() || state[key].isObject() || state[key] == saved[key]) continue;
    throw InputError(
        "--state", key.toStdString(),
        text_of(state[key]) + " is not to be had in this view and database; it is " + text_of(saved[key]));
  }
}

}  // namespace razorscope::gui
