#!/usr/bin/env python3
"""Compares predicted with measured decode times of this program's own engine on this machine.

    experiments/validation/own_engine.py build/release/razorscope [--model smollm2-135m] [--prefix 1536]

Measures the machine (razorscope devices calibrate), asks razorscope plan for a decode step under each policy on it, and
sets beside it what razorscope bench decode measures. The machine should be otherwise idle. Nothing is fitted to the
steps that are compared: the constants come from single products and from attention alone.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--prefix", default="1536")
    parser.add_argument("--device", help="an entry that was calibrated before, instead of measuring anew")
    parser.add_argument("--policies", default="full;razor:recent=128;full+q8_0;razor:recent=128+q8_0")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        device = arguments.device or str(pathlib.Path(folder) / "this.toml")
        if not arguments.device:
            print(run([arguments.program, "devices", "calibrate", "--out", device]))
        for policy in arguments.policies.split(";"):
            predicted = json.loads(run([
                arguments.program, "plan", "--json", "--devices", device, "--model", arguments.model, "--context",
                arguments.prefix, "--output", "1", "--policies", policy]))["rows"][0]
            measured = json.loads(run([
                arguments.program, "bench", "decode", "--json", "--compute", "bf16", "--model", arguments.model,
                "--policies", policy, "--prefix", arguments.prefix, "--batch", "1", "--repeats", "21"]))["rows"][0]
            seconds = measured["seconds_median"]
            print(f"{policy:<24} predicted {predicted['decode_ms']:.2f} ms, measured {1e3 * seconds:.2f} ms, "
                  f"{100 * (predicted['decode_ms'] / 1e3 / seconds - 1):+.0f} %")


if __name__ == "__main__":
    main()
