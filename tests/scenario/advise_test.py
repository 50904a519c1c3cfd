"""Advice as an engineer asks for it: answers that are known, ids that exist, files that can be read back, exit codes.

    advise_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]
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
MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"  # 4 layers of 8 heads, a context of 2048
TEXT = SOURCE / "experiments/texts/harbour.txt"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_advise_"))
ENVIRONMENT = {**os.environ, "XDG_DATA_HOME": str(FOLDER / "data"), "XDG_CONFIG_HOME": str(FOLDER / "config"),
               "OMP_WAIT_POLICY": "passive"}
ENVIRONMENT.pop("RAZORSCOPE_DEVICES", None)
DB = FOLDER / "r.db"
ASKED = ["advise", "--device", "L4", "--context", 1024, "--output", 128, "--db", DB]
TINY = [*ASKED, "--model", MODEL]
LARGE = [*ASKED, "--model", "llama-3.1-8b"]


def run(*arguments):
    command = [RAZORSCOPE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, env=ENVIRONMENT, check=False)


def document(*arguments):
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def evaluated():
    with sqlite3.connect(DB) as db:
        rows = db.execute("SELECT policy, run_id, kl_to_full_nats, kl_to_full_high_nats FROM closed_loop").fetchall()
    return {row[0]: row[1:] for row in rows}


def short(row):
    return row["label"] if row else None


def setUpModule():
    made = run("eval", "--model", MODEL, "--text", TEXT, "--prefix", 256, "--steps", 128, "--db", DB, "--policies",
               "full;full+q8_0;full+q4_0;window:recent=60;duo:sinks=16,recent=48")
    assert made.returncode == 0, made.stderr


def tearDownModule():
    shutil.rmtree(FOLDER)


class AdviceTest(unittest.TestCase):
    def test_the_smallest_cache_whose_interval_holds_the_limit(self):
        runs = evaluated()
        quantised = next(name for name in runs if name.startswith("full+q4_0"))
        _, mean, high = runs[quantised]
        self.assertLess(mean, high)
        advice = document(*TINY, "--policies", "full;full+q8_0;full+q4_0", "--limit", f"kl<={high * 1.001}")
        self.assertEqual(short(advice["best"]), "full+q4_0")
        self.assertEqual(advice["best"]["figures"]["kl"]["evidence"], {"source": "evaluation", "run": runs[quantised][0]})
        self.assertEqual([short(row) for row in advice["ranking"]], ["full+q4_0", "full+q8_0", "full+f16"])
        self.assertIn("--cache-type-k q4_0", str(advice["settings"]))
        # Between the mean and the interval's end the limit is not held, which better evidence might change.
        advice = document(*TINY, "--policies", "full;full+q8_0;full+q4_0", "--limit", f"kl<={(mean + high) / 2}")
        self.assertEqual(short(advice["best"]), "full+q8_0")
        [fell] = advice["rejected"]
        self.assertEqual((short(fell), fell["broken"][0]["metric"]), ("full+q4_0", "kl"))
        change = advice["what_would_change"]
        self.assertEqual([row["undecided"] for row in change["evidence"]], [["kl"]])
        looser = [row for row in change["limits"] if row["direction"] == "looser" and row["metric"] == "kl"]
        self.assertEqual(len(looser), 1)
        self.assertAlmostEqual(looser[0]["at"], high)
        self.assertTrue(looser[0]["best"].startswith("full+q4_0"))
        # The value that is said to change the answer does.
        advice = document(*TINY, "--policies", "full;full+q8_0;full+q4_0", "--limit", f"kl<={looser[0]['at']}")
        self.assertEqual(short(advice["best"]), "full+q4_0")

    def test_all_with_evidence_and_all_codecs_are_candidates(self):
        advice = document(*TINY, "--limit", "kl<=0.01")
        named = {short(row) for key in ("ranking", "rejected", "not_measured") for row in advice[key]}
        self.assertLessEqual({"full+f16", "full+q8_0", "full+kivi2", "full+fp8-e4m3", "window:recent=60+f16"}, named)
        unmeasured = {short(row): row for row in advice["not_measured"]}
        self.assertIn("full+kivi2", unmeasured)
        [command] = unmeasured["full+kivi2"]["commands"]
        for words in (f"razorscope eval --model {MODEL} --text {TEXT} --prefix 256 --steps 128", "full+kivi2", str(DB)):
            self.assertIn(words, command)
        for row in advice["evidence"]:
            self.assertGreater(row["run"], 0)

    def test_the_command_that_measures_makes_the_evidence(self):
        before = document(*TINY, "--policies", "full+q4_1", "--limit", "kl<=10")
        self.assertIsNone(before["best"])
        [command] = before["not_measured"][0]["commands"]
        done = subprocess.run(command.replace("razorscope", RAZORSCOPE, 1), shell=True, capture_output=True, text=True,
                              timeout=200, env=ENVIRONMENT, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        after = document(*TINY, "--policies", "full+q4_1", "--limit", "kl<=10")
        self.assertEqual(short(after["best"]), "full+q4_1")

    def test_nothing_holds(self):
        done = run(*TINY, "--policies", "full+q8_0;full+q4_0", "--limit", "kl<=0", "--limit", "bytes_share<=0.6")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("No policy holds all limits", done.stdout)
        self.assertIn("The hardest limit is kl", done.stdout)
        self.assertIn("The closest is full+q8_0", done.stdout)
        advice = document(*TINY, "--policies", "full+q8_0;full+q4_0", "--limit", "kl<=0")
        self.assertIsNone(advice["best"])
        self.assertEqual(advice["hardest_limit"]["metric"], "kl")
        self.assertEqual(short(advice["closest"]), "full+q8_0")

    def test_another_model_is_named_and_can_be_refused(self):
        asked = [*LARGE, "--policies", "full+q8_0;window:recent=60", "--limit", "kl<=100", "--goal", "batch"]
        text = run(*asked).stdout
        self.assertIn("another model", text)
        self.assertIn("quality was measured on tiny-alibi, not on llama-3.1-8b", text)
        self.assertIn("its size does not grow as the context does", text)
        self.assertLessEqual(max(map(len, (line for line in text.splitlines() if "$" not in line))), 110)
        advice = document(*asked, "--evidence", "same-model")
        self.assertIsNone(advice["best"])
        self.assertEqual(len(advice["not_measured"]), 2)

    def test_looser_limits_never_worsen_the_best(self):
        last = None
        for limit in ("1e-9", "1e-4", "0.02", "0.5", "10"):
            best = document(*TINY, "--limit", f"kl<={limit}")["best"]
            size = best["goal_value"] if best else float("inf")
            if last is not None:
                self.assertLessEqual(size, last * 1.01)
            last = size

    def test_under_a_load(self):
        asked = [*LARGE, "--policies", "full;full+q8_0", "--rate", 0.5, "--requests", 40, "--limit", "p99 TTFT under 30 s",
                 "--limit", "kl<=100", "--goal", "latency"]
        advice = document(*asked)
        best = advice["best"]
        self.assertEqual(advice["goal"]["metric"], "e2e_p99")
        self.assertLess(best["figures"]["ttft_p99"]["value"], 30000)
        self.assertEqual(best["figures"]["ttft_p99"]["evidence"]["source"], "serving")
        with sqlite3.connect(DB) as db:
            run_id = best["figures"]["ttft_p99"]["evidence"]["run"]
            self.assertEqual(db.execute("SELECT policy FROM goodput WHERE run_id = ?", [run_id]).fetchall(),
                             [(best["policy"],)])
        load = advice["what_would_change"]["load"]
        self.assertGreaterEqual(load["holds_up_to"], 0.5)
        self.assertIn("Best: ", run(*asked).stdout)

    def test_heads_are_written_as_engines_read_them(self):
        table, listed = FOLDER / "full_attention_heads.tsv", FOLDER / "heads.json"
        exports = ["--policies", "duo:sinks=16,recent=48", "--duo-attention", table, "--heads-json", listed]
        done = run(*TINY, *exports)
        self.assertEqual(done.returncode, 2)
        self.assertIn("Best: duo", done.stdout)  # only the export is refused
        self.assertIn("razorscope probe --model", done.stderr)
        self.assertFalse(table.exists())
        self.assertEqual(run("probe", "--model", MODEL, "--block", 50, "--db", DB).returncode, 0)
        done = run(*TINY, *exports)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('{"sink_size": 16, "recent_size": 48}', done.stderr)
        rows = [[float(cell) for cell in line.split("\t")] for line in table.read_text().splitlines()]
        heads = json.loads(listed.read_text())
        self.assertEqual((len(rows), {len(row) for row in rows}), (heads["layers"], {heads["kv_heads"]}))
        whole = {str(layer): [head for head, gate in enumerate(row) if gate == 1.0] for layer, row in enumerate(rows)}
        self.assertEqual({layer: of for layer, of in whole.items() if of}, heads["retrieval_heads"])
        self.assertEqual(sum(map(sum, rows)), heads["layers"] * heads["kv_heads"] / 2)  # duo's quantile
        self.assertEqual((heads["sinks"], heads["recent"]), (16, 48))
        given = FOLDER / "given.json"
        given.write_text(json.dumps({"retrieval_kv_heads": [[0, 1], [3, 2]]}))
        self.assertEqual(run(*TINY, *exports, "--heads", given).returncode, 0)
        self.assertEqual(json.loads(listed.read_text())["retrieval_heads"], {"0": [1], "3": [2]})

    def test_bad_questions(self):
        for arguments, fragments in (
                (["--limit", "kl<=x"], ["--limit", "kl", "not a number"]),
                (["--limit", "klx<=1"], ["--limit", "did you mean 'kl'"]),
                (["--limit", "kl>=0.1"], ["--limit", "smaller"]),
                (["--limit", "ttft_p99<=2s"], ["ttft_p99", "--rate"]),
                (["--limit", "goodput>=0.9", "--rate", 1], ["goodput", "--slo"]),
                (["--goal", "speed"], ["--goal", "throughput"]),
                (["--evidence", "none"], ["--evidence", "same-model"]),
                (["--policies", "ful"], ["did you mean 'full'"]),
                (["--policies", "oracle/topk"], ["replay only"]),
                (["--heads", FOLDER / "none.json"], ["none.json"]),
                (["--workload", FOLDER / "none.csv"], ["the load", "none.csv"]),
                (["--batch", 0], ["--batch"])):
            done = run(*TINY, *arguments)
            self.assertEqual(done.returncode, 2, (arguments, done.stdout))
            self.assertEqual(done.stdout, "")
            for fragment in fragments:
                self.assertIn(fragment, done.stderr)
        done = run("advise", "--device", "L4", "--model", "llama-3.1-70b", "--db", DB)
        self.assertEqual(done.returncode, 2)
        self.assertIn("does not fit", done.stderr)

    def test_help_teaches(self):
        text = run("advise", "--help").stdout
        for words in ("ttft_p99", "kl at most 0.02", "full_attention_heads.tsv", "retrieval_heads"):
            self.assertIn(words.lower(), text.lower())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
