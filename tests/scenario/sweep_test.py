"""Sweeps as users run them: what is done once stays done, whatever happens in between.

Usage: sweep_test.py PROGRAM SOURCES [--kills N] [unittest arguments]
"""

import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, SOURCES, KILLS = "", pathlib.Path(), 12

SWEEP = """
[[replay]]
model = "tiny-alibi"
text = "text.txt"
prefix = [64, 96]
steps = 8
policies = ["full", "window:recent=16", {selection = "window", recent = [24, 32], codec = ["f16", "q8_0"]}]

[[eval]]
model = "tiny-alibi"
text = "text.txt"
prefix = [48, 64]
steps = 8
policies = ["full", "window:recent=16"]

[[plan]]
model = "llama-3.1-8b"
device = ["L40S", "H100 SXM"]
context = [4096, 8192]
policies = "full;razor"

[[serve]]
model = "llama-3.1-8b"
device = "L40S"
workload = "poisson:rate=2,requests=40,input=fixed(500),output=fixed(50),seed=1"
rate = [1, 2.5]
policies = ["full", "window:recent=200"]
"""
RUNS = 2 * 6 + 2 * 2 + 4 * 2 + 4


class Folder(unittest.TestCase):
    """Each test in a folder of its own, with a short text, a sweep, and caches that nobody else uses."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sweep-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        words = (SOURCES / "experiments/texts/harbour.txt").read_text().split()
        (self.folder / "text.txt").write_text(" ".join(words[:400]))
        self.sweep = self.write("story.toml", SWEEP)
        self.db = self.folder / "results.db"
        self.environment = dict(os.environ, XDG_CACHE_HOME=str(self.folder / "cache"), OMP_WAIT_POLICY="passive")

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, *words, **more):
        return subprocess.Popen([PROGRAM, *map(str, words)], env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **more)

    def call(self, *words, code=0):
        process = self.start(*words)
        out, err = process.communicate(timeout=240)
        self.assertEqual(process.returncode, code, f"{words}\n{out[-2000:]}\n{err[-4000:]}")
        self.stderr = err
        return out

    def json(self, *words, code=0):
        return json.loads(self.call(*words, "--json", code=code))

    def rows(self, sql, *values, db=None):
        database = sqlite3.connect(db or self.db)
        try:
            return database.execute(sql, values).fetchall()
        finally:
            database.close()

    def one(self, sql, *values, db=None):
        return self.rows(sql, *values, db=db)[0][0]

    def assert_same(self, left, right):
        done = subprocess.run([sys.executable, SOURCES / "tests/support/same_rows.py", left, right],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr)

    def undisturbed(self):
        """The database of a sweep that nothing happened to."""
        db = self.folder / "undisturbed.db"
        self.call("sweep", "run", self.sweep, "--db", db)
        return db


class Plans(Folder):
    def test_check_runs_nothing(self):
        document = self.json("sweep", "check", self.sweep)
        self.assertEqual(len(document["runs"]), RUNS)
        self.assertEqual(document["processes"], 2 + 2 + 4 + 4)  # policies of a setting share one; a simulation has its own
        self.assertEqual(document["traces"], 1)  # for both prefixes
        self.assertGreater(document["seconds"], 0)
        self.assertGreater(document["memory_bytes"], 1e6)
        self.assertGreater(document["disk_bytes"], 1e4)
        self.assertFalse(self.db.exists())
        text = self.call("sweep", "check", self.sweep)
        self.assertIn("28 runs in 12 processes", text)
        self.assertIn("record  104 tokens", text)

    def test_samples_are_sound(self):
        inspected = subprocess.run([PROGRAM, "inspect", "smollm2-135m"], capture_output=True)
        for path in sorted((SOURCES / "experiments/configs").glob("*.toml")):
            if "smollm2" in path.read_text() and inspected.returncode:
                print(f"{path.name}: not checked, its model is not installed", file=sys.stderr)
                continue
            environment, self.environment = self.environment, dict(os.environ)
            document = self.json("sweep", "check", path)
            self.environment = environment
            self.assertEqual(document["refusals"], [], path)
            self.assertGreater(len(document["runs"]), 3, path)

    def test_faults_name_line_and_nearest_name(self):
        for text, line, part in [
                ("[[replay]]\ntrace = 'x'\nprefix = 4\nsteps = 4\npolicies = 'full'\nprefixes = 3\n", 6, "did you mean 'prefix'"),
                ("[[replya]]\ntrace = 'x'\n", 1, "did you mean 'replay'"),
                ("[[replay]]\nmodel = 'tiny-alibi'\ntext = 'text.txt'\nprefix = '4'\nsteps = 4\npolicies = 'full'\n", 4, "an integer"),
                ("[[replay]]\nmodel = 'tiny-alibi'\ntext = 'text.txt'\nprefix = 4\nsteps = 4\npolicies = ['full', 'windw']\n", 6,
                 "did you mean 'window'"),
                ("[[replay]]\nmodel = 'tiny-alibi'\ntext = 'text.txt'\nprefix = 4\nsteps = 4\n"
                 "policies = [{selection = 'window', recnt = [1, 2]}]\n", 6, "did you mean 'recent'"),
                ("[[replay]]\nmodel = 'tiny-alibi'\ntext = 'text.txt'\nprefix = []\nsteps = 4\npolicies = 'full'\n", 4, "empty"),
                ("[[replay]]\nmodel = 'tiny-alibi'\ntext = 'text.txt'\nsteps = 4\npolicies = 'full'\n", 1, "prefix: is missing"),
                ("[[eval]]\nmodel = 'tiny-alibi'\ntext = 'text.txt'\nprefix = 4\nsteps = 4\n", 1, "policies: is missing"),
                ("[[task.nedle]]\nmodel = 'tiny-alibi'\n", 1, "did you mean 'needle'"),
                ("name = 'x'\n", 1, "[[replay]]"),
                ("[[replay]\n", 1, "TOML"),
        ]:
            with self.subTest(text=text):
                path = self.write("bad.toml", text)
                self.call("sweep", "check", path, code=2)
                self.assertIn(f"bad.toml: line {line}: ", self.stderr)
                self.assertIn(part, self.stderr)
                self.call("sweep", "run", path, "--db", self.db, code=2)
        self.assertFalse(self.db.exists())
        for content in (b"", b"\xff\xfe\x00", b"a" * 3_000_000, b"a." * 100_000 + b"= 1"):
            path = self.folder / "bad.toml"
            path.write_bytes(content)
            self.call("sweep", "check", path, code=2)
        grid = ", ".join(map(str, range(1, 400)))
        path = self.write("bad.toml", "[[replay]]\nmodel = 'tiny-alibi'\ntext = 'text.txt'\npolicies = 'full'\n"
                          f"prefix = [{grid}]\nsteps = [{grid}]\n")
        self.call("sweep", "check", path, code=2)
        self.assertIn("more than 100000 runs", self.stderr)

    def test_what_commands_refuse_is_told_before(self):
        path = self.write("bad.toml", SWEEP.replace('device = ["L40S", "H100 SXM"]', 'device = ["L40S", "H1000 SXM"]'))
        self.call("sweep", "check", path, code=2)
        self.assertIn("H1000 SXM", self.stderr)
        self.assertIn("2 of 12 processes would be refused", self.stderr)


class Runs(Folder):
    def test_what_is_done_stays_done(self):
        document = self.json("sweep", "run", self.sweep, "--db", self.db)
        self.assertEqual((document["runs"], document["done"], document["failed"]), (RUNS, RUNS, 0))
        self.assertEqual(self.one("SELECT count(*) FROM replay_results"), 12)
        self.assertEqual(self.one("SELECT count(*) FROM eval_results"), 4)
        self.assertEqual(self.one("SELECT count(*) FROM plans"), 8)
        self.assertEqual(self.one("SELECT count(*) FROM serving_runs"), 4)
        self.assertEqual(self.rows("SELECT attempts, count(*) FROM sweep_cells GROUP BY attempts"), [(1, RUNS)])
        self.assertEqual(self.one("SELECT count(*) FROM sweep_runs WHERE run_id IS NULL"), 0)
        self.assertEqual(self.one("SELECT count(*) FROM sweep_runners"), 0)
        # All policies of a setting in one process: one pass over the trace.
        self.assertEqual(self.one("SELECT count(DISTINCT command_line) FROM runs WHERE kind = 'replay'"), 2)
        report = self.json("report", "--db", self.db, "--sweep", "story")
        self.assertEqual(sum(len(group["policies"]) for group in report["groups"]), 12)
        self.assertEqual(sum(len(group["policies"]) for group in report["serving"]), 4)
        self.call("report", "--db", self.db, "--sweep", "stry", code=2)
        self.assertIn("did you mean 'story'", self.stderr)
        self.call("replay", "--trace", self.one("SELECT path FROM traces"), "--prefix", 50, "--steps", 4, "--policies", "full",
                  "--db", self.db)
        report = self.json("report", "--db", self.db, "--sweep", "story", "--section", "replay")
        self.assertEqual(sum(len(group["policies"]) for group in report["groups"]), 12)
        started = self.rows("SELECT id, started_utc FROM runs")
        self.call("sweep", "run", self.sweep, "--db", self.db)
        self.assertEqual(self.rows("SELECT id, started_utc FROM runs"), started)

        self.write("story.toml", SWEEP.replace('"window:recent=16", {', '"window:recent=16", "window:recent=20", {'))
        document = self.json("sweep", "run", self.sweep, "--db", self.db)
        self.assertEqual(document["done"], RUNS + 2)
        self.assertEqual(self.rows("SELECT attempts, count(*) FROM sweep_cells GROUP BY attempts"), [(1, RUNS + 2)])
        self.assertEqual(self.json("sweep", "status", "story", "--db", self.db)["done"], RUNS + 2)
        self.call("sweep", "status", "stry", "--db", self.db, code=2)
        self.assertIn("did you mean 'story'", self.stderr)

    def test_a_sweep_is_what_its_commands_are(self):
        self.call("sweep", "run", self.sweep, "--db", self.db)
        trace = self.one("SELECT path FROM traces")
        by_hand = self.folder / "by_hand.db"
        for prefix in (64, 96):
            self.call("replay", "--trace", trace, "--prefix", prefix, "--steps", 8, "--db", by_hand, "--policies",
                      "full;window:recent=16;window:recent=24;window:recent=24+q8_0;window:recent=32;window:recent=32+q8_0")
        wanted = "SELECT config_hash, relative_error_mean, physical_bytes FROM runs JOIN replay_results ON run_id = id ORDER BY 1"
        self.assertEqual(self.rows(wanted), self.rows(wanted, db=by_hand))

    def test_one_bad_policy_does_not_take_the_others_along(self):
        (self.folder / "heads.json").write_text('{"retrieval_kv_heads": [[99, 99]]}')
        heads = self.folder / "heads.json"
        path = self.write("bad.toml", SWEEP.replace('"window:recent=16", {', f'"razor/none:heads={heads}", "window:recent=16", {{'))
        self.call("sweep", "run", path, "--db", self.db, code=1)
        self.assertIn("2 of 30 runs failed", self.stderr)
        failed = self.rows("SELECT policy, message, command_line, exit_code FROM sweep_cells WHERE state = 'failed'")
        self.assertEqual(len(failed), 2)
        for policy, message, command_line, exit_code in failed:
            self.assertTrue(policy.startswith("razor/none"))
            self.assertIn("heads.json", message)
            self.assertIn(" replay ", command_line)
            self.assertEqual(exit_code, 2)
        self.assertEqual(self.one("SELECT count(*) FROM sweep_cells WHERE state = 'done'"), RUNS)
        attempts = self.rows("SELECT id, attempts FROM sweep_cells WHERE state = 'failed'")
        self.call("sweep", "run", path, "--db", self.db, code=1)  # failures rest until they are asked for
        self.assertEqual(self.rows("SELECT id, attempts FROM sweep_cells WHERE state = 'failed'"), attempts)
        self.call("sweep", "resume", path, "--db", self.db, code=1)
        self.assertEqual(self.rows("SELECT id, attempts FROM sweep_cells WHERE state = 'failed'"),
                         [(cell, count + 1) for cell, count in attempts])

    def test_a_trace_that_cannot_be_recorded(self):
        (self.folder / "text.txt").write_text("too short")
        self.call("sweep", "run", self.sweep, "--db", self.db, code=1)
        self.assertEqual(self.one("SELECT count(*) FROM sweep_cells WHERE state = 'failed' AND command = 'replay'"), 12)
        self.assertIn("its trace", self.one("SELECT message FROM sweep_cells WHERE command = 'replay'"))
        self.assertEqual(self.one("SELECT count(*) FROM sweep_cells WHERE state = 'done'"), 12)

    def test_two_runners(self):
        runners = [self.start("sweep", "run", self.sweep, "--db", self.db) for _ in range(2)]
        for runner in runners:
            out, err = runner.communicate(timeout=240)
            self.assertEqual(runner.returncode, 0, err)
            self.assertNotIn("locked", err)
        self.assertEqual(self.rows("SELECT attempts, count(*) FROM sweep_cells GROUP BY attempts"), [(1, RUNS)])
        self.assert_same(self.db, self.undisturbed())

    def test_interrupt_leaves_a_clean_database(self):
        runner = self.start("sweep", "run", self.sweep, "--db", self.db)
        while not self.db.exists() or not self.rows("SELECT 1 FROM sqlite_schema WHERE name = 'sweep_cells'") or \
                not self.one("SELECT count(*) FROM sweep_cells WHERE state = 'running'"):
            time.sleep(0.01)
            self.assertIsNone(runner.poll())
        status = self.json("sweep", "status", self.sweep, "--db", self.db)  # from another terminal
        self.assertGreater(status["running"], 0)
        self.assertEqual(status["runners"][0]["pid"], runner.pid)
        runner.send_signal(signal.SIGINT)
        out, err = runner.communicate(timeout=60)
        self.assertEqual(runner.returncode, 130, err)
        self.assertEqual(self.one("SELECT count(*) FROM sweep_cells WHERE state IN ('running', 'failed')"), 0)
        self.assertEqual(self.one("SELECT count(*) FROM sweep_runners"), 0)
        self.assertEqual(self.one("PRAGMA integrity_check"), "ok")
        self.call("sweep", "resume", self.sweep, "--db", self.db)
        self.assert_same(self.db, self.undisturbed())


class Kills(Folder):
    def children(self, pid):
        done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
        return [int(word) for word in done.stdout.split()]

    def test_kills_at_random_moments(self):
        """kill -9 of the runner or of a child, again and again; in the end all is as if nothing had happened."""
        chance = random.Random(7)
        begin = time.time()
        undisturbed = self.undisturbed()
        whole = time.time() - begin
        killed = rounds = 0
        while killed < KILLS:
            rounds += 1
            db = self.folder / f"killed-{rounds}.db"
            shutil.rmtree(self.folder / "cache", ignore_errors=True)
            while killed < KILLS:
                done_before = 0
                if db.exists() and self.rows("SELECT 1 FROM sqlite_schema WHERE name = 'sweep_cells'", db=db):
                    done_before = self.one("SELECT count(*) FROM sweep_cells WHERE state = 'done'", db=db)
                runner = self.start("sweep", "resume", self.sweep, "--db", db)
                time.sleep(chance.random() * whole * 0.6)
                children = self.children(runner.pid)
                victim = chance.choice(children) if children and chance.random() < 0.4 else runner.pid
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                if victim == runner.pid:
                    runner.communicate()
                    ended = runner.returncode != -signal.SIGKILL
                else:
                    runner.communicate(timeout=240)
                    ended = True
                killed += not ended or victim != runner.pid
                if db.exists() and db.stat().st_size and self.rows("SELECT 1 FROM sqlite_schema WHERE name = 'sweep_cells'", db=db):
                    self.assertEqual(self.one("PRAGMA integrity_check", db=db), "ok")
                    self.assertEqual(self.rows("PRAGMA foreign_key_check", db=db), [])
                    # Nothing that was done is lost.
                    self.assertGreaterEqual(self.one("SELECT count(*) FROM sweep_cells WHERE state = 'done'", db=db), done_before)
                if ended:
                    break
            self.call("sweep", "resume", self.sweep, "--db", db)
            self.assertEqual(self.one("SELECT count(*) FROM sweep_cells WHERE state <> 'done'", db=db), 0)
            self.assert_same(db, undisturbed)
        print(f"{killed} kills in {rounds} sweeps of {RUNS} runs", file=sys.stderr)


class Disks(Folder):
    def mount(self, size):
        """A small file system of its own; skips the test where that is not allowed."""
        disk = self.folder / "disk"
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True, text=True)
        if done.returncode:
            self.skipTest(f"cannot mount a tmpfs: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", disk], check=True)
        return disk

    def test_full_disk(self):
        disk = self.mount("900k")
        db = disk / "results.db"
        process = self.start("sweep", "run", self.sweep, "--db", db)
        out, err = process.communicate(timeout=240)
        self.assertEqual(process.returncode, 1, err)
        self.assertIn("the disk is full", err)
        self.assertIn(str(db), err)
        if db.stat().st_size:
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            self.assertEqual(self.one("PRAGMA integrity_check", db=db), "ok")
        self.call("sweep", "resume", self.sweep, "--db", db)
        self.assert_same(db, self.undisturbed())

    def test_read_only(self):
        disk = self.mount("16m")
        db = disk / "results.db"
        self.call("sweep", "run", self.sweep, "--db", db)
        before = db.read_bytes()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        self.call("sweep", "resume", self.sweep, "--db", db, code=1)
        self.assertIn("read-only", self.stderr)
        self.assertEqual(db.read_bytes(), before)
        self.assertEqual(self.json("sweep", "status", self.sweep, "--db", db)["done"], RUNS)


if __name__ == "__main__":
    PROGRAM, SOURCES = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    rest = sys.argv[3:]
    if "--kills" in rest:
        at = rest.index("--kills")
        KILLS = int(rest[at + 1])
        del rest[at:at + 2]
    unittest.main(argv=[sys.argv[0], *rest])
