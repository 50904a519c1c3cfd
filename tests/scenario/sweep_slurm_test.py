"""Sweeps for Slurm without one: what is submitted, what tasks and merge do, what is told of them.

    sweep_slurm_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]

Fakes stand for Slurm's commands; the scripts that they are given run here, by hand.
"""

import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

RAZORSCOPE = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
sys.path.insert(0, str(SOURCE / "tests/support"))
import same_rows  # noqa: E402

MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_slurm_"))
ENVIRONMENT = {**os.environ, "XDG_DATA_HOME": str(FOLDER / "data"), "XDG_CACHE_HOME": str(FOLDER / "cache"),
               "XDG_CONFIG_HOME": str(FOLDER / "config"), "OMP_WAIT_POLICY": "passive"}
for variable in ("RAZORSCOPE_TARGET", "RAZORSCOPE_DEVICES", "SLURM_MEM_PER_NODE"):
    ENVIRONMENT.pop(variable, None)
DONE, FAILED, BAD_INPUT = 0, 1, 2
SWEEP = f"""
name = "small"
[[eval]]
model = "{MODEL}"
text = "harbour.txt"
prefix = [64, 96]
steps = 8
policies = ["full", "window:recent=32"]
[[replay]]
model = "{MODEL}"
text = "harbour.txt"
prefix = 64
steps = 8
policies = ["full", "window:recent=32"]
"""
RUNS = 6
# Each notes its arguments and answers from files beside it; a file NAME.fails holds what it says when it fails, NAME.meanwhile
# what happens, once, before it answers.
FAKE = """#!/bin/bash
here=$(dirname "$0")
name=$(basename "$0")
printf '%s\\n' "$name $*" >>"$here/calls"
if [[ -e $here/$name.meanwhile ]]; then mv "$here/$name.meanwhile" "$here/happened"; source "$here/happened"; fi
if [[ -e $here/$name.fails ]]; then cat "$here/$name.fails" >&2; exit 1; fi
case $name in
  sbatch)
    job=$(($(cat "$here/last_job") + 1))
    echo $job >"$here/last_job"
    echo $job ;;
  *) cat "$here/$name.answer" 2>/dev/null || true ;;
esac
"""


def tearDownModule():
    shutil.rmtree(FOLDER)


class SlurmTest(unittest.TestCase):
    def setUp(self):
        self.home = FOLDER / self.id().rsplit(".", 1)[1]
        self.bin = self.home / "bin"
        self.bin.mkdir(parents=True)
        (self.bin / "last_job").write_text("100")
        for name in ("sbatch", "squeue", "scancel", "sacct"):
            (self.bin / name).write_text(FAKE)
            (self.bin / name).chmod(0o755)
        self.environment = {**ENVIRONMENT, "PATH": f"{self.bin}:{ENVIRONMENT['PATH']}"}
        self.base = self.home / "sweeps of mine"
        self.base.mkdir()
        shutil.copy(SOURCE / "experiments/texts/harbour.txt", self.base)
        self.file = self.base / "small.toml"
        self.file.write_text(SWEEP)
        self.shared = self.home / "shared by all"
        self.own = self.shared / "small"
        self.db = self.home / "results.db"

    def run_it(self, *arguments):
        return subprocess.run([RAZORSCOPE, "sweep", *map(str, arguments)], capture_output=True, text=True, timeout=120,
                              env=self.environment)

    def succeed(self, *arguments):
        result = self.run_it(*arguments)
        self.assertEqual(result.returncode, DONE, result.stderr)
        return result.stdout

    def refuse(self, *arguments, code, names):
        result = self.run_it(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        for name in names:
            self.assertIn(str(name), result.stderr)

    def slurm(self, *options):
        return ["slurm", self.file, "--folder", self.shared, "--db", self.db, *options]

    def calls(self, name="sbatch"):
        """The commands that were run since the last time."""
        file = self.bin / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line for line in lines if line.startswith(name + " ")]

    def answer(self, name, text):
        (self.bin / f"{name}.answer").write_text(text)

    def breaks(self, name, text):
        (self.bin / f"{name}.fails").write_text(text)

    def run_script(self, name, code=DONE, **environment):
        result = subprocess.run(["bash", self.own / name], capture_output=True, text=True, timeout=120,
                                env={**self.environment, "SLURM_CPUS_PER_TASK": "1", **environment})
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout + result.stderr

    def status(self, *options):
        return json.loads(self.succeed("status", self.file, "--folder", self.shared, "--json", *options))


class SubmitTest(SlurmTest):
    def test_a_dry_run_shows_all_and_does_nothing(self):
        text = self.succeed(*self.slurm("--tasks", 3, "--partition", "long", "--time", "1:00:00", "--memory", "2G", "--cpus", 2,
                                        "--sbatch-option", "--account=lab", "--sbatch-option=--nice", "--dry-run"))
        for word in ("prepare.sh", "array.sh", "merge.sh", "#SBATCH --partition=long", "#SBATCH --time=1:00:00", "#SBATCH --mem=2G",
                     "#SBATCH --cpus-per-task=2", "#SBATCH --account=lab", "#SBATCH --nice", "#SBATCH --requeue",
                     "--array=0-2 --dependency=afterok:PREPARE", "--dependency=afterany:ARRAY"):
            self.assertIn(word, text)
        self.assertFalse(self.shared.exists())
        self.assertEqual(self.calls(), [])

    def test_submits_preparation_tasks_and_merge_once(self):
        text = self.succeed(*self.slurm("--tasks", 3))
        self.assertIn("101 (prepare)", text)
        self.assertEqual(self.calls(), [f"sbatch --parsable {self.own}/prepare.sh",
                                        f"sbatch --parsable --array=0-2 --dependency=afterok:101 {self.own}/array.sh",
                                        f"sbatch --parsable --dependency=afterany:102 {self.own}/merge.sh"])
        self.assertEqual((self.own / "small.toml").read_text(), SWEEP)
        self.answer("squeue", "102_1|RUNNING|None\n103|PENDING|Dependency\n")
        self.assertIn("nothing submitted", self.succeed(*self.slurm()))
        self.assertEqual(self.calls(), [])
        # A file that changes under its jobs would be cut another way.
        self.file.write_text(SWEEP + "# changed\n")
        self.refuse(*self.slurm(), code=BAD_INPUT, names=["small.toml", "scancel"])
        self.file.write_text(SWEEP)
        self.refuse(*self.slurm("--tasks", 2), code=BAD_INPUT, names=["--tasks", "3 tasks"])
        # Lost all of them, and the preparation was done.
        self.answer("squeue", "")
        self.run_script("prepare.sh")
        self.succeed(*self.slurm())
        self.assertEqual(self.calls(), [f"sbatch --parsable --array=0-2 {self.own}/array.sh",
                                        f"sbatch --parsable --dependency=afterany:104 {self.own}/merge.sh"])

    def test_takes_no_more_tasks_than_there_are_processes(self):
        document = json.loads(self.succeed(*self.slurm("--tasks", 1000, "--json")))
        self.assertEqual((document["tasks"], document["prepare_job"], document["array_job"], document["merge_job"]), (3, 101, 102, 103))

    def test_says_why_it_cannot(self):
        self.breaks("sbatch", "sbatch: error: invalid partition specified: none\n")
        self.refuse(*self.slurm("--partition", "none"), code=FAILED, names=["sbatch failed", "invalid partition"])
        (self.bin / "sbatch.fails").unlink()
        # What was submitted before the refusal is cancelled.
        (self.bin / "sbatch").write_text(FAKE.replace("case $name", 'if [[ $* == *--array* ]]; then echo no arrays >&2; exit 1; fi\ncase $name'))
        self.calls()
        self.refuse(*self.slurm(), code=FAILED, names=["no arrays"])
        self.assertEqual(self.calls("scancel"), ["scancel 101"])
        (self.bin / "sbatch").write_text(FAKE)
        self.succeed(*self.slurm())
        self.breaks("squeue", "slurm_load_jobs error: Unable to contact slurm controller\n")
        self.refuse(*self.slurm(), code=FAILED, names=["squeue failed", "Unable to contact"])
        self.breaks("squeue", "slurm_load_jobs error: Invalid job id specified\n")  # forgotten, long ago
        self.assertIn("submitted", self.succeed(*self.slurm()))
        for name in ("sbatch", "squeue"):
            (self.bin / name).unlink()
        self.environment["PATH"] = f"{self.bin}:/nonexistent"
        self.refuse(*self.slurm(), code=FAILED, names=["there is no squeue here"])

    def test_refuses_bad_folders_and_options(self):
        (self.home / "file").write_text("")
        self.refuse("slurm", self.file, "--folder", self.home / "file", "--db", self.db, code=FAILED, names=["file/small", "cannot make"])
        self.refuse("slurm", self.file, "--folder", self.home / 'a"b', "--db", self.db, code=BAD_INPUT, names=["--folder", 'a"b'])
        self.refuse(*self.slurm("--sbatch-option", "account=lab"), code=BAD_INPUT, names=["--sbatch-option", "account=lab"])
        self.refuse(*self.slurm("--time", "1 hour"), code=BAD_INPUT, names=["--time"])
        self.refuse(*self.slurm("--tasks", 0), code=BAD_INPUT, names=["--tasks"])
        self.refuse("slurm", self.home / "none.toml", "--folder", self.shared, code=BAD_INPUT, names=["none.toml"])
        self.refuse("slurm", self.file, code=BAD_INPUT, names=["--folder"])
        self.refuse("status", self.file, "--folder", self.shared, code=BAD_INPUT, names=[self.own, "no jobs"])
        self.refuse(*self.slurm("--after-merge"), code=BAD_INPUT, names=[self.own, "no jobs"])
        self.assertEqual(self.calls(), [])
        self.succeed(*self.slurm())
        (self.own / "jobs.json").write_text("{")
        self.refuse(*self.slurm(), code=BAD_INPUT, names=["jobs.json"])


class JobsTest(SlurmTest):
    def test_tasks_and_merges_end_with_what_one_run_makes(self):
        self.succeed("run", self.file, "--db", self.home / "local.db", "--threads", 1)
        self.succeed(*self.slurm("--tasks", 3, "--rounds", 1))
        self.calls()
        self.run_script("prepare.sh")
        self.assertIn("is there", self.run_script("prepare.sh"))
        self.assertEqual(len([trace for trace in (self.own / "traces").iterdir() if trace.suffix != ".lock"]), 1)
        self.run_script("array.sh", SLURM_ARRAY_TASK_ID="0")
        (self.own / "shards/1.db").write_bytes(b"")  # lost at its very beginning
        self.run_script("array.sh", SLURM_ARRAY_TASK_ID="2")
        self.answer("squeue", "102_1|RUNNING|None\n103|PENDING|Dependency\n")
        status = self.status()
        self.assertEqual([task["state"] for task in status["tasks"]], ["done", "running", "done"])
        self.assertEqual((status["runs"], status["done"], status["failed"], status["merged"]), (RUNS, RUNS - 2, 0, 0))
        self.assertTrue(status["active"])
        self.assertGreater(status["left_seconds"], 0)

        said = self.run_script("merge.sh")
        self.assertIn("tasks 1 were lost", said)
        self.assertIn("round 1 of 1", said)
        self.assertEqual(self.calls(), [f"sbatch --parsable --array=1 {self.own}/array.sh",
                                        f"sbatch --parsable --dependency=afterany:104 {self.own}/merge.sh"])
        self.answer("squeue", "")
        self.answer("sacct", "104_1|TIMEOUT\n")
        status = self.status()
        self.assertEqual((status["tasks"][1]["state"], status["tasks"][1]["detail"], status["merged"]), ("lost", "TIMEOUT", RUNS - 2))
        self.assertFalse(status["active"])
        self.assertIn("TIMEOUT", self.succeed("status", "small", "--folder", self.shared))
        # Lost again, after all rounds.
        said = self.run_script("merge.sh", code=FAILED)
        self.assertIn("submitted again 1 times", said)
        self.assertEqual(self.calls(), [])

        self.succeed(*self.slurm())  # by hand: its rounds begin anew
        self.assertEqual(self.calls()[0], f"sbatch --parsable --array=1 {self.own}/array.sh")
        self.run_script("array.sh", SLURM_ARRAY_TASK_ID="1")
        self.run_script("array.sh", SLURM_ARRAY_TASK_ID="0")  # requeued: all is done
        self.assertIn(f"all {RUNS} runs have been made", self.run_script("merge.sh"))
        self.assertEqual(same_rows.compare(self.home / "local.db", self.db), "")
        self.assertIn("nothing submitted", self.succeed(*self.slurm()))
        self.assertEqual(self.calls(), [])
        self.run_script("merge.sh")
        self.assertEqual(same_rows.compare(self.home / "local.db", self.db), "")
        # Only the merge is left to be made.
        for name in self.home.glob("results.db*"):
            name.unlink()
        self.succeed(*self.slurm())
        self.assertEqual(self.calls(), [f"sbatch --parsable {self.own}/merge.sh"])

    def test_a_status_beside_a_merge_that_submits_again_sees_the_new_jobs(self):
        self.succeed(*self.slurm("--tasks", 3))
        self.run_script("prepare.sh")
        self.run_script("array.sh", SLURM_ARRAY_TASK_ID="0")
        # Between the reading of jobs.json and the answer of squeue, which then knows nothing of the first jobs.
        (self.bin / "squeue.meanwhile").write_text(f"""bash "{self.own}/merge.sh" >/dev/null
            printf '104_1|RUNNING|None\\n104_2|RUNNING|None\\n105|PENDING|Dependency\\n' >"$here/squeue.answer"
            return_nothing=1
        """)
        (self.bin / "squeue").write_text(FAKE.replace("case $name", "if [[ -v return_nothing ]]; then exit 0; fi\ncase $name"))
        status = self.status()
        self.assertTrue(status["active"])
        self.assertEqual((status["round"], status["merge"]), (1, "PENDING, Dependency"))
        self.assertEqual([task["state"] for task in status["tasks"]], ["done", "running", "running"])
        self.assertEqual(len(self.calls("squeue")), 2)

    def test_what_ended_while_the_queue_was_asked_is_not_lost(self):
        self.succeed(*self.slurm("--tasks", 3))
        self.run_script("prepare.sh")
        (self.bin / "squeue.meanwhile").write_text("".join(
            f"""SLURM_CPUS_PER_TASK=1 SLURM_ARRAY_TASK_ID={task} bash "{self.own}/array.sh" >/dev/null 2>&1\n""" for task in range(3)))
        status = self.status()
        self.assertEqual(status["done"], RUNS)
        self.assertEqual([task["state"] for task in status["tasks"]], ["done", "done", "done"])

    def test_what_the_database_has_is_not_made_again(self):
        self.succeed("run", self.file, "--db", self.db, "--threads", 1, "--part", "1/3", "--traces", self.own / "traces")
        self.succeed(*self.slurm("--tasks", 3))
        self.assertIn("--array=0,2 ", " ".join(self.calls()))

    def test_runs_that_fail_are_told_and_not_tried_for_ever(self):
        self.file.write_text(SWEEP.replace("prefix = [64, 96]", "prefix = [64, 1000000]"))
        self.succeed(*self.slurm("--tasks", 3))
        self.run_script("prepare.sh")
        for task in range(3):
            self.run_script("array.sh", SLURM_ARRAY_TASK_ID=str(task), code=DONE if task != 1 else FAILED)
        self.calls()
        self.assertIn("2 of them failed", self.run_script("merge.sh"))
        self.assertEqual(self.calls(), [])
        status = self.status()
        self.assertEqual((status["failed"], status["tasks"][1]["failed"]), (2, 2))

    def test_a_shard_that_is_damaged_is_told(self):
        self.succeed(*self.slurm("--tasks", 3))
        (self.own / "shards/1.db").write_bytes(b"x" * 5000)
        self.assertIn("not a SQLite database", self.status()["tasks"][1]["detail"])
        self.assertIn("1.db", self.run_script("merge.sh", code=BAD_INPUT))


class MergeTest(SlurmTest):
    def test_merges_and_says_what(self):
        self.succeed("run", self.file, "--db", self.home / "all.db", "--threads", 1)
        for part in range(2):
            self.succeed("run", self.file, "--db", self.home / f"{part}.db", "--threads", 1, "--part", f"{part}/2")
        text = self.succeed("merge", self.home / "1.db", self.home / "0.db", self.home / "1.db", "--db", self.db)
        self.assertIn("3 databases merged", text)
        self.assertIn(" 0 rows added", text)
        self.assertEqual(same_rows.compare(self.home / "all.db", self.db), "")
        document = json.loads(self.succeed("merge", self.home / "0.db", "--db", self.db, "--json"))
        self.assertEqual((document["databases"], document["added"]), (1, 0))
        with sqlite3.connect(self.db) as database:
            database.execute("UPDATE sweep_cells SET state = 'failed' WHERE id = 1")
        self.assertIn("sweep_cells", same_rows.compare(self.home / "all.db", self.db))

    def test_refuses_what_is_no_database(self):
        other = self.home / "other.db"
        other.write_text("no database at all, of no kind, and longer than a header of one hundred bytes would be, if there were one")
        self.refuse("merge", other, "--db", self.db, code=BAD_INPUT, names=[other])
        self.refuse("merge", self.home / "none.db", "--db", self.db, code=BAD_INPUT, names=["none.db", "no such file"])
        self.refuse("merge", "--db", self.db, code=BAD_INPUT, names=["DATABASE"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
