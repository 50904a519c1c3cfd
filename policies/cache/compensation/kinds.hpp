#pragma once

#include <memory>

#include "policies/cache/compensation.hpp"
#include "policies/cache/compensation/slot_rows.hpp"

namespace razorscope {

// The kinds of compensation, one file each (razor-attention, sections 1.2 and 4). A kind's layout says what
// its memory holds once it has folded a token; before that it has none.

/// mean.cpp: `weighted` and `unweighted`, one slot of running means.
std::unique_ptr<CompensationSlots> make_mean_slot(bool weighted, double slope, int head_size,
                                                  AllocationCounter& counter);
SlotLayout mean_layout();

/// variance.cpp: the weighted slot with the second cumulant of its keys in the bias.
std::unique_ptr<CompensationSlots> make_variance_slot(int head_size, AllocationCounter& counter);
SlotLayout variance_layout();

/// clusters.cpp: weighted slots, each for the tokens whose keys are near its own.
std::unique_ptr<CompensationSlots> make_cluster_slots(int slots, int head_size, AllocationCounter& counter);
SlotLayout cluster_layout(int slots);

/// chunks.cpp: weighted slots, each for a contiguous chunk of the folded tokens.
std::unique_ptr<CompensationSlots> make_chunk_slots(int slots, int head_size, AllocationCounter& counter);
SlotLayout chunk_layout(int slots, int prefix_folds);

/// covariance.cpp: the weighted slot with a value that the query corrects.
std::unique_ptr<CompensationSlots> make_covariance_slot(int rank, int head_size, AllocationCounter& counter);
SlotLayout covariance_layout(int rank, int head_size);

}  // namespace razorscope
