#include <array>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>

#include "experiments/runner/slurm_queue.hpp"
#include "experiments/runner/slurm_scripts.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope::testing {
namespace {

TEST(SlurmQueueTest, ReadsWhatSqueuePrints) {
  const std::vector<QueuedJob> jobs =
      read_queue("7_0|RUNNING|None\n7_12|PENDING|Resources\n9|PENDING|Dependency\n");
  ASSERT_EQ(jobs.size(), 3U);
  EXPECT_EQ(jobs[1].id, 7);
  EXPECT_EQ(jobs[1].task, 12);
  EXPECT_EQ(jobs[1].state, "PENDING");
  EXPECT_EQ(jobs[1].reason, "Resources");
  EXPECT_EQ(jobs[2].id, 9);
  EXPECT_EQ(jobs[2].task, -1);
  EXPECT_TRUE(read_queue("").empty());
}

TEST(SlurmQueueTest, ShowsALineThatItDoesNotUnderstand) {
  for (const char* line : {"7_[0-3]|PENDING|Resources", "squeue: nonsense", "7", "-7|RUNNING|None",
                           "7_1_2|RUNNING|None", "99999999999999999999|RUNNING|None", "7_x|RUNNING|None"}) {
    expect_message("runtime", {"squeue", std::string(line)},
                   [&] { read_queue(fmt::format("7_1|RUNNING|None\n{}\n", line)); });
  }
}

TEST(SlurmQueueTest, ReadsHowTasksEnded) {
  const std::map<int, std::string> endings = read_endings(
      "7_0|COMPLETED\n7_1|TIMEOUT\n7_2|CANCELLED by "
      "0\n7_3|RUNNING\n7_4|PENDING\n7_[5-9]|PENDING\n7|FAILED\nnonsense\n");
  EXPECT_EQ(endings, (std::map<int, std::string>{{0, "COMPLETED"}, {1, "TIMEOUT"}, {2, "CANCELLED by 0"}}));
}

TEST(SlurmQueueTest, ReadsTheIdOfAJob) {
  EXPECT_EQ(read_job_id("42\n"), 42);
  EXPECT_EQ(read_job_id("42;cluster\n"), 42);
  for (const char* output : {"", "\n", "Submitted batch job 42\n", "42x"})
    expect_message("runtime", {"sbatch"}, [&] { read_job_id(output); });
}

TEST(SlurmQueueTest, ListsTasksAsSbatchWantsThem) {
  EXPECT_EQ(array_list({}), "");
  EXPECT_EQ(array_list({5}), "5");
  EXPECT_EQ(array_list({0, 1, 2, 3}), "0-3");
  EXPECT_EQ(array_list({0, 2, 3, 7, 9, 10}), "0,2-3,7,9-10");
}

SlurmSweep a_sweep(const TemporaryFolder& folder) {
  SlurmSweep sweep;
  sweep.name = "head-share";
  sweep.folder = folder / "shared folder/head-share";
  sweep.base = folder / "a base";
  sweep.db = folder / "results of all.db";
  sweep.program = folder / "the program";
  sweep.tasks = 4;
  sweep.request = {"long", "2:00:00", "16G", 3, {"--account=lab", "--constraint=avx512"}};
  std::filesystem::create_directories(sweep.shards());
  folder.write("the program", "#!/bin/bash\nfor word; do printf '[%s] ' \"$word\"; done; echo\n");
  std::filesystem::permissions(sweep.program, std::filesystem::perms(0755));
  return sweep;
}

/// What a script prints, in which the program prints its arguments.
std::string output_of(const TemporaryFolder& folder, const std::string& script,
                      const std::string& environment = "") {
  const std::filesystem::path path = folder.write("script.sh", script);
  FILE* pipe =
      popen(fmt::format("env -i PATH=\"$PATH\" {} bash '{}' 2>&1", environment, path.string()).c_str(), "r");
  std::string output;
  std::array<char, 4096> buffer{};
  for (size_t size = 0; (size = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    output.append(buffer.data(), size);
  output += fmt::format("exit {}", pclose(pipe) / 256);
  for (size_t at = 0; (at = output.find(folder.path().string(), at)) != std::string::npos;)
    output.replace(at, folder.path().string().size(), "~");
  return output;
}

TEST(SlurmScriptsTest, PrepareRecordsWhatIsShared) {
  const TemporaryFolder folder;
  EXPECT_EQ(output_of(folder, prepare_script(a_sweep(folder)), "SLURM_CPUS_PER_TASK=3"),
            "[sweep] [prepare] [~/shared folder/head-share/head-share.toml] [--base] [~/a base] "
            "[--traces] [~/shared folder/head-share/traces] [--threads] [3] \nexit 0");
}

TEST(SlurmScriptsTest, ATaskRunsItsPartIntoItsShard) {
  const TemporaryFolder folder;
  const std::string script = array_script(a_sweep(folder));
  const std::string expected =
      "[sweep] [run] [~/shared folder/head-share/head-share.toml] [--base] [~/a base] "
      "[--traces] [~/shared folder/head-share/traces] [--part] [2/4] [--db] [~/shared "
      "folder/head-share/shards/2.db] "
      "[--threads] [3] ";
  EXPECT_EQ(output_of(folder, script, "SLURM_ARRAY_TASK_ID=2 SLURM_CPUS_PER_TASK=3"), expected + "\nexit 0");
  EXPECT_EQ(output_of(folder, script, "SLURM_ARRAY_TASK_ID=2 SLURM_CPUS_PER_TASK=3 SLURM_MEM_PER_NODE=16384"),
            expected + "[--memory] [16384MiB] \nexit 0");
}

TEST(SlurmScriptsTest, AsksForWhatWasAskedFor) {
  const TemporaryFolder folder;
  SlurmSweep sweep = a_sweep(folder);
  for (const std::string& script : {prepare_script(sweep), array_script(sweep), merge_script(sweep)}) {
    for (const char* line : {"--requeue", "--partition=long", "--time=2:00:00", "--mem=16G",
                             "--cpus-per-task=3", "--account=lab", "--constraint=avx512"})
      EXPECT_NE(script.find(fmt::format("#SBATCH {}\n", line)), std::string::npos) << line << " in\n"
                                                                                   << script;
  }
  sweep.request = {};
  sweep.folder = "/100%/head-share";
  const std::string script = array_script(sweep);
  for (const char* word : {"--partition", "--time", "--mem="})
    EXPECT_EQ(script.find(word), std::string::npos);
  EXPECT_NE(script.find("--output=\"/100%%/head-share/logs/task-%a-of-%A.log\""), std::string::npos)
      << script;
}

TEST(SlurmScriptsTest, MergesTheShardsThatAreThere) {
  const TemporaryFolder folder;
  const SlurmSweep sweep = a_sweep(folder);
  const std::string again =
      "[sweep] [slurm] [~/shared folder/head-share/head-share.toml] [--base] [~/a base] [--folder] [~/shared "
      "folder] "
      "[--db] [~/results of all.db] [--after-merge] \nexit 0";
  EXPECT_EQ(output_of(folder, merge_script(sweep)), again);
  folder.write("shared folder/head-share/shards/0.db", "x");
  folder.write("shared folder/head-share/shards/1.db", "");
  folder.write("shared folder/head-share/shards/3.db", "x");
  EXPECT_EQ(
      output_of(folder, merge_script(sweep)),
      "[sweep] [merge] [~/shared folder/head-share/shards/0.db] [~/shared folder/head-share/shards/3.db] "
      "[--db] [~/results of all.db] \n" +
          again);
  folder.write("the program", "#!/bin/bash\necho \"$2\"; exit 3\n");
  std::filesystem::permissions(sweep.program, std::filesystem::perms(0755));
  EXPECT_EQ(output_of(folder, merge_script(sweep)), "merge\nexit 3");
}

TEST(SlurmScriptsTest, RefusesWhatCannotStandInAScript) {
  const TemporaryFolder folder;
  const SlurmSweep good = a_sweep(folder);
  EXPECT_NO_THROW(check_words(good));
  const auto refuses = [](SlurmSweep sweep, const std::string& what, const std::string& why) {
    expect_message("input", {what, why}, [&] { check_words(sweep); });
  };
  SlurmSweep sweep = good;
  for (const char* name : {"", "..", "a/b", "a b", "a;b", "a\nb"}) {
    sweep.name = name;
    refuses(sweep, "name", "allowed");
  }
  for (const char* path : {"/a\"b", "/a$(b)", "/a`b`", "/a\\b", "/a\nb"}) {
    sweep = good;
    sweep.folder = path;
    refuses(sweep, "--folder", "script");
    sweep = good;
    sweep.db = path;
    refuses(sweep, "--db", "script");
  }
  sweep = good;
  sweep.request.time = "1 hour";
  refuses(sweep, "--time", "blanks");
  sweep = good;
  sweep.request.options = {"account=lab"};
  refuses(sweep, "--sbatch-option", "account=lab");
  sweep.request.options = {"--comment=a\n#SBATCH --uid=0"};
  refuses(sweep, "--sbatch-option", "script");
}

}  // namespace
}  // namespace razorscope::testing
