#include "policies/cache/compensation.hpp"

#include <stdexcept>
#include <vector>

#include "policies/cache/compensation/kinds.hpp"
#include "policies/kernels/row_sums.hpp"

namespace razorscope {

void CompensationSlots::fold_run(int first, int count, int head_size, const SourceRows& keys,
                                 const SourceRows& values) {
  std::vector<float> key;
  std::vector<float> value;
  for (int t = 0; t < count; ++t) {
    fold(first + t, row_as_floats(keys, t, head_size, key), row_as_floats(values, t, head_size, value));
  }
}

std::unique_ptr<CompensationSlots> make_compensation(const CompensationSpec& spec, double slope,
                                                     int head_size, AllocationCounter& counter) {
  switch (spec.kind) {
    case Compensation::none:
      return nullptr;
    case Compensation::weighted:
      return make_mean_slot(true, slope, head_size, counter);
    case Compensation::unweighted:
      return make_mean_slot(false, slope, head_size, counter);
    default:
      break;
  }
  if (slope != 0.0)
    throw std::logic_error("make_compensation: under ALiBi this kind of slot has no bias to give");
  switch (spec.kind) {
    case Compensation::variance:
      return make_variance_slot(head_size, counter);
    case Compensation::clusters:
      return make_cluster_slots(spec.slots, head_size, counter);
    case Compensation::chunks:
      return make_chunk_slots(spec.slots, head_size, counter);
    case Compensation::covariance:
      return make_covariance_slot(spec.rank, head_size, counter);
    default:
      break;
  }
  throw std::logic_error("make_compensation: an unknown kind of slot");
}

size_t compensation_bytes(const CompensationSpec& spec, int head_size, int folds) {
  if (folds == 0) return 0;
  SlotLayout layout;
  switch (spec.kind) {
    case Compensation::none:
      return 0;
    case Compensation::weighted:
    case Compensation::unweighted:
      layout = mean_layout();
      break;
    case Compensation::variance:
      layout = variance_layout();
      break;
    case Compensation::clusters:
      layout = cluster_layout(spec.slots);
      break;
    case Compensation::chunks:
      layout = chunk_layout(spec.slots, folds);
      break;
    case Compensation::covariance:
      layout = covariance_layout(spec.rank, head_size);
      break;
  }
  return CacheBuffer::block_size(layout.bytes(head_size));
}

}  // namespace razorscope
