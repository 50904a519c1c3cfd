#pragma once

#include <filesystem>

namespace razorscope {

/// The program's folder below the one that an environment variable names, else below `fallback` in the home
/// directory: user_directory("XDG_CACHE_HOME", ".cache") is ${XDG_CACHE_HOME:-~/.cache}/razorscope.
std::filesystem::path user_directory(const char* variable, const char* fallback);

/// Where the program itself lies: files that are installed with it are found from there.
std::filesystem::path program_directory();

}  // namespace razorscope
