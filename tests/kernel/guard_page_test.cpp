// Kernels touch no byte outside their buffers: every buffer ends where a page without access begins, or
// begins where one ends.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

#include "tests/kernel/head_case.hpp"

namespace razorscope {
namespace {

using testing::available_tables;
using testing::CaseNumbers;
using testing::CaseSpec;
using testing::HeadCase;
using testing::key_formats;
using testing::value_formats;

enum class Side { end, begin };

/// Memory between two pages without access.
class GuardedMemory {
 public:
  explicit GuardedMemory(Side side) : side_(side) {}
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;
  ~GuardedMemory() {
    for (const auto& [address, bytes] : mappings_) ::munmap(address, bytes);
  }

  std::byte* operator()(size_t bytes, size_t /*shift*/) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t inside = (bytes + page - 1) / page * page;
    void* address = ::mmap(nullptr, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    mappings_.emplace_back(address, inside + 2 * page);
    std::byte* first = static_cast<std::byte*>(address) + page;
    if (inside > 0 && ::mprotect(first, inside, PROT_READ | PROT_WRITE) != 0) {
      throw std::system_error(errno, std::generic_category(), "mprotect");
    }
    return side_ == Side::end ? first + inside - bytes : first;
  }

 private:
  Side side_;
  std::vector<std::pair<void*, size_t>> mappings_;
};

/// Runs in a child process, so that a fault is a message here and not the end of all tests.
template <typename Task>
void expect_no_fault(const Task& task) {
  EXPECT_EXIT(
      {
        task();
        ::_exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

/// Every format and head size, the formats of values by turns; some in segments.
std::vector<CaseSpec> cases() {
  std::vector<CaseSpec> specs;
  for (const int head_size : {1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 48, 64, 80, 96, 128, 256}) {
    for (const RowFormat keys : key_formats) {
      for (const int slots : {1, 2, 33, 64}) {
        CaseSpec spec;
        const size_t turn = specs.size();
        spec.head_size = head_size;
        spec.slots = slots;
        spec.keys = keys;
        spec.values = value_formats[(turn + turn / 12) % value_formats.size()];
        spec.group = 1 + static_cast<int>(turn % 5);
        spec.alibi = turn % 2 == 0;
        spec.compensation_slots = turn % 3 == 0 ? 3 : 0;
        spec.misaligned = turn % 7 == 0;
        spec.value_residual = turn % 5 == 0 ? 19 : 0;
        spec.exact = turn % 11 == 0 ? 1 : 0;
        specs.push_back(spec);
      }
    }
  }
  return specs;
}

/// Exits with the byte read, by the signal's default action where there is none to read (sanitizers handle it
/// else).
[[noreturn]] void exit_with(const volatile std::byte* address) {
  std::signal(SIGSEGV, SIG_DFL);
  ::_exit(static_cast<int>(*address));
}

TEST(GuardPageDeathTest, TheGuardsWork) {
  GuardedMemory at_end(Side::end);
  GuardedMemory at_begin(Side::begin);
  const volatile std::byte* last = at_end(100, 0) + 99;
  const volatile std::byte* first = at_begin(100, 0);
  EXPECT_EXIT(exit_with(last), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(exit_with(last + 1), ::testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT(exit_with(first - 1), ::testing::KilledBySignal(SIGSEGV), "");
}

TEST(GuardPageDeathTest, AttentionStaysInsideItsBuffers) {
  for (const Side side : {Side::end, Side::begin}) {
    for (const KernelTable* table : available_tables()) {
      SCOPED_TRACE(target_name(table->target));
      expect_no_fault([&] {
        for (const CaseSpec& spec : cases()) {
          GuardedMemory memory(side);
          const HeadCase guarded(spec, CaseNumbers(spec, 5), memory);
          attend_group(*table, guarded.view(), guarded.query(), guarded.output());
        }
      });
    }
  }
}

TEST(GuardPageDeathTest, RowSumsStayInsideTheirRows) {
  for (const Side side : {Side::end, Side::begin}) {
    for (const KernelTable* table : available_tables()) {
      SCOPED_TRACE(target_name(table->target));
      expect_no_fault([&] {
        for (const RowFormat format : {RowFormat::f32, RowFormat::f16}) {
          const size_t element = format == RowFormat::f16 ? 2 : 4;
          for (size_t d = 1; d < 40; ++d) {
            for (const size_t count : {1, 7, 8, 19}) {
              GuardedMemory memory(side);
              const SourceRows rows = {format, memory(count * d * element, 0), d * element};
              auto* sums = reinterpret_cast<double*>(memory(d * sizeof(double), 0));
              table->add_rows(rows, static_cast<int>(count), static_cast<int>(d), sums);
              if (format == RowFormat::f32) continue;
              table->widen_halves(rows.data, d, reinterpret_cast<float*>(memory(d * sizeof(float), 0)));
            }
          }
        }
      });
    }
  }
}

TEST(GuardPageDeathTest, SoftmaxStaysInsideItsRow) {
  for (const Side side : {Side::end, Side::begin}) {
    for (const KernelTable* table : available_tables()) {
      SCOPED_TRACE(target_name(table->target));
      expect_no_fault([&] {
        for (size_t count = 1; count < 70; ++count) {
          GuardedMemory memory(side);
          auto* row = reinterpret_cast<float*>(memory(count * sizeof(float), 0));
          table->softmax_row(row, count, 0.0F);
          table->softmax_row(row, count, 0.5F);
        }
      });
    }
  }
}

}  // namespace
}  // namespace razorscope
