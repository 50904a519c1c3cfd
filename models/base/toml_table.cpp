#include "models/base/toml_table.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "models/base/mapped_file.hpp"

namespace razorscope {
namespace {

// Far beyond what people write, and small enough that the parser's recursion fits into any stack: tables
// nest through brackets, which it counts itself, and through dots in keys, which it does not.
constexpr size_t most_bytes = size_t{1} << 20U;
constexpr int most_dots_in_a_line = 32;

int line_of(const toml::source_region& region) { return std::max(1, static_cast<int>(region.begin.line)); }

/// The first line with too many dots, or 0.
int too_deep_line(std::string_view text) {
  int line = 1;
  int dots = 0;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      dots = 0;
    } else if (c == '.' && ++dots > most_dots_in_a_line) {
      return line;
    }
  }
  return 0;
}

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

/// 1e9 instead of 1000000000 or 1e+09.
std::string short_number(double value) {
  std::string text = fmt::format("{:g}", value);
  const size_t exponent = text.find("e+");
  if (exponent == std::string::npos) return text;
  const size_t digits = text.find_first_not_of('0', exponent + 2);
  return text.substr(0, exponent + 1) + text.substr(digits);
}

}  // namespace

std::optional<toml::table> parse_toml_file(const std::filesystem::path& path,
                                           std::vector<FileFault>& faults) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.size() > most_bytes) {
    faults.push_back({1, fmt::format("holds {}; such a file has at most {}",
                                     format_bytes(static_cast<double>(text.size())),
                                     format_bytes(static_cast<double>(most_bytes)))});
    return std::nullopt;
  }
  const size_t strange = std::min(text.find('\0'), first_invalid_utf8(text));
  if (strange != std::string_view::npos) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(strange), '\n');
    faults.push_back(
        {static_cast<int>(line), fmt::format("byte {} is not text in UTF-8: is this a TOML file?", strange)});
    return std::nullopt;
  }
  if (const int line = too_deep_line(text); line > 0) {
    faults.push_back({line, fmt::format("has more than {} dots in one line", most_dots_in_a_line)});
    return std::nullopt;
  }
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& problem) {
    faults.push_back(
        {line_of(problem.source()), fmt::format("is not TOML: {}", problem.description().substr(0, 400))});
    return std::nullopt;
  }
}

TomlTable::TomlTable(const toml::table& table, std::string owner, std::vector<FileFault>& faults)
    : table_(&table), owner_(std::move(owner)), faults_(&faults) {}

int TomlTable::line() const { return line_of(table_->source()); }

int TomlTable::line(const std::string& key) const {
  const auto found = table_->find(key);
  return found == table_->cend() ? line() : line_of(found->first.source());
}

void TomlTable::fault(const std::string& key, const std::string& problem) {
  constexpr size_t longest = 1000;  // lists of what is allowed may be endless
  faults_->push_back({line(key), fmt::format("{}{}{}{}: {}", owner_, owner_.empty() ? "" : ": ", path_,
                                             key.substr(0, 80), problem.substr(0, longest))});
}

const toml::node* TomlTable::value(const std::string& key, Presence presence) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.push_back(key);
  const toml::node* node = table_->get(key);
  if (node == nullptr && presence == Presence::required) fault(key, "is missing");
  return node;
}

std::string TomlTable::wrong_type(const toml::node& node, std::string_view wanted) const {
  return fmt::format("must be {}, not {}", wanted, type_name(node));
}

std::optional<std::string> TomlTable::text(const std::string& key, Presence presence) {
  const toml::node* node = value(key, presence);
  if (node == nullptr) return std::nullopt;
  std::optional<std::string> text = node->value_exact<std::string>();
  if (!text) {
    fault(key, wrong_type(*node, "a string"));
  } else if (text->find_first_not_of(" \t") == std::string::npos && presence == Presence::required) {
    fault(key, "is empty");
    return std::nullopt;
  } else if (std::any_of(text->begin(), text->end(),
                         [](char c) { return (c >= 0 && c < ' ') || c == 127; })) {
    fault(key, "holds a line break or another control character");
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> TomlTable::choice(const std::string& key, const std::vector<std::string>& allowed,
                                             Presence presence) {
  std::optional<std::string> word = text(key, presence);
  if (word && std::find(allowed.begin(), allowed.end(), *word) == allowed.end()) {
    fault(key, unknown_name("value", *word, allowed));
    return std::nullopt;
  }
  return word;
}

std::optional<std::vector<std::string>> TomlTable::texts(const std::string& key, Presence presence) {
  const toml::node* node = value(key, presence);
  if (node == nullptr) return std::nullopt;
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    fault(key, wrong_type(*node, "an array of strings"));
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const toml::node& element : *array) {
    const std::optional<std::string> text = element.value_exact<std::string>();
    if (!text) {
      fault(key, wrong_type(element, "an array of strings"));
      return std::nullopt;
    }
    texts.push_back(*text);
  }
  return texts;
}

std::optional<bool> TomlTable::flag(const std::string& key, Presence presence) {
  const toml::node* node = value(key, presence);
  if (node == nullptr) return std::nullopt;
  const std::optional<bool> flag = node->value_exact<bool>();
  if (!flag) fault(key, wrong_type(*node, "true or false"));
  return flag;
}

std::optional<double> TomlTable::number(const std::string& key, const NumberRange& range, Presence presence) {
  const toml::node* node = value(key, presence);
  if (node == nullptr) return std::nullopt;
  if (!node->is_number()) {
    fault(key, wrong_type(*node, "a number"));
    return std::nullopt;
  }
  const double number =
      node->is_integer() ? static_cast<double>(**node->as_integer()) : **node->as_floating_point();
  if (std::isfinite(number) && number >= range.lowest && number <= range.highest) return number;
  fault(key, fmt::format("{} is out of range; allowed: {} to {}{}{}", number, short_number(range.lowest),
                         short_number(range.highest), range.unit.empty() ? "" : " ", range.unit));
  return std::nullopt;
}

std::optional<TomlTable> TomlTable::table(const std::string& key, Presence presence) {
  const toml::node* node = value(key, presence);
  if (node == nullptr) return std::nullopt;
  const toml::table* inner = node->as_table();
  if (inner == nullptr) {
    fault(key, wrong_type(*node, "a table"));
    return std::nullopt;
  }
  TomlTable table(*inner, owner_, *faults_);
  table.path_ = path_ + key + ".";
  return table;
}

std::vector<TomlTable> TomlTable::tables(const std::string& key, Presence presence) {
  const toml::node* node = value(key, presence);
  if (node == nullptr) return {};
  const toml::array* array = node->as_array();
  std::vector<TomlTable> tables;
  for (size_t i = 0; array != nullptr && i < array->size(); ++i) {
    const toml::table* inner = (*array)[i].as_table();
    if (inner != nullptr) tables.emplace_back(*inner, owner_, *faults_);
  }
  if (array == nullptr || tables.size() < array->size())
    fault(key, fmt::format("must be tables, each with the header [[{}]]", key));
  return tables;
}

void TomlTable::refuse_unknown_keys() {
  for (const auto& [key, node] : *table_) {
    const std::string name(key.str());
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end())
      fault(name, unknown_name("key", name, asked_));
  }
}

}  // namespace razorscope
