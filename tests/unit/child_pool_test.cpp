#include "experiments/runner/child_pool.hpp"

#include <gtest/gtest.h>
#include <map>
#include <stdexcept>

namespace razorscope {
namespace {

using std::chrono::milliseconds;

std::map<size_t, ChildExit> all_of(ChildPool& pool) {
  std::map<size_t, ChildExit> exits;
  while (pool.unfinished() > 0) {
    if (std::optional<ChildExit> exit = pool.wait(milliseconds(100))) exits[exit->id] = *exit;
  }
  return exits;
}

TEST(ChildPoolTest, TellsOutputErrorAndExitCode) {
  ChildPool pool("/bin/sh", 2);
  pool.add({"-c", "echo out; echo problem >&2; exit 3"});
  pool.add({"-c", "kill -9 $$"});
  pool.add({"-c", "head -c 100000 /dev/zero | tr '\\0' e >&2; printf end >&2; cat"});
  const std::map<size_t, ChildExit> exits = all_of(pool);
  EXPECT_EQ(exits.at(0).output, "out\n");
  EXPECT_EQ(exits.at(0).error_tail, "problem\n");
  EXPECT_EQ(exits.at(0).exit_code, 3);
  EXPECT_EQ(exits.at(1).exit_code, 128 + 9);
  EXPECT_EQ(exits.at(2).exit_code, 0);
  EXPECT_EQ(exits.at(2).error_tail.size(), ChildPool::error_bytes);
  EXPECT_TRUE(exits.at(2).error_tail.ends_with("eend"));
}

TEST(ChildPoolTest, NothingEndsInNoTime) {
  ChildPool pool("/bin/sleep", 1);
  pool.add({"60"});
  pool.add({"60"});
  EXPECT_FALSE(pool.wait(milliseconds(50)).has_value());
  EXPECT_EQ(pool.unfinished(), 2U);
}  // and the destructor does not wait for them

TEST(ChildPoolTest, AProgramThatIsNotThereIsAnError) {
  ChildPool pool("/nonexistent/program", 1);
  pool.add({});
  EXPECT_THROW(pool.wait(milliseconds(100)), std::runtime_error);
}

}  // namespace
}  // namespace razorscope
