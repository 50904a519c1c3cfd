"""What a sweep costs beside its computation: 200 replays, as a sweep and as bare commands.

Usage: sweep_overhead.py PROGRAM SOURCES [--model smollm2-135m] [--times 5]

Prints for each time the seconds of the sweep, of the same commands started as many at once by hand, and of the replays
alone (what each process spent between its first and its last layer, shared by the cores), and the ratios.
"""

import argparse
import concurrent.futures
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

POLICIES = ["full", "full+q8_0", "full+q4_0", "h2o", "snapkv"] + [f"window:recent={n}" for n in range(60, 540, 60)] + \
    [f"razor/none:recent={n}" for n in range(60, 480, 60)]
PREFIXES = range(640, 1600, 100)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("sources", type=pathlib.Path)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trace = folder / "trace.safetensors"
        subprocess.run([options.program, "record", "--model", options.model, "--text",
                        options.sources / "experiments/texts/harbour.txt", "--tokens", str(max(PREFIXES) + 64), "--out", trace],
                       check=True, stdout=subprocess.DEVNULL)
        sweep = folder / "sweep.toml"
        sweep.write_text(f"[[replay]]\ntrace = '{trace}'\nprefix = {list(PREFIXES)}\nsteps = 64\npolicies = {POLICIES}\n")
        rows = []
        for turn in range(options.times):
            db = folder / f"sweep-{turn}.db"
            begin = time.time()
            subprocess.run([options.program, "sweep", "run", sweep, "--db", db], check=True, capture_output=True)
            as_sweep = time.time() - begin
            database = sqlite3.connect(db)
            runs, = database.execute("SELECT count(*) FROM replay_results").fetchone()
            alone = sum(seconds for seconds, in database.execute("SELECT wall_seconds FROM runs GROUP BY command_line")) / cores
            lines = [line for line, in database.execute("SELECT DISTINCT command_line FROM runs")]
            database.close()
            by_hand = folder / f"hand-{turn}.db"
            begin = time.time()
            with concurrent.futures.ThreadPoolExecutor(cores) as pool:
                for done in pool.map(lambda line: subprocess.run(line.replace(str(db), str(by_hand)), shell=True, capture_output=True), lines):
                    if done.returncode:
                        sys.exit(done.stderr.decode())
            rows.append((as_sweep, time.time() - begin, alone))
            print(f"{runs} runs in {len(lines)} processes: sweep {rows[-1][0]:.2f} s, by hand {rows[-1][1]:.2f} s, replays alone {alone:.2f} s; "
                  f"{rows[-1][0] / rows[-1][1]:.3f} and {rows[-1][0] / alone:.3f} times as long")
        print(f"median: {statistics.median(r[0] / r[1] for r in rows):.3f} of by hand, "
              f"{statistics.median(r[0] / r[2] for r in rows):.3f} of the replays alone")


if __name__ == "__main__":
    main()
