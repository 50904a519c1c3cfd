"""The explorer's figures are those of the command line, for the same database.

    numbers_test.py RAZORSCOPE RAZORSCOPE_GUI SOURCE_FOLDER [unittest options]
"""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

RAZORSCOPE, EXPLORER, SOURCE = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_numbers_"))
DATABASE = FOLDER / "results.db"
OTHER = FOLDER / "other.db"  # the same policies on another text of the same name
MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"
ENVIRONMENT = {**os.environ, "XDG_DATA_HOME": str(FOLDER / "data"), "XDG_CONFIG_HOME": str(FOLDER / "config"),
               "QT_QPA_PLATFORM": "offscreen"}
ENVIRONMENT.pop("RAZORSCOPE_DEVICES", None)
PLAN = {"devices": "L40S;H100 SXM", "model": "llama-3.1-8b", "context": 16384, "output": 128, "batch": 2,
        "policies": "full;razor+q8_0"}


def run(*arguments):
    done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=200, env=ENVIRONMENT,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def document(*arguments):
    return json.loads(run(RAZORSCOPE, *arguments, "--json"))


def exported(view, *options):
    path = FOLDER / f"{view}.csv"
    run(EXPLORER, "--export", path, "--view", view, *options, DATABASE)
    return list(csv.DictReader(io.StringIO(path.read_text())))


def replay(sentence, database):
    folder = database.with_suffix("")
    folder.mkdir()
    text = folder / "text.txt"
    text.write_text(sentence * 40)
    run(RAZORSCOPE, "record", "--model", MODEL, "--text", text, "--tokens", 160, "--out", folder / "t.trace")
    run(RAZORSCOPE, "replay", "--trace", folder / "t.trace", "--prefix", 144, "--steps", 8,
        "--policies", "full;window:sinks=4,recent=20;razor:recent=20", "--db", database)


def setUpModule():
    replay("The harbour was quiet, and nobody asked what the sea would bring tomorrow. ", DATABASE)
    replay("Of all the boats that left that night, only two were ever spoken of again. ", OTHER)
    for seed in (1, 2, 3):
        run(RAZORSCOPE, "probe", "--model", MODEL, "--block", 20, "--repeats", 2, "--seed", seed, "--db", DATABASE)
    run(RAZORSCOPE, "serve", "--device", "L40S", "--model", "llama-3.1-8b", "--policies", "full;razor", "--rates", "1,4",
        "--workload", "poisson:requests=40,input=fixed(2000),output=fixed(50)", "--slo", "ttft=1s,tpot=60ms", "--db", DATABASE)


class NumbersTest(unittest.TestCase):
    def test_devices_are_those_of_plan(self):
        rows = document("plan", *(word for key, value in PLAN.items() for word in (f"--{key}", value)), "--db",
                        FOLDER / "plans.db")["rows"]
        shown = exported("devices", "--state", json.dumps(PLAN))
        self.assertEqual(len(shown), 4)
        for line, row in zip(shown, rows, strict=True):
            split = row.pop("decode_split")
            expected = {**row, **{f"decode_split_{key}": value for key, value in split.items()}}
            self.assertEqual(set(line), set(expected))
            for key, value in expected.items():
                self.assertEqual(line[key] if isinstance(value, str) else json.loads(line[key] or "null"), value, key)

    def test_serving_is_that_of_report(self):
        groups = json.loads(run(RAZORSCOPE, "report", "--db", DATABASE, "--format", "json"))["serving"]
        runs = {run["run"]: run for run in groups[0]["policies"]}
        shown = exported("serving")
        self.assertEqual({int(line["run"]) for line in shown}, set(runs))
        for line in shown:
            of_run = runs[int(line["run"])]
            for key, value in {"rate_per_second": of_run["rate"], "goodput_per_second": of_run["goodput"],
                               "ttft_p90_ms": of_run["ttft_ms"]["p90"], "tpot_p99_ms": of_run["tpot_ms"]["p99"],
                               "output_tokens_per_second": of_run["token_rate"]}.items():
                self.assertAlmostEqual(float(line[key]), value, delta=1e-9 * abs(value), msg=key)

    def test_error_bars_of_replays_are_those_of_report(self):
        for key in ("relative_error_mean", "lost_mass_mean", "kl_mean"):
            groups = json.loads(run(RAZORSCOPE, "report", "--db", DATABASE, "--format", "json"))["groups"]
            printed = {row["run"]: (row[key], row[f"{key}_low"], row[f"{key}_high"]) for row in groups[0]["policies"]}
            shown = {int(line["run"]): tuple(map(float, list(line.values())[2:5]))
                     for line in exported("tradeoff", "--state", json.dumps({"figure": key})) if line["run"]}
            self.assertEqual(shown, printed)
            self.assertTrue(all(low < mean < high for mean, low, high in list(printed.values())[1:]), printed)

    def test_comparisons_are_those_of_report(self):
        keys = ("a_run", "b_run", "figure", "a", "b", "difference", "low", "high", "interval", "changed")
        for state, databases in (({"other": str(OTHER)}, (DATABASE, OTHER)), ({"other": str(DATABASE)}, (DATABASE, DATABASE))):
            document = json.loads(run(RAZORSCOPE, "report", "--compare", *databases, "--json"))
            printed = [{"a_run": pair["a_run"], "b_run": pair["b_run"], **figure} for pair in document["pairs"] for figure in pair["figures"]]
            self.assertGreater(len(printed), 10)
            shown = [{key: line[key] if key in ("figure", "interval") else json.loads(line[key] or "null") for key in keys}
                     for line in exported("compare", "--state", json.dumps(state))]
            for line in shown:
                line["changed"] = line["changed"] == 1

            def by_name(line):
                return line["a_run"], line["b_run"], line["figure"]

            self.assertEqual(sorted(shown, key=by_name), sorted(printed, key=by_name))
            self.assertEqual(any(line["difference"] != 0 for line in printed), databases[0] != databases[1])

    def heads(self, sql):
        return list(csv.DictReader(io.StringIO(run(RAZORSCOPE, "sql", sql, "--db", DATABASE, "--format", "csv"))))

    def test_errors_of_heads_are_those_of_the_database(self):
        shown = {(int(line["layer"]), int(line["head"])): float(line["value"])
                 for line in exported("heads", "--select", "2", "--state", '{"show": "errors", "figure": "lost_mass"}')}
        stored = {(int(row["layer"]), int(row["query_head"])): float(row["lost_mass"])
                  for row in self.heads("SELECT layer, query_head, lost_mass FROM head_errors WHERE run_id = 2")}
        self.assertEqual(len(stored), 32)
        self.assertEqual(shown, stored)

    def test_stability_is_that_of_the_usual_question(self):
        shown = {(int(line["layer"]), int(line["head"])): float(line["value"])
                 for line in exported("heads", "--state", '{"show": "scores", "scores": "stability"}') if float(line["value"]) > 0}
        rows = list(csv.DictReader(io.StringIO(
            run(RAZORSCOPE, "sql", "--query", "stable-heads", "--db", DATABASE, "--format", "csv"))))
        self.assertEqual(shown, {(int(row["layer"]), int(row["kv_head"])): int(row["chosen"]) / int(row["probes"])
                                 for row in rows})

    def test_scores_are_those_of_a_probe(self):
        lines = exported("heads", "--state", '{"show": "scores", "scores": "echo", "probe": 2}')
        rows = {(int(row["layer"]), int(row["kv_head"])): row for row in
                self.heads("SELECT layer, kv_head, echo, is_retrieval_head FROM retrieval_heads WHERE probe_id = 2")}
        self.assertEqual(len(lines), len(rows))
        for line in lines:
            row = rows[int(line["layer"]), int(line["head"])]
            self.assertEqual(float(line["value"]), float(row["echo"]))
            self.assertEqual(line["is_retrieval_head"], row["is_retrieval_head"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
