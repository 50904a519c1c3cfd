#include "experiments/runner/toml_words.hpp"

#include <fmt/format.h>

namespace razorscope {

std::optional<std::string> toml_word(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* integer = node.as_integer()) return fmt::to_string(integer->get());
  if (const auto* number = node.as_floating_point()) return fmt::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

std::vector<const toml::node*> elements_of(const toml::node& node) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return {&node};
  std::vector<const toml::node*> elements;
  for (const toml::node& element : *array) elements.push_back(&element);
  return elements;
}

}  // namespace razorscope
