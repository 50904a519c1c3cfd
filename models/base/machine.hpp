#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace razorscope {

/// Bytes that can be allocated without swapping (MemAvailable of Linux, lowered to a cgroup's limit where
/// there is one).
size_t available_memory();

/// Bytes of memory that this process could ever use: what the machine has, or a cgroup's limit where that is
/// less. 0 where the system does not say.
size_t total_memory();

/// Throws InputError that states both figures where `bytes` for `what` exceed the available memory.
void refuse_beyond_memory(std::string_view where, std::string_view what, size_t bytes);

/// The processor's name as the kernel reports it.
std::string cpu_name();
/// Its maker's name for itself: "GenuineIntel", "AuthenticAMD", or "unknown".
std::string cpu_vendor();

/// "1.5 GiB", "12.0 KiB", "17 B".
std::string format_bytes(double bytes);

}  // namespace razorscope
