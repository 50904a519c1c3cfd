#include "experiments/store/file_system.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <sys/vfs.h>

namespace razorscope {

bool is_network_file_system(int64_t kind) {
  // From linux/magic.h and, of those that live outside of the kernel, from their own headers.
  constexpr std::array<uint32_t, 10> kinds = {
      0x6969,      // NFS
      0x517B,      // SMB
      0xFF534D42,  // CIFS
      0xFE534D42,  // SMB 2
      0x5346414F,  // AFS
      0x00C36400,  // Ceph
      0x0BD00BD0,  // Lustre
      0x47504653,  // GPFS
      0x19830326,  // BeeGFS
      0x20030528,  // OrangeFS
  };
  return std::find(kinds.begin(), kinds.end(), static_cast<uint32_t>(kind)) != kinds.end();
}

bool lies_on_network(const std::filesystem::path& file) {
  struct statfs information {};
  return ::statfs(file.c_str(), &information) == 0 && is_network_file_system(information.f_type);
}

}  // namespace razorscope
