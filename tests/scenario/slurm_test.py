"""A sweep as a job array on a real Slurm, which the test starts on this machine and ends.

    slurm_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]

Ends with exit code 77, which CTest takes for skipped, and the reason, where Slurm cannot run here. Takes one to three minutes.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

RAZORSCOPE = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
sys.path.insert(0, str(SOURCE / "tests/support"))
import same_rows  # noqa: E402
from loopback_slurm import LoopbackSlurm, Unavailable  # noqa: E402

SKIPPED = 77
MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"
SWEEP = f"""
[[eval]]
model = "{MODEL}"
text = "harbour.txt"
prefix = [256, 320, 384, 448, 512, 576, 640, 704]
steps = 256
policies = ["full", "window:recent=124", "h2o", "full+q8_0"]
[[replay]]
model = "{MODEL}"
text = "harbour.txt"
prefix = [128, 192, 256, 320]
steps = 16
policies = ["full", "window:recent=60"]
"""
TASKS = 4
PATIENCE = 400


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE} s until {what}")
        time.sleep(0.1)
    return value


def processes_of_task(task, configuration):
    """Our program, in this task of a job of this Slurm."""
    wanted = {f"SLURM_ARRAY_TASK_ID={task}".encode(), f"SLURM_CONF={configuration}".encode()}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.path.samefile(folder / "exe", RAZORSCOPE) and wanted <= set((folder / "environ").read_bytes().split(b"\0")):
                yield int(folder.name)
        except OSError:  # it ended meanwhile
            continue


class SlurmTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_real_slurm_"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        shutil.copy(SOURCE / "experiments/texts/harbour.txt", cls.folder)
        cls.file = cls.folder / "array.toml"
        cls.file.write_text(SWEEP)
        cls.shared = cls.folder / "shared"
        cls.db = cls.folder / "results.db"

    def run_it(self, *arguments):
        result = subprocess.run([RAZORSCOPE, "sweep", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                                env=SLURM.environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def status(self):
        return json.loads(self.run_it("status", self.file, "--folder", self.shared, "--json"))

    def logs(self):
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted((self.shared / "array/logs").glob("*.log")))

    def submit(self, *options):
        return self.run_it("slurm", self.file, "--folder", self.shared, "--db", self.db, *options)

    def wait_until_over(self):
        wait_until(lambda: not self.status()["active"], f"the queue is empty; it holds\n{SLURM.ask('squeue', '-r')}\n{self.logs()}")

    def task_at_work(self, but=None):
        """The number of a task that has made something and has much left to make, and the status that says so."""
        def look():
            status = self.status()
            for number, task in enumerate(status["tasks"]):
                if task["state"] == "running" and 0 < task["done"] <= task["runs"] / 2 and number != but:
                    return number, status
            return None

        return wait_until(look, "a task is in the middle of its work")

    def kill(self, task):
        processes = wait_until(lambda: list(processes_of_task(task, SLURM.environment["SLURM_CONF"])), "the task's processes show")
        for process in processes:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def requeue(self, task):
        """As Slurm does with a task whose node failed; but it then waits for two minutes."""
        array = json.loads((self.shared / "array/jobs.json").read_text())["array_job"]
        self.assertEqual(SLURM.ask("scontrol", "requeue", f"{array}_{task}"), "")
        wait_until(lambda: f"{array}_{task}|BeginTime" in SLURM.ask("squeue", "-h", "-r", "-o", "%i|%r").splitlines(), "it waits")
        self.assertEqual(SLURM.ask("scontrol", "update", f"JobId={array}_{task}", "StartTime=now"), "")
        return self.shared / f"array/logs/task-{task}-of-{array}.log"

    def test_a_lost_task_is_made_up_for(self):
        begin = time.monotonic()
        self.assertIn("submitted", self.submit("--tasks", TASKS, "--time", "10"))
        killed, status = self.task_at_work()
        self.kill(killed)
        self.assertEqual(len(status["tasks"]), TASKS)
        self.assertTrue(status["active"])
        self.assertTrue(status["merge"].startswith("PENDING"), status)
        self.assertIn("nothing submitted", self.submit())
        requeued, status = self.task_at_work(but=killed)
        log = self.requeue(requeued)
        self.wait_until_over()
        self.assertEqual(log.read_text().count("results in"), 2, self.logs())
        self.assertIn(f"tasks {killed} were lost", self.logs())
        status = self.status()
        self.assertEqual((status["done"], status["failed"], status["merged"], status["round"]), (status["runs"], 0, status["runs"], 1))
        on_slurm = time.monotonic() - begin
        self.assertIn("nothing submitted", self.submit())
        self.run_it("run", self.file, "--db", self.folder / "local.db", "--threads", 1)
        self.assertEqual(same_rows.compare(self.folder / "local.db", self.db), "")
        print(f"{status['runs']} runs in {TASKS} tasks, one killed, one requeued: {on_slurm:.0f} s on Slurm", file=sys.stderr)


if __name__ == "__main__":
    try:
        with LoopbackSlurm() as SLURM:
            unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
    except Unavailable as problem:
        print(f"skipped: Slurm cannot run here: {problem}")
        sys.exit(SKIPPED)
