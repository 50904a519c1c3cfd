#pragma once

#include <cstddef>
#include <string>

#include "policies/policy.hpp"

namespace razorscope {

// What configuration hashes are made of.

std::string hash_of(const void* bytes, size_t size);
inline std::string hash_of(const std::string& text) { return hash_of(text.data(), text.size()); }

/// The policy's name with the content of the files that it names: a file's name says nothing of what was in
/// it. InputError where one cannot be read.
std::string identity(const Policy& policy);

}  // namespace razorscope
