"""SQL on a results database as users ask it: formats, errors, interruption, the usual questions.

    sql_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]
"""

import csv
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

RAZORSCOPE = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"
TEXT = SOURCE / "experiments/texts/harbour.txt"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_sql_"))
DB = FOLDER / "results.db"
ENVIRONMENT = {**os.environ, "XDG_DATA_HOME": str(FOLDER / "data"), "XDG_CONFIG_HOME": str(FOLDER / "config"),
               "OMP_WAIT_POLICY": "passive"}
for variable in ("RAZORSCOPE_TARGET", "RAZORSCOPE_DEVICES"):
    ENVIRONMENT.pop(variable, None)
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"
MILLION = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT i, i * 0.5 AS half, 'a text' AS t FROM n"


def run(*arguments):
    return subprocess.run([RAZORSCOPE, *map(str, arguments)], capture_output=True, timeout=120, env=ENVIRONMENT, text=True)


def sql(*arguments):
    return run("sql", "--db", DB, *arguments)


def setUpModule():
    global PROBE
    trace = FOLDER / "trace.safetensors"
    policies = "window:sinks=4,recent=60;h2o"
    replay = ["replay", "--trace", trace, "--prefix", 150, "--steps", 8, "--db", DB]
    for command in (["record", "--model", MODEL, "--text", TEXT, "--tokens", 160, "--out", trace],
                    [*replay, "--policies", "full"],
                    [*replay, "--policies", policies, "--equal-bytes", "0.5"],
                    ["eval", "--model", MODEL, "--text", TEXT, "--prefix", 150, "--steps", 8, "--policies", policies, "--db", DB],
                    ["plan", "--devices", "L40S;H100", "--model", "llama-3.1-8b", "--policies", "full;razor", "--db", DB],
                    ["probe", "--model", MODEL, "--block", 50, "--json", "--db", DB]):
        made = run(*command)
        if made.returncode != DONE:
            raise RuntimeError(f"{command[0]}: {made.stderr}")
    PROBE = json.loads(made.stdout)


def tearDownModule():
    shutil.rmtree(FOLDER)


class SqlTest(unittest.TestCase):
    def succeed(self, *arguments):
        result = sql(*arguments)
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertEqual(result.stderr, "")
        return result.stdout

    def rows(self, *arguments):
        return json.loads(self.succeed("--json", *arguments))["rows"]

    def refuse(self, *arguments, names):
        with self.subTest(arguments=arguments):
            result = sql(*arguments)
            self.assertEqual(result.returncode, BAD_INPUT, result.stderr)
            self.assertEqual(result.stdout, "")
            for name in names:
                self.assertIn(name, result.stderr)

    def test_formats_agree(self):
        question = "SELECT policy, relative_bytes, relative_error_mean, output_error_mean FROM tradeoff ORDER BY run_id"
        as_json = self.rows(question)
        as_csv = list(csv.DictReader(io.StringIO(self.succeed(question, "--format", "csv"))))
        self.assertEqual(len(as_json), 3)
        for one, other in zip(as_json, as_csv):
            self.assertEqual(one["policy"], other["policy"])
            self.assertEqual(one["relative_error_mean"], float(other["relative_error_mean"]))
        table = self.succeed(question).splitlines()
        self.assertEqual(table[0].split(), ["policy", "relative_bytes", "relative_error_mean", "output_error_mean"])
        self.assertEqual(len(table), 2 + 3)

    def test_retrieval_heads_are_those_of_the_probe(self):
        rows = self.rows("SELECT layer, kv_head, induction, echo, is_retrieval_head FROM retrieval_heads ORDER BY layer, kv_head")
        self.assertEqual([[row["layer"], row["kv_head"]] for row in rows if row["is_retrieval_head"]], PROBE["retrieval_kv_heads"])
        self.assertEqual([(row["layer"], row["kv_head"], row["induction"], row["echo"]) for row in rows],
                         [(head["layer"], head["head"], head["induction"], head["echo"]) for head in PROBE["kv_heads"]])

    def test_a_probe_knows_its_command(self):
        (row,) = self.rows("SELECT command_line, wall_seconds, cpu FROM provenance WHERE kind = 'probe'")
        self.assertIn("probe --model", row["command_line"])
        self.assertGreater(row["wall_seconds"], 0)
        self.assertTrue(row["cpu"])

    def test_every_run_knows_its_time(self):
        self.assertEqual(self.rows("SELECT kind, run_id FROM provenance WHERE wall_seconds IS NULL OR wall_seconds <= 0"), [])
        self.assertEqual({row["kind"] for row in self.rows("SELECT DISTINCT kind FROM provenance")}, {"replay", "eval", "plan", "probe"})

    def test_every_usual_question(self):
        listed = json.loads(self.succeed("--list", "--json"))
        self.assertGreaterEqual(len(listed["questions"]), 20)
        for number, question in enumerate(listed["questions"], 1):
            with self.subTest(question=question["name"]):
                rows = self.rows("--query", question["name"])
                if number <= 2:
                    self.assertEqual(self.rows("--query", number), rows)
        self.assertEqual({row["policy"].split("/")[0].split("+")[0].split(":")[0] for row in self.rows("--query", "largest-batch")},
                         {"full", "razor"})
        self.assertEqual(self.rows("--query", "least-error"), [])  # at 0.3, which was not asked for
        self.assertEqual(len(self.rows("--query", "least-error", "--set", "share=0.5")), 2)

    def test_the_readme_tells_of_every_table_and_view(self):
        listed = json.loads(self.succeed("--list", "--json"))
        readme = (SOURCE / "experiments/store/README.md").read_text()
        told = set(re.findall(r"^\| `(\w+)`", readme, re.MULTILINE))
        self.assertEqual(told, set(listed["views"]) | set(listed["tables"]))
        self.assertIn("relative_bytes", listed["views"]["tradeoff"])

    def test_list_without_a_database(self):
        result = run("sql", "--list")
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertIn("view  tradeoff", result.stdout)
        self.assertIn("least-error", result.stdout)
        self.assertFalse((FOLDER / "data").exists())

    def test_files(self):
        file = FOLDER / "mine.sql"
        file.write_text("-- name: one\n-- Which?\n-- set: n=3\nSELECT :n AS n;\nSELECT 'second; one' AS t;")
        self.assertEqual(self.rows("--file", file, "--query", "one"), [{"n": 3}])
        self.assertEqual(self.rows("--file", file, "--query", "one", "--set", "n=4"), [{"n": 4}])
        self.assertEqual(self.rows("--file", file, "--query", "2"), [{"t": "second; one"}])
        self.refuse("--file", file, names=["--query", "one"])
        self.refuse("--file", file, "--query", "3", names=["one", "1 to 2"])
        self.refuse("--file", FOLDER / "missing.sql", names=["missing.sql"])

    def test_bad_usage(self):
        self.refuse(names=["--query", "--list"])
        self.refuse("SELECT 1", "--query", "front", names=["one statement"])
        self.refuse("SELECT 1", "--format", "jsn", names=["--format", "csv"])
        self.refuse("SELECT 1", "--set", "x", names=["--set", "name=value"])
        self.refuse("SELECT * FROM tradeof", names=["did you mean 'tradeoff'", "views:", "pareto"])
        self.refuse("SELECT polcy FROM tradeoff", names=["did you mean 'policy'"])
        self.refuse("DELETE FROM runs", names=["only reads"])
        self.refuse("SELECT 1; SELECT 2", names=["several statements"])
        missing = run("sql", "--db", FOLDER / "missing.db", "SELECT 1")
        self.assertEqual(missing.returncode, BAD_INPUT)
        self.assertIn("missing.db", missing.stderr)
        self.assertEqual(run("sql", "--help").stdout.count("\n  razorscope sql "), 3)

    def test_nothing_is_written(self):
        folder = FOLDER / "apart"
        folder.mkdir()
        shutil.copy(DB, folder / "results.db")
        before = (folder / "results.db").read_bytes()
        for statement in ("DELETE FROM runs", "PRAGMA user_version = 9", f"ATTACH '{folder / 'new.db'}' AS n", f"VACUUM INTO '{folder / 'new.db'}'",
                          "SELECT count(*) FROM runs"):
            run("sql", "--db", folder / "results.db", statement)
        self.assertEqual((folder / "results.db").read_bytes(), before)
        self.assertFalse((folder / "new.db").exists())

    def test_a_million_rows_take_no_memory(self):
        def peak_megabytes(statement, form):
            started = subprocess.Popen([RAZORSCOPE, "sql", "--db", str(DB), statement, "--format", form], stdout=subprocess.PIPE, env=ENVIRONMENT)
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: started.stdout.read(1 << 20), b""))
            _, status, usage = os.wait4(started.pid, 0)
            started.returncode = os.waitstatus_to_exitcode(status)
            started.stdout.close()
            self.assertEqual(started.returncode, DONE)
            return lines, usage.ru_maxrss / 1024
        for form in ("csv", "json"):
            lines, peak = peak_megabytes(MILLION, form)
            self.assertEqual(lines, 1_000_001)
            self.assertLess(peak, peak_megabytes("SELECT 1", form)[1] + 10)

    def test_a_table_says_what_it_leaves_out(self):
        table = self.succeed(MILLION).splitlines()
        self.assertEqual(len(table), 2 + 1000 + 1)
        self.assertIn("999000 more rows", table[-1])
        self.assertIn("15 more rows", self.succeed("SELECT * FROM json_each('[" + ",".join("1" * 25) + "]')", "--limit", 10))

    def test_interruption(self):
        for statement in (ENDLESS.format("count(*)"), ENDLESS.format("i")):
            for form in ("table", "csv"):
                with self.subTest(statement=statement, form=form), open(os.devnull, "w") as nowhere:
                    started = subprocess.Popen([RAZORSCOPE, "sql", "--db", str(DB), statement, "--format", form], stdout=nowhere,
                                               stderr=subprocess.PIPE, env=ENVIRONMENT, text=True)
                    time.sleep(1)
                    started.send_signal(signal.SIGINT)
                    begin = time.monotonic()
                    _, errors = started.communicate(timeout=30)
                    self.assertEqual(started.returncode, INTERRUPTED, errors)
                    self.assertLess(time.monotonic() - begin, 10)

    def test_a_full_disk(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([RAZORSCOPE, "sql", "--db", str(DB), MILLION, "--format", "csv"], stdout=full, stderr=subprocess.PIPE,
                                    timeout=60, env=ENVIRONMENT, text=True)
        self.assertEqual(result.returncode, FAILED)
        self.assertIn("standard output", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
