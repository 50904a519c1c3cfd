"""How fast the results database answers once it is large: every view as a whole and with a usual filter, and the reports.

    million_rows.py RAZORSCOPE [--db FILE] [--repeats 5]

Run by hand. The program makes the schema, SQL fills it: 20,000 runs with 1,000,000 rows of heads, 20,000 plans, 20,000
serving runs, 1,000 rate searches, 100 probes of 1,000 heads. A database that --db names is made where it is missing.
Asked: a second of the processor for each view, ten for each report; the clock runs on where a machine has more to do.
Exit code 1 where one takes longer.
"""

import argparse
import pathlib
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

VIEW_SECONDS, REPORT_SECONDS = 1.0, 10.0

# Counts of everything. `i` counts rows; what it is divided by decides which rows belong together.
FILL = """
INSERT INTO programs (id, program_version, git_commit, cpu, kernel_target, compute_type, threads, os)
  SELECT 100 + i, '0.1', printf('%040x', i), 'a processor of 2 cores', 'avx512', 'f32', 2, 'Linux' FROM temp.counter WHERE i < 4;
INSERT INTO models SELECT 100 + i, printf('model-%d', i), printf('%064x', i), 'llama', 10, 10, 5, 64, 8192, 'rope'
  FROM temp.counter WHERE i < 4;
INSERT INTO texts SELECT 100 + i, printf('text-%d.txt', i), printf('%064x', i) FROM temp.counter WHERE i < 8;
INSERT INTO traces SELECT 100 + i, printf('%032x', i), 100 + i / 8, 100 + i % 8, 4096, printf('/data/trace-%d.safetensors', i)
  FROM temp.counter WHERE i < 32;
INSERT INTO policies SELECT 100 + i, CASE i WHEN 0 THEN 'full+f16' ELSE printf('window:sinks=4,recent=%d+%s', i, codec) END,
    CASE i WHEN 0 THEN 'full' ELSE 'window' END, '', codec, '{}'
  FROM (SELECT i, CASE i % 3 WHEN 0 THEN 'f16' WHEN 1 THEN 'q8_0' ELSE 'q4_0:residual=128' END AS codec FROM temp.counter WHERE i < 500);
INSERT INTO devices SELECT 100 + i, printf('%032x', i), printf('device-%d', i), 'vendor', 80000000000, 1, 'HBM3', 3e12, 9e14, NULL,
    NULL, 4.5e11, 'vendor', 'a data sheet', 'borrowed', 'A100', '{}' FROM temp.counter WHERE i < 6;

-- 10,000 replays: 50 policies at 2 shares after 4 prefixes of each of 25 traces.
INSERT INTO runs (id, config_hash, kind, trace_id, model_id, policy_id, requested_policy, prefix_tokens, steps, seed, provenance_id,
    comparison, equal_bytes_target, equal_bytes_share, full_f16_bytes, command_line, started_utc, wall_seconds)
  SELECT 1000 + i, printf('r%031x', i), 'replay', 100 + i / 400, 100 + i / 400 / 8, 100 + i % 50 * 2,
    (SELECT canonical_name FROM policies WHERE id = 100 + i % 50 * 2), 1024 * (1 + i / 100 % 4), 64, 1, 100 + i % 4, 'equal bytes',
    3000000, CASE i / 50 % 2 WHEN 0 THEN 0.3 ELSE 0.15 END, 10000000, 'razorscope replay --trace trace.safetensors',
    '2026-01-31T12:00:00Z', 12.5
  FROM temp.counter WHERE i < 10000;
INSERT INTO replay_results
  SELECT id, abs(id * 7919 % 1009) / 1009.0, 0.5, 0.75, 0.125, 0.375, 0.1, 0.0625, 0.25, 0.03, 300.5, 900000.5, 950000,
    900000 + id * 104729 % 9000000, 400000, 400000, 20, 30, 50, 1200000, 1150000, 9000000, 256.5, 1, 0, 0.5
  FROM runs WHERE kind = 'replay';
INSERT INTO replay_heads
  SELECT id, i / 10, i % 10 / 2, i % 10, abs(id * 7919 % 1009) / 1009.0, 0.75, 0.125, 0.375, 0.1, 0.0625
  FROM runs, temp.counter WHERE kind = 'replay' AND i < 100;

-- 6,000 evaluations of two texts each: 50 policies at 2 shares after 4 prefixes of 15 pairs of model and texts.
INSERT INTO runs (id, config_hash, kind, model_id, policy_id, requested_policy, prefix_tokens, steps, seed, provenance_id, comparison,
    equal_bytes_target, equal_bytes_share, full_f16_bytes, command_line, started_utc, wall_seconds)
  SELECT 20000 + i, printf('e%031x', i), 'eval', 100 + i / 400 % 4, 100 + i % 50 * 2,
    (SELECT canonical_name FROM policies WHERE id = 100 + i % 50 * 2), 1024 * (1 + i / 100 % 4), 256, 1, 100 + i % 4, 'equal bytes',
    3000000, CASE i / 50 % 2 WHEN 0 THEN 0.3 ELSE 0.15 END, 10000000, 'razorscope eval --model model.gguf', '2026-01-31T12:00:00Z', 60.5
  FROM temp.counter WHERE i < 6000;
INSERT INTO run_texts SELECT id, t.i, 100 + ((id - 20000) / 1600 * 2 + t.i) % 8 FROM runs, temp.counter AS t WHERE kind = 'eval' AND t.i < 2;
INSERT INTO eval_results
  SELECT id, 512, 2, 'text', 2.75, 2.5, 3.0, 2.5, 2.25, 2.75, 0.25, 0.125, 0.375, abs(id * 7919 % 1009) / 1009.0, 0.01, 0.5, 0.875,
    900000.5, 950000, 900000 + id * 104729 % 9000000, 1200000, 800000.5, 0, 30.5
  FROM runs WHERE kind = 'eval';

-- 4,000 runs of tasks with 10 answers each.
INSERT INTO runs (id, config_hash, kind, model_id, policy_id, requested_policy, prefix_tokens, steps, seed, settings_json, provenance_id,
    comparison, equal_bytes_share, full_f16_bytes, command_line, started_utc, wall_seconds)
  SELECT 30000 + i, printf('t%031x', i), 'task', 100 + i / 1000, 100 + i % 50 * 2,
    (SELECT canonical_name FROM policies WHERE id = 100 + i % 50 * 2), 1024, 10, i / 100, printf('{"seed":%d}', i / 100), 100 + i % 4,
    'equal bytes', CASE i / 50 % 2 WHEN 0 THEN 0.3 ELSE 0.15 END, 10000000, 'razorscope task needle', '2026-01-31T12:00:00Z', 90.5
  FROM temp.counter WHERE i < 4000;
INSERT INTO run_texts SELECT id, 0, 100 + id % 8 FROM runs WHERE kind = 'task';
INSERT INTO task_results
  SELECT id, CASE id / 100 % 2 WHEN 0 THEN 'needle' ELSE 'multi-query' END, 0, 10, id % 11, id % 11 / 10.0, 0.1, 0.9, 0.9, 1, 900000.5,
    950000.5, 900000 + id * 104729 % 9000000
  FROM runs WHERE kind = 'task';
INSERT INTO task_answers SELECT id, i, 1024, i / 10.0, i % 2, 0.5 FROM runs, temp.counter WHERE kind = 'task' AND i < 10;

INSERT INTO probes (id, model_id, block_tokens, repeats, seed, variant, token_source, config_hash, provenance_id, created_utc)
  SELECT 100 + i, 100 + i % 4, 200, 4, i, 'sum-prior', 'vocabulary', printf('p%031x', i), 100 + i % 4, '2026-01-31T12:00:00Z'
  FROM temp.counter WHERE i < 100;
INSERT INTO probe_heads
  SELECT id, i / 20, i % 20, i % 20 / 2, abs(i * 7919 % 1009) / 1009.0, abs((i + id) * 104729 % 1013) / 1013.0
  FROM probes, temp.counter WHERE id >= 100 AND i < 1000;

INSERT INTO deployment_runs
  SELECT 1000 + i, printf('d%031x', i), CASE WHEN i < 20000 THEN 'plan' ELSE 'serve' END, 100 + i % 6, 100 + i / 6 % 4, 100 + i / 24 % 100,
    1 << i / 2400 % 2, 'bf16', 'vllm', 0.9, 2e9, 2048, 1, 100 + i % 4, 'razorscope plan --devices device-0', '2026-01-31T12:00:00Z', 0.5
  FROM temp.counter WHERE i < 40000;
INSERT INTO plans
  SELECT id, 4096 * (1 + id / 4800), 512, 8, 1, 8e10, 1.6e10, 5e10, 90000, 5e8, 5e8, 1024.5, 100 + id % 50, 99 + id % 50, 1000000, 20 + id % 7,
    15, 3, 0, 1, 1, 25.5, 40.5, 300.5, 2.5, 'borrowed', 0, 0
  FROM deployment_runs WHERE kind = 'plan' AND id >= 1000;
INSERT INTO serving_runs
  SELECT id, 1, 0, 0, 'round-robin', 256, 8192, 0, printf('poisson:rate=%d,requests=1000,input=lognormal(1155,1.0)', 1 + id / 2400 % 10),
    'poisson:requests=1000,input=lognormal(1155,1.0)', printf('%032x', id / 4800), 1 + id / 2400 % 10, 2000, 50, NULL, 1000, 1000, '{}', 300.5,
    500, 400, 900, 1500.5, 2000, 30, 25, 40, 60.5, 90, 30, 25, 40, 60.5, 90, 9000, 8000, 15000, 20000.5, 30000,
    3.5, 700.5, 4000.5, 3.0 - id % 10 / 10.0, 0.9, 5, 0, 90000, 0.9, 0.5, 40.5, 2.5, 0.7, 0.3, 20000, 'borrowed', 0
  FROM deployment_runs WHERE kind = 'serve';
INSERT INTO serving_timeline SELECT run_id, i, i * 60, 40, 2, 0.5, 0, 100 * i, 500 * i FROM serving_runs, temp.counter WHERE i < 5;
INSERT INTO rate_searches
  SELECT 100 + i, printf('s%031x', i), 21000 + 8 * i, 0.9, 0.05, 'found', 2.5, 'razorscope serve --search-rate', '2026-01-31T12:00:00Z', 9.5
  FROM temp.counter WHERE i < 1000;
INSERT INTO rate_search_probes SELECT searches.id, searches.run_id + i FROM rate_searches AS searches, temp.counter WHERE searches.id >= 100 AND i < 8;

INSERT INTO device_replays
  SELECT 100 + i, 1000 + i, 100 + i % 6, 'llama-3.1-8b', 'bf16', 4, 1024, 7e10, 1.6e10, 2e9, 4e9, 3e9, NULL, 100.5, 2.5, 12.5, 900.5, 'borrowed'
  FROM temp.counter WHERE i < 2000;
INSERT INTO device_replay_occupancy SELECT id, i, i * 10, 1e8 * i FROM device_replays, temp.counter WHERE id >= 100 AND i < 20;
"""

# A usual question to each view; the whole view is asked beside it.
FILTERS = {
    "tradeoff": "model = 'model-1' AND text = 'text-3.txt' AND prefix_tokens = 1024",
    "pareto": "kind = 'replay' AND model = 'model-1' AND prefix_tokens = 1024",
    "head_errors": "run_id = 5000",
    "closed_loop": "model = 'model-1' AND prefix_tokens = 2048",
    "tasks": "task = 'needle' AND accuracy > 0.8",
    "ladder": "model = 'model-1' AND equal_bytes_share = 0.3",
    "retrieval_heads": "model = 'model-1' AND is_retrieval_head",
    "head_ranking": "probe_id = 150",
    "capacity": "device = 'device-3' AND context_tokens = 8192",
    "goodput": "device = 'device-3' AND rate_per_second = 4",
    "max_rates": "device = 'device-3'",
    "replays_on_devices": "device = 'device-3'",
    "provenance": "git_commit LIKE '%02'",
    "provenance_of_runs": "run_id = 5000",
    "provenance_of_deployment_runs": "run_id = 5000",
    "texts_of_runs": "run_id = 20500",
}


def make(program, path):
    subprocess.run([program, "plan", "--devices", "L40S", "--model", "llama-3.1-8b", "--policies", "full", "--db", path],
                   check=True, capture_output=True, timeout=120)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("CREATE TEMP TABLE counter (i INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO counter WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) SELECT i FROM n")
        # Without the plan that made the file, and what it named.
        made = ("deployment_runs", "devices", "policies", "models", "programs")
        database.executescript("BEGIN;" + "".join(f"DELETE FROM {table};" for table in made) + FILL + "COMMIT")
        if database.execute("PRAGMA foreign_key_check").fetchone():
            raise RuntimeError("the rows do not fit together")


def whole_of(database, view):
    """A question that computes the figures and a text of every row, and fetches nothing."""
    columns = {row[1]: row[2] for row in database.execute(f"PRAGMA table_info({view})")}
    figures = "".join(f", total({column})" for column, kind in columns.items() if kind != "TEXT")
    text = "policy" if "policy" in columns else next(column for column, kind in columns.items() if kind in ("TEXT", ""))
    return f"SELECT count(*), sum(length({text})){figures} FROM {view}"


def cpu_seconds():
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def median_seconds(repeats, work):
    """Of the clock, and of the processor: the two differ where the machine has more to do."""
    clock, cpu = [], []
    for _ in range(repeats):
        begin, cpu_begin = time.perf_counter(), cpu_seconds()
        work()
        clock.append(time.perf_counter() - begin)
        cpu.append(cpu_seconds() - cpu_begin)
    return statistics.median(clock), statistics.median(cpu)


def measure_views(path, repeats):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    rows = []
    for (view,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name").fetchall():
        whole = whole_of(database, view)
        count = database.execute(whole).fetchone()[0]
        rows.append((f"{view} ({count} rows)", median_seconds(repeats, lambda: database.execute(whole).fetchall()), VIEW_SECONDS))
        if view not in FILTERS:
            continue
        some = f"SELECT * FROM {view} WHERE {FILTERS[view]}"
        count = len(database.execute(some).fetchall())
        rows.append((f"  WHERE {FILTERS[view]} ({count} rows)", median_seconds(repeats, lambda: database.execute(some).fetchall()), VIEW_SECONDS))
    return rows


def measure_reports(program, path, repeats):
    rows = []
    for name in ("table", "md", "json", "csv --section replay", "csv --section eval"):
        command = [program, "report", "--db", path, "--format", *name.split()]
        work = lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
        rows.append((f"report --format {name}", median_seconds(repeats, work), REPORT_SECONDS))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--db", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.db or pathlib.Path(folder) / "million.db"
        if not path.exists():
            make(options.program, path)
        print(f"{path.stat().st_size / 1e6:.0f} MB, SQLite {sqlite3.sqlite_version} in Python; medians of {options.repeats}", flush=True)
        slow = 0
        print("   clock       CPU")
        for measure in (lambda: measure_views(path, options.repeats), lambda: measure_reports(options.program, path, options.repeats)):
            for name, (clock, cpu), limit in measure():
                slow += cpu > limit
                print(f"{clock:8.3f} s {cpu:7.3f} s  {name}{'   TOO SLOW' if cpu > limit else ''}", flush=True)
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
