#pragma once

#include <filesystem>
#include <string_view>

namespace razorscope {

/// Writes the file under another name beside it and renames it when it is complete, so that nobody ever sees
/// half of it; a link stays one. Devices and pipes are written straight into. InputError where it cannot be
/// made; std::runtime_error where writing fails.
void write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace razorscope
