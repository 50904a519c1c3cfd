#!/usr/bin/env python3
"""Compares predicted with measured time per output token.

    experiments/validation/step_times.py build/release/razorscope MEASURED.csv

MEASURED.csv has the columns model_path, system, precision, isl, osl, batch_size, tp_size, silicon_ttft_ms and
silicon_tpot_ms. They were measured with as many requests at work as the batch says, a new one following each that
ends; so each row is compared with the tpot_ms of `razorscope plan`. Nothing is fitted. Time to first token is set
beside the prefill of one prompt: what it waits for the others is not known.
"""
import argparse
import collections
import csv
import json
import statistics
import subprocess
import sys

DEVICES = {"h100_sxm": "H100 SXM", "h200_sxm": "H200 SXM", "b200_sxm": "B200 SXM", "a100_sxm": "A100 SXM 80", "l40s": "L40S"}


def shape_of(model_path):
    name = model_path.split("/")[-1].lower()
    return name.removesuffix("-instruct")


def predict(program, row):
    weights = row["precision"] or "bf16"
    command = [program, "plan", "--json", "--devices", DEVICES[row["system"]], "--model", shape_of(row["model_path"]),
               "--weights", weights, "--tp", row["tp_size"], "--context", row["isl"], "--output", row["osl"],
               "--batch", row["batch_size"], "--policies", "full"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)["rows"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("measured")
    parser.add_argument("--rows", action="store_true", help="print every row")
    arguments = parser.parse_args()
    tpot_errors = collections.defaultdict(list)
    ttft_errors = collections.defaultdict(list)
    with open(arguments.measured, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            predicted = predict(arguments.program, row)
            group = (shape_of(row["model_path"]), row["precision"] or "bf16", row["tp_size"])
            measured = float(row["silicon_tpot_ms"])
            error = predicted["tpot_ms"] / measured - 1.0
            tpot_errors[group].append(error)
            ttft = predicted["prefill_ms"]
            ttft_errors[group].append(ttft / float(row["silicon_ttft_ms"]) - 1.0)
            if arguments.rows:
                print(f"{group} isl {row['isl']} osl {row['osl']} batch {row['batch_size']}: "
                      f"{predicted['tpot_ms']:.2f} ms, measured {measured:.2f}, {100 * error:+.1f} %")
    print(f"{'model':<16} {'weights':<8} {'tp':>3} {'rows':>5} {'TPOT MAPE':>10} {'bias':>8} {'TTFT MAPE':>10}")
    totals = collections.defaultdict(list)
    for group in sorted(tpot_errors):
        errors = tpot_errors[group]
        totals[group[:2]] += errors
        print(f"{group[0]:<16} {group[1]:<8} {group[2]:>3} {len(errors):>5} "
              f"{100 * statistics.mean(map(abs, errors)):>8.2f} % {100 * statistics.mean(errors):>+6.2f} % "
              f"{100 * statistics.mean(map(abs, ttft_errors[group])):>8.1f} %")
    for group, errors in sorted(totals.items()):
        print(f"{group[0]:<16} {group[1]:<8} all {len(errors):>5} {100 * statistics.mean(map(abs, errors)):>8.2f} %")


if __name__ == "__main__":
    main()
