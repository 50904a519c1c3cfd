#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace razorscope {

/// Bad usage or bad input: the program exits with code 2. `where` is a file or an option, `what is wrong`
/// names the key and, where there is a choice, the allowed values. Anything else that goes wrong is a
/// std::runtime_error (code 1).
class InputError : public std::runtime_error {
 public:
  InputError(std::string_view where, std::string_view problem)
      : std::runtime_error(std::string(where) + ": " + std::string(problem)) {}
  InputError(std::string_view where, std::string_view key, std::string_view problem)
      : std::runtime_error(std::string(where) + ": " + std::string(key) + ": " + std::string(problem)) {}
};

/// The user asked the program to stop; what was finished is stored (exit code 130).
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

/// "unknown X 'nmae' (did you mean 'name'?); allowed: a, b, c", the suggestion only where one is near.
std::string unknown_name(std::string_view kind, std::string_view name,
                         const std::vector<std::string>& allowed);

/// The allowed name with the smallest edit distance, or "" where none is closer than about a third of its
/// length.
std::string nearest_name(std::string_view name, const std::vector<std::string>& allowed);

}  // namespace razorscope
