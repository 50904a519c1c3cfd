"""Serving as users run it: several policies and rates, the highest rate within a service level, what is stored.

    serve_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]
"""

import csv
import io
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

RAZORSCOPE = sys.argv[1]
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_serve_"))
ENVIRONMENT = {**os.environ, "XDG_DATA_HOME": str(FOLDER / "data"), "XDG_CONFIG_HOME": str(FOLDER / "config"),
               "OMP_WAIT_POLICY": "passive"}
for variable in ("RAZORSCOPE_TARGET", "RAZORSCOPE_DEVICES"):
    ENVIRONMENT.pop(variable, None)
DONE, BAD_INPUT, INTERRUPTED = 0, 2, 130
WORKLOAD = "poisson:rate=5,requests={},input=lognormal(600,0.8),output=lognormal(100,0.8)"
SHORT = ["serve", "--device", "L40S", "--model", "llama-3.1-8b", "--workload", WORKLOAD.format(60)]
LEVEL = ["--slo", "ttft=1s,tpot=40ms"]
# What differs between two runs of the same.
TIMINGS = {"command_line", "started_utc", "wall_seconds", "provenance_id"}


def run(*arguments):
    return subprocess.run([RAZORSCOPE, *map(str, arguments)], capture_output=True, timeout=120, env=ENVIRONMENT, text=True)


def tearDownModule():
    shutil.rmtree(FOLDER)


def rows_of(path, table):
    with sqlite3.connect(path) as database:
        cursor = database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
        names = [column[0] for column in cursor.description]
        return [{name: value for name, value in zip(names, row) if name not in TIMINGS} for row in cursor]


def children_of(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class ServeTest(unittest.TestCase):
    def setUp(self):
        self.db = FOLDER / f"{self.id()}.db"

    def succeed(self, *arguments, db=None):
        result = run(*arguments, "--db", db or self.db)
        self.assertEqual(result.returncode, DONE, result.stderr)
        return result.stdout

    def json_of(self, *arguments, **options):
        return json.loads(self.succeed(*arguments, "--json", **options))

    def refuse(self, *arguments, names):
        result = run(*arguments, "--db", self.db)
        self.assertEqual(result.returncode, BAD_INPUT, result.stderr)
        self.assertEqual(result.stdout, "")
        for name in names:
            self.assertIn(name, result.stderr)


class StoredTest(ServeTest):
    def test_a_run_is_stored_where_the_message_says(self):
        result = run(*SHORT)
        self.assertEqual(result.returncode, DONE, result.stderr)
        path = FOLDER / "data/razorscope/results.db"
        self.assertIn(f"stored in {path}", result.stderr)
        self.assertEqual(len(rows_of(path, "goodput")), 1)

    def test_figures_and_timeline_are_those_that_were_printed(self):
        document = self.json_of(*SHORT, *LEVEL)
        (row,) = rows_of(self.db, "goodput")
        self.assertEqual(row["run_id"], document["run"])
        self.assertEqual(row["device"], "L40S")
        self.assertAlmostEqual(row["rate_per_second"], document["rate"])
        for key in ("ttft", "tpot", "itl", "e2e"):
            for statistic in ("mean", "p50", "p90", "p99", "max"):
                self.assertAlmostEqual(row[f"{key}_{statistic}_ms"], document[f"{key}_ms"][statistic])
        self.assertAlmostEqual(row["goodput_per_second"], document["goodput"])
        self.assertEqual(row["slo_tpot_ms"], 40.0)
        timeline = rows_of(self.db, "serving_timeline")
        self.assertEqual([point["seconds"] for point in timeline], [point["s"] for point in document["timeline"]])

    def test_the_same_again_gives_the_same_rows_and_no_more(self):
        twice, once = FOLDER / "twice.db", FOLDER / "once.db"
        for db in (twice, twice, once):
            self.json_of(*SHORT, *LEVEL, "--policies", "full;razor", "--rates", "3,1", db=db)
            self.json_of(*SHORT, *LEVEL, "--search-rate", db=db)
            self.json_of("plan", "--devices", "L40S", "--model", "llama-3.1-8b", db=db)
        # Ids follow the order in which processes end; all else is the same.
        ids = {"run_id", "id", "search_id", "device_id", "policy_id", "model_id"}
        for table in ("goodput", "capacity", "max_rates", "serving_timeline", "devices", "deployment_runs"):
            both = [sorted(json.dumps({k: v for k, v in row.items() if k not in ids}, sort_keys=True)
                           for row in rows_of(db, table)) for db in (twice, once)]
            self.assertEqual(*both, table)
            self.assertTrue(both[0], table)

    def test_plans_are_stored(self):
        document = self.json_of("plan", "--devices", "L40S;H100 SXM", "--model", "llama-3.1-8b", "--policies", "full;razor")
        rows = {(row["device"], row["policy"]): row for row in rows_of(self.db, "capacity")}
        self.assertEqual(len(rows), 4)
        for planned in document["rows"]:
            row = rows[planned["device"], planned["policy"]]
            self.assertEqual(row["max_batch"], planned["max_batch"])
            self.assertAlmostEqual(row["decode_ms"], planned["decode_ms"])
            self.assertAlmostEqual(row["prefill_ms"], planned["prefill_ms"])

    def test_report_shows_them(self):
        self.succeed(*SHORT, *LEVEL, "--policies", "full;razor", "--rates", "1,3")
        self.succeed(*SHORT, *LEVEL, "--search-rate")
        self.succeed("plan", "--devices", "L40S", "--model", "llama-3.1-8b")
        for form, words in (("table", ["max rate", "TTFT p50", "largest batch"]), ("md", ["| policy", "max rate"])):
            text = self.succeed("report", "--format", form)
            for word in words:
                self.assertIn(word, text)
        document = self.json_of("report")
        self.assertEqual(len(document["max_rates"]), 1)
        self.assertEqual(len(document["plans"][0]["rows"]), 4)
        rows = list(csv.DictReader(io.StringIO(self.succeed("report", "--section", "serving", "--format", "csv"))))
        self.assertEqual(len(rows), sum(len(group["policies"]) for group in document["serving"]))
        self.assertIn("ttft_p99_ms", rows[0])
        self.assertEqual(len(list(csv.DictReader(io.StringIO(self.succeed("report", "--section", "plans", "--format", "csv"))))), 4)
        self.refuse("report", "--section", "plans", "--figure", FOLDER / "x.svg", names=["--figure", "replay, eval, tasks"])


class SeveralTest(ServeTest):
    def test_each_rate_is_the_run_that_it_would_be_alone(self):
        options = [*LEVEL, "--max-num-seqs", "64", "--max-model-len", "8192", "--token-budget", "1024", "--utilisation", "0.8",
                   "--non-kv", "2GB", "--replicas", "2", "--router", "least-outstanding", "--prefix-cache", "--requests", "40",
                   "--seed", "9", "--weights", "fp8", "--engine", "vllm"]
        document = self.json_of(*SHORT, *options, "--policies", "full;full+q8_0", "--rates", "2,0.5")
        self.assertEqual(len(document["policies"]), 2)
        for of_policy in document["policies"]:
            self.assertEqual([one["rate"] for one in of_policy["runs"]], [0.5, 2.0])
        alone = self.json_of(*SHORT, *options, "--policy", "full", "--rate", "2")
        self.assertEqual(alone["run"], document["policies"][0]["runs"][1]["run"])
        self.assertEqual(len(rows_of(self.db, "goodput")), 4)

    def test_refuses_what_makes_no_sense(self):
        self.refuse(*SHORT, "--search-rate", names=["--search-rate", "--slo"])
        self.refuse(*SHORT, *LEVEL, "--search-rate", "--rate", "1", names=["--rate"])
        self.refuse(*SHORT, *LEVEL, "--search-rate", "--slo-share", "0", names=["--slo-share"])
        self.refuse(*SHORT, "--rates", "1,x", names=["--rates", "'x'"])
        self.refuse(*SHORT, "--rates", "1,-2", names=["--rates", "-2"])
        # A child's complaint is the program's own.
        self.refuse(*SHORT, "--rates", "1,2", "--max-model-len", "1", names=["full"])


class SearchTest(ServeTest):
    def test_finds_the_rate_and_its_probes_prove_it(self):
        document = self.json_of(*SHORT, *LEVEL, "--search-rate", "--policies", "full;razor")
        for of_policy in document["policies"]:
            self.assertEqual(of_policy["outcome"], "found")
            rate, shares = of_policy["max_rate"], {probe["rate"]: probe["share"] for probe in of_policy["probes"]}
            self.assertGreaterEqual(shares[rate], 0.9)
            above = min(probed for probed in shares if probed > rate)
            self.assertLess(shares[above], 0.9)
            self.assertLessEqual(above, 1.021 * rate)
            self.assertLess(len(shares), 25)
            self.assertIn("p99", of_policy["ttft_ms"])
        stored = rows_of(self.db, "max_rates")
        self.assertEqual([row["max_rate_per_second"] for row in stored], [one["max_rate"] for one in document["policies"]])
        self.assertEqual([row["probes"] for row in stored], [len(one["probes"]) for one in document["policies"]])

    def test_says_what_a_lone_request_misses_and_by_how_much(self):
        (row,) = self.json_of(*SHORT, "--slo", "ttft=10s,tpot=1ms", "--search-rate")["policies"]
        self.assertEqual((row["outcome"], row["max_rate"]), ("never", 0))
        self.assertIn("tpot: 0.0 % keep 1 ms", row["reason"])
        self.assertIn("times as long", row["reason"])
        self.assertNotIn("ttft", row["reason"])

    def test_says_that_a_workload_is_too_short_to_saturate(self):
        (row,) = self.json_of(*SHORT, "--slo", "e2e=60min", "--search-rate")["policies"]
        self.assertEqual(row["outcome"], "always")
        self.assertEqual(row["max_rate"], max(probe["rate"] for probe in row["probes"]))
        self.assertIn("too short to saturate", row["reason"])

    def test_leaves_no_children_however_it_ends(self):
        long = ["serve", "--device", "L40S", "--model", "llama-3.1-8b", "--workload", WORKLOAD.format(200000), *LEVEL,
                "--search-rate", "--policies", "full;razor", "--db", self.db]
        for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, INTERRUPTED), (signal.SIGINT, INTERRUPTED)):
            with self.subTest(signal=number), subprocess.Popen(
                    [RAZORSCOPE, *map(str, long)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT) as process:
                deadline = time.monotonic() + 60
                while len(children := children_of(process.pid)) < 1:
                    self.assertIsNone(process.poll())
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.01)
                time.sleep(0.3)
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=30), code)
                deadline = time.monotonic() + 5
                while any(map(is_alive, children)) and time.monotonic() < deadline:
                    time.sleep(0.01)
                self.assertFalse(any(map(is_alive, children)))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
