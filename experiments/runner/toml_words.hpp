#pragma once

#include <optional>
#include <string>
#include <toml++/toml.h>
#include <vector>

namespace razorscope {

/// A string, number or boolean of a TOML file as a word of the command line; nullopt for anything else.
std::optional<std::string> toml_word(const toml::node& node);

/// The elements of an array; the node itself where it is something else.
std::vector<const toml::node*> elements_of(const toml::node& node);

}  // namespace razorscope
