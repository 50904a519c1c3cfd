"""The example for pandas on a database that the program made. Without pandas the test is reported as skipped: exit code 77.

    pandas_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

RAZORSCOPE = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
EXAMPLE = SOURCE / "experiments/store/pandas_example.py"
MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"
TEXT = SOURCE / "experiments/texts/harbour.txt"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_pandas_"))
DB = FOLDER / "results.db"
SKIPPED = 77


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, timeout=120, text=True,
                          env={**os.environ, "OMP_WAIT_POLICY": "passive"})


def has_pandas(python):
    return pathlib.Path(python).exists() and run(python, "-c", "import pandas").returncode == 0


def tearDownModule():
    shutil.rmtree(FOLDER)


class PandasTest(unittest.TestCase):
    def replay(self, policies, *options):
        trace = FOLDER / "trace.safetensors"
        for command in (["record", "--model", MODEL, "--text", TEXT, "--tokens", 160, "--out", trace],
                        ["replay", "--trace", trace, "--prefix", 150, "--steps", 8, "--policies", policies, "--db", DB, *options]):
            made = run(RAZORSCOPE, *command)
            self.assertEqual(made.returncode, 0, made.stderr)

    def test_prints_what_is_stored(self):
        self.replay("full")
        result = run(PYTHON, EXAMPLE, DB)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("relative_error_mean", result.stdout)
        self.assertIn("there is no table by share", result.stdout)

        self.replay("window:sinks=4,recent=60", "--equal-bytes", "0.5")
        result = run(PYTHON, EXAMPLE, DB)
        self.assertEqual(result.returncode, 0, result.stderr)
        asked = run(RAZORSCOPE, "sql", "--db", DB, "--json",
                    "SELECT relative_error_mean AS x FROM tradeoff WHERE equal_bytes_share = 0.5 AND requested_policy LIKE 'window%'")
        (row,) = json.loads(asked.stdout)["rows"]
        self.assertIn(f"{row['x']:.4f}", result.stdout)

    def test_makes_no_file(self):
        missing = FOLDER / "missing.db"
        self.assertNotEqual(run(PYTHON, EXAMPLE, missing).returncode, 0)
        self.assertFalse(missing.exists())


if __name__ == "__main__":
    # The package of the system is for the system's interpreter, which need not be the one that runs this.
    PYTHON = next((python for python in (sys.executable, "/usr/bin/python3") if has_pandas(python)), None)
    if PYTHON is None:
        print("skipped: no Python here has pandas; python3-pandas is not installed")
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
