"""The explorer as a user has it: in a window of an X server, with mouse and keys.

Usage: gui_test.py RAZORSCOPE SOURCES

Needs Xvfb and xdotool, and razorscope-gui beside RAZORSCOPE; without them it is skipped (exit code 77), and says why.
"""

import os
import pathlib
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

PROGRAM, SOURCES = (pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])) if len(sys.argv) > 2 else (None, None)
DISPLAY = ":" + str(60 + os.getpid() % 900)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def colours_of(png):
    """The number of colours in an RGB or RGBA picture of 8 bits, and its size."""
    data = png.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert depth == 8 and kind in (2, 6), (depth, kind)
    packed, at = b"", 8
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at:at + 8])
        if name == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    size = 3 if kind == 2 else 4
    raw, stride = zlib.decompress(packed), width * size
    previous, seen = bytearray(stride), set()
    for y in range(height):
        begin = y * (stride + 1)
        how, line = raw[begin], bytearray(raw[begin + 1:begin + 1 + stride])
        for x in range(stride):
            left = line[x - size] if x >= size else 0
            above = previous[x]
            corner = previous[x - size] if x >= size else 0
            if how == 1:
                line[x] = (line[x] + left) & 255
            elif how == 2:
                line[x] = (line[x] + above) & 255
            elif how == 3:
                line[x] = (line[x] + (left + above) // 2) & 255
            elif how == 4:
                guess = left + above - corner
                distances = [(abs(guess - left), 0, left), (abs(guess - above), 1, above), (abs(guess - corner), 2, corner)]
                line[x] = (line[x] + min(distances)[2]) & 255
        previous = line
        seen.update(bytes(line[x:x + 3]) for x in range(0, stride, 5 * size))
    return len(seen), (width, height)


class Gui(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen(["Xvfb", DISPLAY, "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        socket = pathlib.Path("/tmp/.X11-unix/X" + DISPLAY[1:])
        if not wait_for(socket.exists, 10):
            raise RuntimeError("Xvfb did not start")

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.environment = dict(os.environ, DISPLAY=DISPLAY, XDG_CONFIG_HOME=str(self.path / "config"), QT_QPA_PLATFORM="xcb",
                                XDG_RUNTIME_DIR=str(self.path), OMP_WAIT_POLICY="passive")
        self.program = None

    def tearDown(self):
        if self.program and self.program.poll() is None:
            self.program.kill()
            self.program.wait()
        self.folder.cleanup()

    def make_database(self, name="results.db"):
        db = self.path / name
        trace = self.path / "a.trace"
        subprocess.run([PROGRAM, "record", "--model", "tiny-alibi", "--text", SOURCES / "experiments/texts/harbour.txt", "--tokens",
                        "160", "--out", trace], check=True, capture_output=True)
        subprocess.run([PROGRAM, "replay", "--trace", trace, "--prefix", "128", "--steps", "16", "--db", db, "--policies",
                        "full;window:recent=16;window:recent=60;razor/none:recent=16;razor/none:recent=60"],
                       check=True, capture_output=True)
        return db

    def start(self, *words):
        self.program = subprocess.Popen([PROGRAM.parent / "razorscope-gui", *words], env=self.environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(wait_for(lambda: self.windows()), "no window appeared")
        self.window = self.windows()[-1]
        self.xdo("windowsize", "--sync", self.window, "1380", "860")
        self.xdo("windowmove", self.window, "0", "0")
        self.xdo("windowfocus", self.window)
        time.sleep(0.5)

    def windows(self, name="Razorscope"):
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", name], env=self.environment,
                               capture_output=True, text=True)
        return found.stdout.split()

    def xdo(self, *words):
        subprocess.run(["xdotool", *words], env=self.environment, check=True, capture_output=True)

    def key(self, *keys):
        for key in keys:
            self.xdo("key", "--delay", "30", key)
            time.sleep(0.1)

    def type(self, text):
        self.xdo("type", "--delay", "15", text)
        time.sleep(0.2)

    def wait_title(self, text):
        self.assertTrue(wait_for(lambda: self.windows(text)), "no window is called " + text)

    def save_as(self, path):
        """Fills the file dialog that Ctrl+E opens. There is no window manager, so that the focus is moved by hand."""
        self.key("ctrl+e")
        self.wait_title("Export")
        self.xdo("windowfocus", "--sync", self.windows("Export")[-1])
        self.key("ctrl+a")
        self.type(str(path))
        self.key("Return")
        self.assertTrue(wait_for(lambda: not self.windows("Export")), "the dialog stays")
        self.xdo("windowfocus", "--sync", self.window)

    def quit(self):
        self.xdo("windowfocus", self.window)
        self.key("ctrl+q")
        self.assertTrue(wait_for(lambda: self.program.poll() is not None, 15), "it does not end")
        self.assertEqual(self.program.returncode, 0)

    def test_open_filter_select_export(self):
        db = self.make_database()
        self.start(str(db))
        self.wait_title("results.db")
        self.key("ctrl+2")
        everything = self.path / "all.csv"
        self.save_as(everything)
        self.assertTrue(wait_for(everything.exists))
        self.assertEqual(len(everything.read_text().splitlines()), 6)

        self.key("ctrl+f")
        self.type("razor")
        time.sleep(0.3)
        some = self.path / "some.csv"
        self.save_as(some)
        self.assertTrue(wait_for(some.exists))
        lines = some.read_text().splitlines()
        self.assertEqual(len(lines), 3)
        self.assertTrue(all("razor" in line for line in lines[1:]), lines)

        self.key("ctrl+1")
        time.sleep(0.5)
        picture = self.path / "front.png"
        self.save_as(picture)
        self.assertTrue(wait_for(picture.exists))
        time.sleep(0.3)
        colours, size = colours_of(picture)
        self.assertGreater(colours, 5)
        self.assertGreater(size[0], 800)  # twice the chart's width

        # A click into the table selects, and two selected runs can be compared.
        self.key("ctrl+2")
        self.xdo("mousemove", "420", "145", "click", "1")
        self.key("shift+Down")
        compare = [i for i, name in enumerate(self.view_names(), 1) if name == "compare"][0]
        self.key(f"ctrl+{compare}")
        time.sleep(0.5)
        differences = self.path / "differences.csv"
        self.save_as(differences)
        self.assertTrue(wait_for(differences.exists))
        self.assertIn("relative_error_mean", differences.read_text())
        self.key("ctrl+1")
        time.sleep(0.5)
        self.quit()

        # The session comes back: the same file, view and filter.
        self.start()
        self.wait_title("results.db")
        time.sleep(0.5)
        again = self.path / "again.csv"
        self.save_as(again)
        self.assertTrue(wait_for(again.exists))
        self.assertTrue(again.read_text().startswith("series,"))
        self.key("ctrl+2")
        filtered = self.path / "filtered.csv"
        self.save_as(filtered)
        self.assertTrue(wait_for(filtered.exists))
        self.assertEqual(len(filtered.read_text().splitlines()), 3)
        self.key("question")
        self.wait_title("Keys")
        self.xdo("windowfocus", "--sync", self.windows("Keys")[-1])
        self.key("Escape")
        self.quit()

    def view_names(self):
        helped = subprocess.run([PROGRAM.parent / "razorscope-gui", "--help"], env=self.environment, capture_output=True, text=True)
        line = " ".join(helped.stdout.split())
        return line.split("Which view: ")[1].split(".")[0].split(", ")

    def test_start_and_cancel_a_sweep(self):
        sweep = self.path / "slow.toml"
        sweep.write_text(f'[[replay]]\nmodel = "tiny-alibi"\ntext = "{SOURCES}/experiments/texts/harbour.txt"\n'
                         'prefix = [64, 400, 800, 1200, 1600]\nsteps = 8\npolicies = ["h2o:budget=0.5", "tova:budget=0.5"]\n')
        db = self.make_database("sweep.db")
        settings = self.path / "config/Razorscope/Explorer.conf"
        settings.parent.mkdir(parents=True)
        state = '{\\"file\\":\\"' + str(sweep) + '\\"}'
        settings.write_text(f'[views]\nsweep="@ByteArray({state})"\n')
        self.start("--view", "sweep", str(db))
        self.wait_title("sweep.db")
        before = self.counts(db)
        self.assertEqual(before, {})
        self.press("Start")
        self.assertTrue(wait_for(lambda: self.counts(db).get("done", 0) + self.counts(db).get("running", 0) > 0, 60))
        self.press("Cancel")
        self.assertTrue(wait_for(lambda: self.counts(db).get("running", 0) == 0, 30), self.counts(db))
        stopped = self.counts(db)
        self.assertLess(stopped.get("done", 0), 10)
        self.assertIsNone(self.program.poll())
        self.quit()

    def press(self, button):
        self.key({"Start": "alt+a", "Cancel": "alt+c", "Resume": "alt+r"}[button])
        time.sleep(0.3)

    def counts(self, db):
        with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as database:
            return dict(database.execute("SELECT state, count(*) FROM sweep_cells GROUP BY state").fetchall())


def missing():
    if not (PROGRAM.parent / "razorscope-gui").exists():
        return "the explorer was not built"
    for name in ("Xvfb", "xdotool"):
        if shutil.which(name) is None:
            return name + " is not installed"
    return ""


if __name__ == "__main__":
    signal.alarm(280)
    why = missing()
    if why:
        print("skipped:", why)
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
