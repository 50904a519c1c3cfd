#!/usr/bin/env python3
"""Compares a simulated serving run with a measured one, and draws its curves over the measured ones.

    experiments/validation/vllm_run.py build/release/razorscope REQUESTS.jsonl TIMESERIES.csv [--svg curves.svg]
        [-- further options of razorscope serve]

REQUESTS.jsonl has one object a request (input_toks, output_toks, queued_ts, first_token_ts, last_token_ts), TIMESERIES.csv
the columns t, running, waiting and kv_cache_pct. Without further options: Llama-3.1-8B on an RTX 4090 with a prefix
cache, as that run was made. Nothing is fitted.
"""
import argparse
import csv
import json
import statistics
import subprocess
import sys


def measured_means(path):
    with open(path, encoding="utf-8") as file:
        requests = [json.loads(line) for line in file if line.strip()]
    several = [r for r in requests if r["output_toks"] > 1]
    return {"TTFT": statistics.mean(r["first_token_ts"] - r["queued_ts"] for r in requests),
            "TPOT": statistics.mean((r["last_token_ts"] - r["first_token_ts"]) / (r["output_toks"] - 1) for r in several),
            "end to end": statistics.mean(r["last_token_ts"] - r["queued_ts"] for r in requests)}


def polyline(points, scale_x, scale_y, height, colour):
    text = " ".join(f"{40 + x * scale_x:.1f},{height - y * scale_y:.1f}" for x, y in points)
    return f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def draw(path, series, timeline):
    curves = [("running", "running", lambda p: p["running"]), ("waiting", "waiting", lambda p: p["waiting"]),
              ("KV in use, %", "kv_cache_pct", lambda p: 100 * p["kv_use"])]
    end = max(series[-1]["t"], timeline[-1]["s"])
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="820" height="690" font-family="sans-serif" font-size="12">',
             '<rect width="820" height="690" fill="white"/>']
    for i, (title, column, simulated) in enumerate(curves):
        top = max(max(row[column] for row in series), max(map(simulated, timeline)))
        base = 220 * (i + 1)
        parts.append(f'<text x="40" y="{base - 190}">{title} (grey: measured, orange: simulated; at most {top:.0f})</text>')
        parts.append(f'<path d="M40 {base - 180}V{base}H800" fill="none" stroke="black"/>')
        for points, colour in (([(r["t"], r[column]) for r in series], "#888888"),
                               ([(p["s"], simulated(p)) for p in timeline], "#d55e00")):
            parts.append(polyline(points, 760 / end, 180 / top, base, colour))
    parts.append(f'<text x="700" y="682">{end:.0f} s</text></svg>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("requests")
    parser.add_argument("timeseries")
    parser.add_argument("--svg", help="draw running, waiting and KV use, simulated over measured")
    own, options = sys.argv[1:], []
    if "--" in own:  # what follows is for razorscope serve
        own, options = own[:own.index("--")], own[own.index("--") + 1:]
    arguments = parser.parse_args(own)
    options = options or ["--device", "RTX 4090", "--model", "llama-3.1-8b", "--prefix-cache"]
    done = subprocess.run([arguments.program, "serve", "--json", "--workload", arguments.requests, *options],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    simulated = json.loads(done.stdout)
    keys = {"TTFT": "ttft_ms", "TPOT": "tpot_ms", "end to end": "e2e_ms"}
    for name, measured in measured_means(arguments.requests).items():
        predicted = simulated[keys[name]]["mean"]
        print(f"{name:<12} measured {1e3 * measured:>9.1f} ms, simulated {predicted:>9.1f} ms, "
              f"{100 * (predicted / 1e3 / measured - 1):+.1f} %")
    print(f"KV blocks    {simulated['kv_blocks']}; preemptions {simulated['preemptions']}; {simulated['seconds']:.1f} s in all")
    with open(arguments.timeseries, newline="", encoding="utf-8") as file:
        series = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    if arguments.svg:
        draw(arguments.svg, series, simulated["timeline"])


if __name__ == "__main__":
    main()
