// The work of these tests is small: several threads would spend their time waiting for each other. Tests that
// are about threads set their number themselves.
#include <gtest/gtest.h>
#include <omp.h>

namespace razorscope {
namespace {

class OneThread final : public ::testing::Environment {
 public:
  void SetUp() override { omp_set_num_threads(1); }
};

[[maybe_unused]] const ::testing::Environment* const one_thread =
    ::testing::AddGlobalTestEnvironment(new OneThread);

}  // namespace
}  // namespace razorscope
