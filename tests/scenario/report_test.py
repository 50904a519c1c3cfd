"""Reports of stored runs: what is chosen, the page, the figures, and two databases compared.

    report_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]
"""

import csv
import html.parser
import io
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

RAZORSCOPE = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"
TEXT = SOURCE / "experiments/texts/harbour.txt"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_report_"))
DB = FOLDER / "results.db"
ENVIRONMENT = {**os.environ, "XDG_DATA_HOME": str(FOLDER / "data"), "OMP_WAIT_POLICY": "passive"}
DONE, FAILED, BAD_INPUT = 0, 1, 2
POLICIES = "full;window:recent=40;razor:recent=40;h2o:budget=40"
SERVE = ["serve", "--device", "L40S", "--model", "llama-3.1-8b", "--workload",
         "poisson:rate=5,requests=30,input=lognormal(600,0.8),output=lognormal(100,0.8)", "--slo", "ttft=1s,tpot=40ms"]


def run(*arguments):
    return subprocess.run([RAZORSCOPE, *map(str, arguments)], capture_output=True, timeout=120, env=ENVIRONMENT, text=True)


def setUpModule():
    trace = FOLDER / "trace.safetensors"
    for command in (
        ["record", "--model", MODEL, "--text", TEXT, "--tokens", 160, "--out", trace],
        ["probe", "--model", MODEL, "--block", 20, "--repeats", 2, "--db", DB],
        ["replay", "--trace", trace, "--prefix", 150, "--steps", 8, "--policies", POLICIES, "--db", DB],
        *(["replay", "--trace", trace, "--prefix", 150, "--steps", 8, "--policies", "window;razor", "--equal-bytes", share, "--db", DB]
          for share in ("0.5", "0.3")),
        ["eval", "--model", MODEL, "--text", TEXT, "--prefix", 150, "--steps", 64, "--policies", POLICIES, "--db", DB],
        [*SERVE, "--policies", "full;razor", "--rates", "1,3", "--db", DB],
        ["plan", "--devices", "L40S;H100 SXM", "--model", "llama-3.1-8b", "--policies", "full;razor", "--db", DB],
    ):
        made = run(*command)
        if made.returncode != DONE:
            raise RuntimeError(f"nothing to report: {made.stderr}")


def tearDownModule():
    shutil.rmtree(FOLDER)


class Page(html.parser.HTMLParser):
    """Checks that elements nest, and gathers what is asked about."""
    VOID = {"meta", "br", "rect", "line"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        assert not self.open, self.open

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


class ReportTest(unittest.TestCase):
    def succeed(self, *arguments, code=DONE):
        result = run("report", *arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout

    def refuse(self, *arguments, names):
        result = run("report", *arguments)
        self.assertEqual(result.returncode, BAD_INPUT, result.stderr)
        self.assertEqual(result.stdout, "")
        for name in names:
            self.assertIn(name, result.stderr)


class SelectionTest(ReportTest):
    def test_each_option_narrows_every_format(self):
        def policies(*options):
            document = json.loads(self.succeed("--db", DB, "--json", *options))
            return {section: [row["policy"] for group in document[section] for row in group.get("policies", group.get("rows", []))]
                    for section in ("groups", "closed_loop", "serving", "plans")}
        everything = policies()
        self.assertTrue(all(everything.values()))
        razor = policies("--policy", "razor*")
        self.assertTrue(all(name.startswith("razor") for names in razor.values() for name in names))
        self.assertTrue(all(razor.values()))
        self.assertEqual(policies("--device", "L40S")["groups"], [])
        self.assertEqual(len(policies("--device", "L40S", "--kind", "plans")["plans"]), 2)
        self.assertEqual(policies("--text", "harbour*")["serving"], [])
        self.assertEqual(policies("--model", "llama*")["closed_loop"], [])
        self.assertEqual(len(policies("--run", "1,2", "--kind", "replay")["groups"]), 2)
        self.assertEqual(len(policies("--policy", "full", "--policy", "h2o*")["closed_loop"]), 2)
        rows = list(csv.DictReader(io.StringIO(self.succeed("--db", DB, "--format", "csv", "--section", "plans", "--device", "H100*"))))
        self.assertEqual({row["device"] for row in rows}, {"H100 SXM"})
        page = self.succeed("--db", DB, "--format", "html", "--policy", "window*")
        self.assertFalse("h2o/" in Page(page).text)

    def test_what_matches_nothing_is_refused_with_what_there_is(self):
        self.refuse("--db", DB, "--model", "tiny-alibo", names=["--model", "tiny-alibo", "did you mean 'tiny-alibi'"])
        self.refuse("--db", DB, "--policy", "occam*", names=["--policy", "razor/weighted"])
        self.refuse("--db", DB, "--prefix", "151", names=["--prefix", "150"])
        self.refuse("--db", DB, "--run", "x", names=["--run", "'x'"])
        self.refuse("--db", DB, "--section", "plan", names=["--section", "plans"])

    def test_every_section_has_csv(self):
        for section in ("replay", "eval", "serving", "plans"):
            rows = list(csv.DictReader(io.StringIO(self.succeed("--db", DB, "--section", section, "--format", "csv"))))
            self.assertGreater(len(rows), 3, section)


class PageTest(ReportTest):
    def test_is_one_file_with_figures_and_tables(self):
        out = FOLDER / "report.html"
        self.assertEqual(self.succeed("--db", DB, "--format", "html", "--out", out), "")
        text = out.read_text()
        page = Page(text)
        self.assertEqual(page.tags.count("svg"), page.tags.count("figure"))
        for title in ("What was measured", "Pareto front", "Head atlas", "Outlined: retrieval heads of probe 1",
                      "Latency against load", "Memory of a device", "mean at equal bytes"):
            self.assertIn(title, page.text)
        for forbidden in ("http:", "https:", "<script", "<link"):
            self.assertNotIn(forbidden, text)

    def test_each_plot_is_a_file_of_its_own(self):
        for plot, section in (("tradeoff", "replay"), ("pareto", "replay"), ("pareto", "eval"), ("heads", "replay"),
                              ("latency", "serving"), ("memory", "plans")):
            out = FOLDER / f"{plot}.svg"
            self.succeed("--db", DB, "--figure", out, "--plot", plot, "--section", section)
            root = xml.etree.ElementTree.parse(out).getroot()
            self.assertEqual(root.get("role"), "img")
            self.assertTrue(root.find("{http://www.w3.org/2000/svg}desc").text)
        self.refuse("--db", DB, "--figure", FOLDER / "x.svg", "--plot", "pie", names=["--plot", "pareto", "latency"])
        self.refuse("--db", DB, "--figure", FOLDER / "x.svg", "--plot", "tasks", names=["--figure"])
        self.refuse("--db", DB, "--figure", FOLDER / "x.svg", "--section", "plans", names=["replay, eval, tasks"])


class CompareTest(ReportTest):
    def test_a_database_equals_itself(self):
        document = json.loads(self.succeed("--compare", DB, DB, "--json", "--fail-on-difference"))
        self.assertGreater(len(document["pairs"]), 12)
        self.assertEqual((document["changed"], document["differs"], document["only_a"], document["only_b"]), (0, False, [], []))
        for pair in document["pairs"]:
            for figure in pair["figures"]:
                self.assertEqual(figure["difference"], 0, figure)
        self.assertIn("0 changed", self.succeed("--db", DB, "--compare", DB))

    def test_a_changed_and_a_missing_run_are_found(self):
        other = FOLDER / "other.db"
        shutil.copy(DB, other)
        with sqlite3.connect(other) as database:
            database.execute("UPDATE plans SET max_batch = max_batch + 1 WHERE run_id = (SELECT min(run_id) FROM plans)")
            database.execute("DELETE FROM eval_results WHERE run_id = (SELECT min(run_id) FROM eval_results)")
        result = run("report", "--compare", DB, other, "--json")
        self.assertEqual(result.returncode, DONE, result.stderr)
        document = json.loads(result.stdout)
        (changed,) = [pair for pair in document["pairs"] if pair["changed"]]
        self.assertEqual(changed["section"], "plans")
        self.assertEqual([f["difference"] for f in changed["figures"] if f["changed"]], [1])
        self.assertEqual([row["section"] for row in document["only_a"]], ["eval"])
        for form in ("table", "md", "csv", "html"):
            text = self.succeed("--db", DB, "--compare", other, "--format", form, "--fail-on-difference", code=FAILED)
            self.assertIn("max_batch", text)
        Page(text)
        self.assertEqual(json.loads(self.succeed("--db", DB, "--compare", other, "--json", "--section", "replay"))["differs"], False)

    def test_refuses_what_makes_no_sense(self):
        self.refuse("--db", DB, "--compare", DB, DB, names=["--compare", "--db"])
        self.refuse("--compare", DB, FOLDER / "none.db", names=["none.db"])
        self.refuse("--db", DB, "--fail-on-difference", names=["--fail-on-difference", "--compare"])
        self.refuse("--compare", DB, DB, "--figure", FOLDER / "x.svg", names=["--figure"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
