"""Plans, and one serving run at a time, as scripts use them: JSON keys, sums by hand, exit codes, messages.

    plan_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

RAZORSCOPE = sys.argv[1]
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_plan_"))
ENVIRONMENT = {**os.environ, "XDG_DATA_HOME": str(FOLDER / "data"), "XDG_CONFIG_HOME": str(FOLDER / "config")}
ENVIRONMENT.pop("RAZORSCOPE_DEVICES", None)
SMALL = "poisson:rate=4,requests=60,input=lognormal(600,0.8),output=lognormal(80,0.7),seed=1"


def run(*arguments):
    command = [RAZORSCOPE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False)


def document(*arguments):
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class PlanTest(unittest.TestCase):
    def test_a_row_for_each_device_and_policy(self):
        rows = document("plan", "--devices", "H100 SXM;Ascend 910B2", "--model", "llama-3.1-70b", "--tp", 8, "--context",
                        131072, "--policies", "full;razor", "--batch", 2)["rows"]
        self.assertEqual([(row["device"], row["policy"].split("/")[0].split("+")[0]) for row in rows],
                         [("H100 SXM", "full"), ("H100 SXM", "razor"), ("Ascend 910B2", "full"), ("Ascend 910B2", "razor")])
        for row in rows:
            for key in ("weights_bytes", "kv_bytes_per_sequence", "max_batch", "max_context", "decode_ms", "prefill_ms"):
                self.assertGreater(row[key], 0, key)
            parts = row["decode_split"]
            self.assertAlmostEqual(sum(parts.values()), row["decode_ms"], places=9)
        self.assertEqual([row["calibration"] for row in rows], ["calibrated"] * 2 + ["uncalibrated"] * 2)
        self.assertEqual(rows[2]["max_batch"], 7)  # 64 GiB x .9 - 17.64 - 1.24 GB over 5.38 GB a sequence

    def test_bytes_by_hand(self):
        row = document("plan", "--devices", "L40S", "--model", "llama-3.1-8b", "--context", 1000, "--output", 24,
                       "--policies", "full")["rows"][0]
        self.assertEqual(row["kv_bytes_per_sequence"], 1024 * 2 * 32 * 8 * 128 * 2)
        self.assertAlmostEqual(row["weights_bytes"], 2 * 8.03e9, delta=2e7)
        self.assertEqual(row["kv_blocks"], int(row["kv_pool_bytes"] // (16 * 131072)))

    def test_the_table_says_what_nobody_measured(self):
        text = run("plan", "--devices", "MI300X", "--model", "qwen3-32b", "--policies", "razor").stdout
        self.assertIn("uncalibrated", text)
        self.assertIn("nobody probed this model", text)

    def test_a_share_that_leaves_nothing_of_one_block_can_be_planned(self):
        full, occam = document("plan", "--devices", "L40S", "--model", "llama-3.1-8b", "--context", 8192, "--output", 1,
                               "--policies", "full;occam:budget=0.3")["rows"]
        self.assertAlmostEqual(occam["kv_bytes_per_sequence"] / full["kv_bytes_per_sequence"], 0.3, delta=0.01)

    def test_bad_requests(self):
        for arguments, fragments in (
                (["--devices", "H100X", "--model", "llama-3.1-8b"], ["--devices", "H100"]),
                (["--devices", "H100", "--model", "lama-3.1-8b"], ["--model", "llama-3.1-8b"]),
                (["--devices", "L4", "--model", "llama-3.1-70b"], ["does not fit", "--weights"]),
                (["--devices", "H100", "--model", "llama-3.1-8b", "--context", 0], ["--context", "from 1"]),
                (["--devices", "H100", "--model", "llama-3.1-8b", "--weights", "fp4"], ["--weights", "fp8"]),
                (["--devices", "H100", "--model", "llama-3.1-8b", "--utilisation", 0], ["--utilisation"]),
                (["--devices", "H100", "--model", "llama-3.1-8b", "--engine", "vlm"], ["--engine", "vllm"]),
                (["--devices", "H100", "--model", "llama-3.1-8b", "--tp", 3], ["--tp", "query heads"]),
                (["--devices", "H100", "--model", "llama-3.1-8b", "--policies", "oracle/topk"], ["replay only"])):
            done = run("plan", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            for fragment in fragments:
                self.assertIn(fragment, done.stderr)


class ServeTest(unittest.TestCase):
    OPTIONS = ["serve", "--device", "L40S", "--model", "llama-3.1-8b"]

    def test_keys_that_scripts_rely_on(self):
        result = document(*self.OPTIONS, "--workload", SMALL, "--slo", "ttft=2s,tpot=60ms")
        for key in ("ttft_ms", "tpot_ms", "itl_ms", "e2e_ms"):
            self.assertLessEqual(result[key]["p50"], result[key]["p90"])
            self.assertLessEqual(result[key]["p90"], result[key]["p99"])
            self.assertGreater(result[key]["mean"], 0)
        for key in ("request_rate", "token_rate", "goodput", "kv_blocks", "peak_kv_use", "requests"):
            self.assertGreater(result[key], 0, key)
        self.assertEqual(result["preemptions"], 0)
        self.assertEqual((result["requests"], result["completed"]), (60, 60))
        self.assertLessEqual(result["goodput"], result["request_rate"])

    def test_one_seed_one_result(self):
        a, b = (run(*self.OPTIONS, "--workload", SMALL, "--json").stdout for _ in range(2))
        self.assertEqual(a, b)

    def test_its_timeline_as_a_chrome_trace(self):
        path = FOLDER / "serve.trace.json"
        run(*self.OPTIONS, "--workload", SMALL, "--chrome-trace", path)
        events = json.loads(path.read_text())
        events = events["traceEvents"] if isinstance(events, dict) else events
        spans = [event for event in events if event["ph"] == "X"]
        self.assertEqual(len(spans), 2 * 60)
        self.assertTrue(any(event["ph"] == "C" and event["name"] == "requests" for event in events))
        for thread in {span["tid"] for span in spans}:
            own = sorted((span["ts"], span["dur"]) for span in spans if span["tid"] == thread)
            for (start, duration), (following, _) in zip(own, own[1:]):
                self.assertLessEqual(start + duration, following + 1)

    def test_a_file_in_another_format(self):
        path = FOLDER / "azure.csv"
        path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
                        "2023-11-16 18:15:50.9951690,396,109\r\n")
        self.assertEqual(document(*self.OPTIONS, "--workload", path)["completed"], 2)
        path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,-4\n")
        done = run(*self.OPTIONS, "--workload", path)
        self.assertEqual(done.returncode, 2)
        self.assertIn("azure.csv:2: GeneratedTokens", done.stderr)

    def test_too_long_for_the_context(self):
        done = run(*self.OPTIONS, "--workload", "poisson:rate=1,requests=3,input=fixed(200000)")
        self.assertEqual(done.returncode, 2)
        self.assertIn("exceed the context of 131072", done.stderr)

    def test_bad_requests(self):
        for arguments, fragments in ((["--workload", "poison:rate=1"], ["poisson"]),
                                     (["--workload", SMALL, "--slo", "ttft=2"], ["--slo", "ms, s or min"]),
                                     (["--workload", SMALL, "--disaggregate", "1"], ["--disaggregate", "1:3"]),
                                     (["--workload", SMALL, "--router", "random"], ["--router", "round-robin"]),
                                     (["--workload", SMALL, "--prefix-cache", "--policy", "razor:recent=64"],
                                      ["--prefix-cache", "drops tokens"])):
            done = run(*self.OPTIONS, *arguments)
            self.assertEqual(done.returncode, 2, (arguments, done.stdout))
            for fragment in fragments:
                self.assertIn(fragment, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
