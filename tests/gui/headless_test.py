"""The explorer without a screen: what it writes, and what it refuses.

    headless_test.py RAZORSCOPE RAZORSCOPE_GUI SOURCE_FOLDER [unittest options]
"""

import json
import os
import pathlib
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import unittest

RAZORSCOPE, EXPLORER, SOURCE = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_headless_"))
DATABASE = FOLDER / "results.db"
ENVIRONMENT = {**os.environ, "XDG_DATA_HOME": str(FOLDER / "data"), "XDG_CONFIG_HOME": str(FOLDER / "config"),
               "QT_QPA_PLATFORM": "offscreen"}
DONE, FAILED, BAD_INPUT = 0, 1, 2
PNG = b"\x89PNG"


def explore(*words, database=DATABASE, before=None):
    return subprocess.run([EXPLORER, *map(str, words), str(database)], capture_output=True, text=True, timeout=100, env=ENVIRONMENT,
                          preexec_fn=before)


def leave_little_room():
    """As on a disk that is full: what SQLite shares takes 32 KiB, the picture more than what is left."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def setUpModule():
    trace = FOLDER / "t.trace"
    for words in (["record", "--model", SOURCE / "models/language/data/tiny-alibi.gguf", "--text", SOURCE / "experiments/texts/harbour.txt",
                   "--tokens", 100, "--out", trace],
                  ["replay", "--trace", trace, "--prefix", 90, "--steps", 4, "--policies", "full;window:recent=20", "--db", DATABASE]):
        subprocess.run([RAZORSCOPE, *map(str, words)], check=True, capture_output=True, timeout=100)


class HeadlessTest(unittest.TestCase):
    def succeed(self, *words):
        result = explore(*words)
        self.assertEqual((result.returncode, result.stderr), (DONE, ""))

    def refuse(self, *words, names, code=BAD_INPUT, database=DATABASE, out=FOLDER / "refused.csv"):
        result = explore("--export", out, *words, database=database)
        self.assertEqual(result.returncode, code, result.stderr)
        for name in names:
            self.assertIn(name, result.stderr)
        if out.suffix:
            self.assertFalse(out.exists() and out.is_file())

    def test_a_filter_is_taken_as_it_is_or_refused(self):
        for text, names in (("[]", ["--filter", "no JSON object"]), ("{", ["--filter", "no JSON"]),
                            ('{"facet": {}}', ["--filter", "unknown key 'facet'", "'facets'"]),
                            ('{"facets": [1]}', ["facets", "a list", "an object"]),
                            ('{"facets": {"famly": ["full"]}}', ["unknown facet 'famly'", "'family'"]),
                            ('{"facets": {"family": "full"}}', ["family", "a string", "a list"]),
                            ('{"facets": {"family": [3]}}', ["family", "a number", "a string"]),
                            ('{"facets": {"family": ["windwo"]}}', ["unknown family 'windwo'", "'window'"]),
                            ('{"bounds": {"nosuch": {"low": 1}}}', ["unknown figure 'nosuch'", "relative_error_mean"]),
                            ('{"bounds": {"kl_mean": {"lower": 1}}}', ["unknown bound 'lower'"]),
                            ('{"bounds": {"kl_mean": {"low": "1"}}}', ["low", "a string", "a number"]),
                            ('{"words": {"kl_mean": "x"}}', ["unknown name 'kl_mean'"]),
                            ('{"search": 5}', ["search", "a number", "a string"])):
            with self.subTest(text):
                self.refuse("--filter", text, names=names)
        out = FOLDER / "filtered.csv"
        self.succeed("--view", "runs", "--export", out, "--filter",
                     '{"facets": {"family": ["window", ""]}, "bounds": {"kl_mean": {"low": 0}}, "words": {"model": "tiny"}, "search": "harbour"}')
        self.assertEqual(len(out.read_text().splitlines()), 2)

    def test_settings_and_runs_are_taken_or_refused(self):
        for words, names in ((["--state", '{"figur": "kl_mean"}'], ["--state", "unknown setting 'figur'", "'figure'"]),
                             (["--state", '{"front": "yes"}'], ["--state", "front", "a string", "true or false"]),
                             (["--state", '{"figure": "kl"}'], ["--state", "figure", '"kl"', '"relative_error_mean"']),
                             (["--state", '{"x": 1}', "--view", "sweep"], ["--state", "unknown setting 'x'"]),
                             (["--select", "99"], ["--select", "99", "no such run"]),
                             (["--select", "d1"], ["--select", "d1", "no such run"]),
                             (["--view", "tradeof"], ["--view", "'tradeoff'"]), (["--size", "300x300"], ["--size", "at least"]),
                             (["--colour", "red"], ["--colour", "Unknown option"])):
            with self.subTest(words):
                self.refuse(*words, names=names)
        self.succeed("--export", FOLDER / "settings.csv", "--select", "2", "--state", json.dumps({"figure": "kl_mean", "logY": True}))

    def test_what_is_empty_is_not_written(self):
        for view, state, names in (("sql", {"sql": "select nope"}, ["nope"]), ("sql", {"sql": "delete from runs"}, ["deleting", "only reads"]),
                                   ("devices", {"policies": "rasor"}, ["'rasor'", "'razor'"]), ("devices", {"model": "nosuch"}, ["nosuch"])):
            with self.subTest(state):
                self.refuse("--view", view, "--state", json.dumps(state), names=["nothing was written", *names], code=FAILED)
        self.refuse("--view", "compare", names=["nothing was written", "Select two runs"], code=FAILED)

    def test_endings_are_those_of_what_is_written(self):
        for words in (["--export", FOLDER / "x.jpg"], ["--export", FOLDER / "x"], ["--screenshot", FOLDER / "x.bmp"],
                      ["--screenshot", "/dev/null"]):
            with self.subTest(words):
                result = explore(*words)
                self.assertEqual(result.returncode, BAD_INPUT)
                self.assertIn(".png", result.stderr)
        self.assertEqual(list(FOLDER.glob("x*")), [])
        self.succeed("--screenshot", FOLDER / "window.png")
        self.assertTrue((FOLDER / "window.png").read_bytes().startswith(PNG))

    def test_a_link_stays_a_link_and_a_pipe_a_pipe(self):
        target, link, pipe = FOLDER / "target.csv", FOLDER / "link.csv", FOLDER / "pipe.csv"
        target.write_text("before")
        link.symlink_to(target)
        self.succeed("--export", link)
        self.assertTrue(link.is_symlink())
        self.assertTrue(target.read_text().startswith("series,"))
        os.mkfifo(pipe)
        read = []
        reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
        reader.start()
        self.succeed("--export", pipe)
        reader.join(timeout=20)
        self.assertTrue(pipe.is_fifo())
        self.assertEqual(read, [target.read_text()])

    def test_a_folder_that_is_missing_and_a_full_disk(self):
        self.refuse(names=[str(FOLDER / "none/a.csv"), "folder is missing"], out=FOLDER / "none/a.csv")
        kept = FOLDER / "kept.png"
        kept.write_text("before")
        result = explore("--screenshot", kept, before=leave_little_room)
        self.assertEqual(result.returncode, FAILED, result.stderr)
        self.assertIn(f"{kept}: writing failed", result.stderr)
        self.assertEqual(kept.read_text(), "before")
        self.assertEqual([path.name for path in FOLDER.glob("kept*")], ["kept.png"])

    def test_databases_that_are_none(self):
        pipe = FOLDER / "pipe.db"
        os.mkfifo(pipe)
        self.refuse(names=["pipe.db", "a device or a pipe"], database=pipe)
        self.refuse(names=["/dev/zero", "a device or a pipe"], database="/dev/zero")
        self.refuse(names=[str(FOLDER), "is a folder"], database=FOLDER)

    def test_absurd_figures_are_told(self):
        absurd = FOLDER / "absurd.db"
        with sqlite3.connect(DATABASE) as source, sqlite3.connect(absurd) as copy:
            source.backup(copy)
            copy.execute("UPDATE replay_results SET relative_error_mean = -1, physical_bytes = -5")
            copy.execute("UPDATE models SET name = printf('%.*c', 3000, 'W')")
        for view in ("tradeoff", "heads", "runs", "serving"):
            with self.subTest(view):
                picture = FOLDER / f"{view}.png"
                self.assertEqual(explore("--screenshot", picture, "--view", view, database=absurd).returncode, DONE)
                # PNG: width and height after the signature and the first chunk's head.
                self.assertEqual([int.from_bytes(picture.read_bytes()[at:at + 4], "big") for at in (16, 20)], [1280, 820])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
