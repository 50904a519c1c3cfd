#pragma once

#include <cstdint>
#include <filesystem>

namespace razorscope {

/// Whether a file system of this kind (statfs(2): f_type) is one that several machines may see.
bool is_network_file_system(int64_t kind);

/// Whether a file that is there lies on one.
bool lies_on_network(const std::filesystem::path& file);

}  // namespace razorscope
