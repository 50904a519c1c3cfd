#include "experiments/runner/policy_grid.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "experiments/runner/toml_words.hpp"
#include "models/base/error.hpp"
#include "policies/policy.hpp"

namespace razorscope {
namespace {

// What people mean stays far below.
constexpr size_t most_policies = 100'000;

/// A value as the policy grammar has it. true and false are its yes and no.
std::string quoted(const std::string& word) {
  if (word == "true") return "yes";
  if (word == "false") return "no";
  if (word.find_first_of(";+,:\"") == std::string::npos) return word;
  std::string out = "\"";
  for (const char c : word) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

/// Parts of policies that are combined, each with what it may be.
struct Choices {
  std::string name;
  std::vector<std::string> words;
};

/// The words of a key; none, and a fault, where it is not a word or a list of words.
Choices read_choices(TomlTable& table, const std::string& key, const toml::node& node) {
  Choices choices{key, {}};
  for (const toml::node* element : elements_of(node)) {
    const std::optional<std::string> word = toml_word(*element);
    if (word) choices.words.push_back(*word);
  }
  if (choices.words.empty() || choices.words.size() < elements_of(node).size())
    table.fault("policies", fmt::format("{} must be a value or a list of values", key));
  return choices;
}

/// "razor/weighted:sinks=4,recent=252+q8_0" of the choices picked.
std::string policy_text(const std::vector<Choices>& all, const std::vector<size_t>& picked) {
  std::string selection;
  std::string variant;
  std::string codec;
  std::string parameters;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string& word = all[i].words[picked[i]];
    if (all[i].name == "selection") {
      selection = word;
    } else if (all[i].name == "variant") {
      variant = word.empty() ? "" : "/" + word;
    } else if (all[i].name == "codec") {
      codec = word.empty() ? "" : "+" + word;
    } else {
      parameters += fmt::format("{}{}={}", parameters.empty() ? ":" : ",", all[i].name, quoted(word));
    }
  }
  return selection + variant + parameters + codec;
}

/// The next combination, the last choice turning fastest; false after the last one.
bool turn(const std::vector<Choices>& all, std::vector<size_t>& picked) {
  for (size_t i = all.size(); i-- > 0;) {
    if (++picked[i] < all[i].words.size()) return true;
    picked[i] = 0;
  }
  return false;
}

std::vector<std::string> grid_texts(TomlTable& table, const toml::table& grid) {
  std::vector<Choices> all;
  size_t combinations = 1;
  for (const auto& [key, node] : grid) {
    all.push_back(read_choices(table, std::string(key.str()), node));
    if (all.back().words.empty()) return {};
    combinations *= all.back().words.size();
    if (combinations > most_policies) {
      table.fault("policies", fmt::format("asks for more than {} policies", most_policies));
      return {};
    }
  }
  if (!grid.contains("selection")) {
    table.fault(
        "policies",
        "a table of parameters needs `selection`, such as {selection = \"razor\", recent = [124, 380]}");
    return {};
  }
  std::vector<std::string> texts;
  std::vector<size_t> picked(all.size(), 0);
  do {
    texts.push_back(policy_text(all, picked));
  } while (turn(all, picked));
  return texts;
}

}  // namespace

std::vector<std::string> read_policies(TomlTable& table, const std::string& key) {
  const toml::node* node = table.node(key, Presence::required);
  if (node == nullptr) return {};
  std::vector<std::string> texts;
  for (const toml::node* element : elements_of(*node)) {
    if (const toml::table* grid = element->as_table()) {
      const std::vector<std::string> more = grid_texts(table, *grid);
      texts.insert(texts.end(), more.begin(), more.end());
    } else if (const auto* text = element->as_string()) {
      texts.push_back(text->get());
    } else {
      table.fault(key, "must be a policy, or a list of policies and of tables with a `selection`");
    }
  }
  std::vector<std::string> names;
  for (const std::string& text : texts) {
    try {
      for (const Policy& policy : Policy::parse_list(text)) names.push_back(policy.name());
    } catch (const InputError& problem) {
      table.fault(key, problem.what());
    }
  }
  std::vector<std::string> unique;
  for (const std::string& name : names) {
    if (std::find(unique.begin(), unique.end(), name) == unique.end()) unique.push_back(name);
  }
  if (unique.empty() && texts.empty()) table.fault(key, "is empty");
  return unique;
}

}  // namespace razorscope
