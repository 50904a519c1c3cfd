#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/language/shape.hpp"

namespace razorscope {

/// The shape that a SHAPE argument means: a built-in name (llama-3.1-8b), a Hugging Face config.json or a
/// folder with one, or a model file. InputError(where) with the nearest name otherwise.
Shape find_shape(const std::string& where, const std::string& name_or_path);

/// Names of the built-in shapes, ascending.
std::vector<std::string> shape_names();

/// A dense decoder of a Hugging Face config.json: what figures about memory and time depend on. InputError
/// that names `where` and the key where one is missing, absurd, or describes what is not supported (experts,
/// latent attention).
Shape shape_from_config(const std::string& where, const nlohmann::json& config);

}  // namespace razorscope
