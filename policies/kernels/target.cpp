#include "policies/kernels/target.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <hwy/targets.h>

#include "models/base/error.hpp"
#include "policies/kernels/bf16_dots.hpp"
#include "policies/kernels/kernel_table.hpp"

namespace razorscope {
namespace {

Target target_named(std::string_view where, std::string_view name) {
  std::vector<std::string> names;
  for (const Target target : available_targets()) {
    if (target_name(target) == name) return target;
    names.emplace_back(target_name(target));
  }
  throw InputError(where, unknown_name("kernel target (or one that this processor cannot run)", name, names));
}

Target initial_target() {
  const char* wanted =
      std::getenv("RAZORSCOPE_TARGET");  // NOLINT(concurrency-mt-unsafe): nothing here calls setenv
  if (wanted != nullptr && *wanted != '\0') return target_named("RAZORSCOPE_TARGET", wanted);
  return available_targets().back();
}

/// The table in use, looked up once: asking the processor again costs more than a small kernel.
std::atomic<const KernelTable*>& chosen_table() {
  static std::atomic<const KernelTable*> table = kernels_of(initial_target());
  return table;
}

}  // namespace

std::string_view target_name(Target target) {
  switch (target) {
    case Target::scalar:
      return "scalar";
    case Target::avx2:
      return "avx2";
    case Target::avx512:
      return "avx512";
    case Target::avx512_bf16:
      return "avx512-bf16";
  }
  return "?";
}

std::vector<Target> available_targets() {
  std::vector<Target> targets;
  for (const Target target : {Target::scalar, Target::avx2, Target::avx512, Target::avx512_bf16}) {
    if (kernels_of(target) != nullptr) targets.push_back(target);
  }
  return targets;
}

Target active_target() { return active_kernels().target; }

void force_target(std::string_view name) { chosen_table() = kernels_of(target_named("--target", name)); }

const KernelTable& active_kernels() { return *chosen_table(); }

const KernelTable* kernels_of(Target target) {
  switch (target) {
    case Target::scalar:
      return &scalar_kernels();
    case Target::avx2:
      return (hwy::SupportedTargets() & HWY_AVX2) != 0 ? avx2_kernels() : nullptr;
    case Target::avx512:
      return (hwy::SupportedTargets() & HWY_AVX3) != 0 ? avx512_kernels() : nullptr;
    case Target::avx512_bf16:
      return (hwy::SupportedTargets() & HWY_AVX3) != 0 && has_avx512_bf16() ? avx512_bf16_kernels() : nullptr;
  }
  return nullptr;
}

}  // namespace razorscope
