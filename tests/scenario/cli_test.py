"""What scripts rely on: exit codes, messages that name file and field, one JSON document, interruption, records that replay.

    cli_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]
"""

import contextlib
import json
import math
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

RAZORSCOPE = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"  # mpt: 4 layers of 8 heads, a context of 2048
TEXT = SOURCE / "experiments/texts/harbour.txt"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_cli_"))
ENVIRONMENT = {
    **os.environ,
    "XDG_DATA_HOME": str(FOLDER / "data"),
    "XDG_CACHE_HOME": str(FOLDER / "cache"),
    "XDG_CONFIG_HOME": str(FOLDER / "config"),
    "OMP_WAIT_POLICY": "passive",
}
ENVIRONMENT.pop("RAZORSCOPE_TARGET", None)
ENVIRONMENT.pop("RAZORSCOPE_DEVICES", None)
DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
TOKENS, PREFIX, STEPS = 160, 150, 8


def run(*arguments, environment=None):
    command = [RAZORSCOPE, *map(os.fspath, map(str, arguments))]
    return subprocess.run(command, capture_output=True, timeout=120, env={**ENVIRONMENT, **(environment or {})})


def write(name, content):
    path = FOLDER / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def decode(output):
    return output.decode(errors="replace")


def setUpModule():
    global TRACE, TRACE_WITHOUT_PROBE
    TRACE, TRACE_WITHOUT_PROBE = FOLDER / "probed.safetensors", FOLDER / "unprobed.safetensors"
    for path, options in ((TRACE, []), (TRACE_WITHOUT_PROBE, ["--no-probe"])):
        made = run("record", "--model", MODEL, "--text", TEXT, "--tokens", TOKENS, "--out", path, *options)
        if made.returncode != DONE:
            raise RuntimeError(f"no trace to test with: {decode(made.stderr)}")


def tearDownModule():
    shutil.rmtree(FOLDER)


class CommandLineTest(unittest.TestCase):
    def succeed(self, *arguments, **options):
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, DONE, decode(result.stderr))
        return decode(result.stdout)

    def json_of(self, *arguments, **options):
        """The one JSON document that the command prints; json.loads refuses anything after it."""
        return json.loads(self.succeed(*arguments, "--json", **options))

    def refuse(self, *arguments, names, **options):
        """The command must end with code 2 and nothing on stdout, and name all of `names`."""
        with self.subTest(command=" ".join(map(str, arguments))[:200]):
            result = run(*arguments, **options)
            message = decode(result.stderr)
            self.assertEqual(result.returncode, BAD_INPUT, message)
            self.assertEqual(result.stdout, b"")
            self.assertLess(len(message), 4000)
            for name in names:
                self.assertIn(str(name), message)

    def replay(self, *arguments, trace=None, **options):
        return self.json_of("replay", "--trace", trace or TRACE, "--prefix", PREFIX, "--steps", STEPS, *arguments, **options)


class BadInputTest(CommandLineTest):
    def test_usage(self):
        self.refuse(names=["subcommand"])
        self.refuse("inspekt", names=["subcommand"])
        self.refuse("inspect", names=["model"])
        self.refuse("inspect", "--model", MODEL, "--nonsense", names=["--nonsense"])
        self.refuse("tokenize", "--string", "x", names=["--model"])
        self.refuse("tokenize", "--model", MODEL, names=["--text", "--string"])
        self.refuse("logits", "--model", MODEL, names=["--text", "--ids"])
        self.refuse("logits", "--text", TEXT, names=["--model"])
        self.refuse("probe", names=["--model"])
        self.refuse("record", "--model", MODEL, "--text", TEXT, names=["--out"])
        for missing in ("--trace", "--prefix", "--steps", "--policies"):
            options = {"--trace": TRACE, "--prefix": 100, "--steps": 4, "--policies": "full"}
            del options[missing]
            self.refuse("replay", *(x for pair in options.items() for x in pair), names=[missing])
        self.refuse("logits", "--model", MODEL, "--text", TEXT, "--ids", TEXT, names=["--text", "--ids"])
        self.refuse("tokenize", "--model", MODEL, "--text", TEXT, "--string", "x", names=["--text", "--string"])

    def test_models(self):
        garbage = write("garbage.gguf", os.urandom(5000))
        truncated = write("truncated.gguf", MODEL.read_bytes()[:1_000_000])
        headless = write("headless.gguf", MODEL.read_bytes()[:3000])
        empty = write("empty.gguf", b"")
        other = write("other.gguf", MODEL.read_bytes().replace(b"\x03\0\0\0\0\0\0\0mpt", b"\x03\0\0\0\0\0\0\0mpx", 1))
        for command in (["inspect"], ["tokenize", "--string", "x"], ["probe"], ["logits", "--text", TEXT],
                        ["record", "--text", TEXT, "--out", FOLDER / "never"]):
            for model, names in ((garbage, ["magic", "GGUF"]), (truncated, ["past the end"]), (headless, ["tokenizer"]),
                                 (empty, ["is empty"]), (other, ["general.architecture", "mpx", "did you mean 'mpt'"]),
                                 (FOLDER, ["not a regular file"])):
                self.refuse(*command, "--model", model, names=[model, *names])
        self.refuse("inspect", "tiny-alibo", names=["--model", "did you mean 'tiny-alibi'", "smollm2-135m"])
        self.refuse("inspect", FOLDER / "none.gguf", names=["--model", "no such file"])
        self.refuse("inspect", "smollm2-135m", names=["--model", "not installed", "quickstart"])

    def test_texts_and_ids(self):
        for command in (["logits"], ["record", "--out", FOLDER / "never"]):
            command = [*command, "--model", MODEL]
            empty, invalid = write("empty.txt", ""), write("invalid.txt", b"abc\xff\xfedef")
            self.refuse(*command, "--text", empty, names=[empty, "is empty"])
            self.refuse(*command, "--text", invalid, names=[invalid, "UTF-8", "offset 3"])
            self.refuse(*command, "--text", FOLDER / "none.txt", names=[FOLDER / "none.txt"])
            short = write("short.txt", "a short text")
            self.refuse(*command, "--text", short, "--tokens", 100, names=[short, "--tokens", "100"])
            long = write("long.txt", "word after word " * 2000)
            self.refuse(*command, "--text", long, "--tokens", 3000, names=["--tokens", "3000", "context", "2048"])
            self.refuse(*command, "--text", long, names=["--tokens", "context", "2048"])
            for tokens in ("0", "-5", "x", "1.5", "99999999999999999999"):
                self.refuse(*command, "--text", TEXT, "--tokens", tokens, names=["--tokens"])
            ids = write("ids.txt", "1 2\n3 x4\n5")
            self.refuse(*command, "--ids", ids, names=[ids, "line 2", "x4"])
            self.refuse(*command, "--ids", write("negative.txt", "1 -2"), names=["negative.txt", "line 1", "-2"])
            self.refuse(*command, "--ids", write("huge.txt", "1 99999999999"), names=["huge.txt", "99999999999"])
            self.refuse(*command, "--ids", write("blank.txt", " \n "), names=["blank.txt", "no token ids"])
            self.refuse(*command, "--ids", write("outside.txt", "1 2048"), names=["outside.txt", "2048", "vocabulary"])
        self.refuse("logits", "--model", MODEL, "--ids", write("one.txt", "5"), names=["--tokens", "at least 2"])
        self.refuse("tokenize", "--model", MODEL, "--text", FOLDER / "invalid.txt", names=["invalid.txt", "UTF-8"])
        self.refuse("tokenize", "--model", MODEL, "--text", FOLDER / "empty.txt", names=["empty.txt", "is empty"])
        self.assertFalse((FOLDER / "never").exists())

    def test_choices(self):
        for command in (["inspect", MODEL], ["logits", "--model", MODEL, "--text", TEXT, "--tokens", 8]):
            self.refuse(*command, "--target", "avx513", names=["--target", "avx513", "scalar"])
            self.refuse(*command, "--threads", -1, names=["--threads"])
        self.refuse("logits", "--model", MODEL, "--text", TEXT, "--tokens", 8, "--target", "scalr", names=["--target", "did you mean 'scalar'"])
        self.refuse("logits", "--model", MODEL, "--text", TEXT, "--tokens", 8, names=["RAZORSCOPE_TARGET", "scalar"],
                    environment={"RAZORSCOPE_TARGET": "scalr"})
        logits = ["logits", "--model", MODEL, "--text", TEXT, "--tokens", 8]
        self.refuse(*logits, "--compute", "f61", names=["--compute", "f61", "f32, bf16"])
        self.refuse(*logits, "--compute", "bf16", names=["--compute", "AVX512-BF16", "f32"], environment={"ONEDNN_MAX_CPU_ISA": "AVX2"})
        for command in (["eval"], ["task", "needle"], ["task", "multi-query"], ["explain"], ["generate"], ["heads"], ["probe"],
                        ["record"], ["bench", "prefill"], ["bench", "decode"]):
            self.refuse(*command, "--compute", "f61", names=["--compute", "f61", "f32, bf16"])
        self.refuse("bench", names=["subcommand"])
        self.refuse("bench", "prefill", "--model", MODEL, "--tokens", 3000, names=["--tokens", "2048"])
        self.refuse("bench", "decode", "--model", MODEL, "--prefix", 2048, names=["--prefix", "2048"])
        self.refuse("bench", "decode", "--model", MODEL, "--policies", "windw", names=["did you mean 'window'"])
        self.refuse(*logits, "--at", "x", names=["--at", "'x'"])
        self.refuse(*logits, "--at", "1,,2", names=["--at"])
        self.refuse(*logits, "--at", "1;2", names=["--at", "1;2"])
        self.refuse(*logits, "--at", "3,8", names=["--at", "position 8", "0 to 7"])
        self.refuse(*logits, "--at=-1", names=["--at", "-1", "0 to 7"])
        self.refuse(*logits, "--top", 0, names=["--top"])
        probe = ["probe", "--model", MODEL]
        self.refuse(*probe, "--variant", "sum-prio", names=["--variant", "did you mean 'sum-prior'", "last-prior"])
        self.refuse(*probe, "--choose", "papr", names=["--choose", "did you mean 'paper'", "threshold", "gap"])
        self.refuse(*probe, "--source", "vocabulry", names=["--source", "did you mean 'vocabulary'", "range"])
        self.refuse(*probe, "--source", "range", names=["--source", "10000", "2048"])
        self.refuse(*probe, "--block", 1000, "--repeats", 3, names=["--block", "3001", "2048"])
        self.refuse(*probe, "--block", 1, names=["--block"])
        self.refuse(*probe, "--repeats", 1, names=["--repeats"])
        self.refuse(*probe, "--ids", write("block.txt", "1 4096"), names=["4096", "vocabulary"])
        record = ["record", "--model", MODEL, "--text", TEXT, "--tokens", 8]
        self.refuse(*record, "--out", FOLDER / "never", "--dtype", "fp16", names=["--dtype", "fp16", "f32, f16, bf16"])
        self.refuse(*record, "--out", FOLDER / "none" / "never", names=["--out", FOLDER / "none"])
        self.refuse("policies", "razr", names=["did you mean 'razor'", "full, window, "])

    def test_traces(self):
        garbage = write("garbage.safetensors", os.urandom(5000))
        truncated = write("truncated.safetensors", TRACE.read_bytes()[:-1000])
        empty = write("empty.safetensors", b"")
        foreign = struct.pack("<Q", 2) + b"{}"
        for trace, names in ((garbage, ["header"]), (truncated, ["data_offsets", "lies outside"]), (empty, ["is empty"]),
                             (write("foreign.safetensors", foreign), ["__metadata__.format", "razorscope-trace-1"]),
                             (MODEL, ["header"]), (FOLDER / "none", ["No such file"])):
            self.refuse("replay", "--trace", trace, "--prefix", 10, "--steps", 1, "--policies", "full", names=[trace, *names])

    def test_replays(self):
        def refuse(policies, names, prefix=100, steps=4, trace=TRACE, options=()):
            self.refuse("replay", "--trace", trace, "--prefix", prefix, "--steps", steps, "--policies", policies, *options, names=names)

        refuse("razr", ["razr", "did you mean 'razor'", "window"])
        refuse("full;windw:recent=8", ["windw", "did you mean 'window'"])
        refuse("razor/weihgted", ["weihgted", "did you mean 'weighted'", "unweighted, none, "])
        refuse("full/x", ["full", "no variants"])
        refuse("window:recnt=8", ["recnt", "did you mean 'recent'", "sinks"])
        refuse("window:recent=x", ["recent", "'x'"])
        refuse("window:recent=-1", ["recent", "-1"])
        refuse("window:recent", ["recent", "key=value"])
        refuse("full+f17", ["f17", "did you mean 'f16'", "f32"])
        refuse("full+q=f16", ["codec scope", "'q'", "protected"])
        refuse("full+protected=f16", ["protected", "full"])
        refuse("", ["policy"])
        refuse("full;;window", ["polic"])
        refuse("full", ["--prefix", "0 is out of range"], prefix=0)
        refuse("full", ["--steps", "0 is out of range"], steps=0)
        refuse("full", ["--prefix", "-3"], prefix=-3)
        refuse("full", [TRACE, "prefix of 160", "1 steps", "161", "160"], prefix=TOKENS, steps=1)
        refuse("window:recent=8", ["--equal-bytes", "x"], options=["--equal-bytes", "x"])
        refuse("razor/unweighted:recent=16", ["razor/unweighted", "razor/weighted"])
        refuse("razor/weighted:recent=16", ["razor", "heads", "--no-probe", "heads=FILE"], trace=TRACE_WITHOUT_PROBE)
        heads = write("heads.json", '{"retrieval_kv_heads": [[0, 99]]}')
        refuse(f"razor/none:recent=16,heads={heads}", [heads, "retrieval_kv_heads", "[0, 99]"])
        heads = write("heads.json", "[]")
        refuse(f"razor/none:recent=16,heads={heads}", [heads, "retrieval_kv_heads"])
        refuse(f"razor/none:recent=16,heads={FOLDER}/none.json", [FOLDER / "none.json"])


class JsonTest(CommandLineTest):
    def test_inspect(self):
        shape = self.json_of("inspect", MODEL)
        self.assertEqual((shape["architecture"], shape["layers"], shape["query_heads"], shape["kv_heads"]), ("mpt", 4, 8, 8))
        self.assertEqual((shape["vocabulary"], shape["context"], shape["position_scheme"]), (2048, 2048, "alibi"))
        self.assertEqual(shape["alibi_slopes"], [2.0 ** -h for h in range(1, 9)])
        self.assertEqual(shape["path"], str(MODEL))
        self.assertEqual(self.json_of("inspect", "tiny-alibi")["sha256"], shape["sha256"])

    def test_tokenize(self):
        tokens = self.json_of("tokenize", "--model", MODEL, "--string", "naïve 😀")
        self.assertEqual(tokens["ids"][0], 0)
        self.assertEqual(len(tokens["ids"]), len(tokens["pieces"]))
        self.assertEqual(self.json_of("tokenize", "--model", MODEL, "--string", "")["ids"], [0])
        from_file = self.json_of("tokenize", "--model", MODEL, "--text", TEXT)
        self.assertEqual("".join(from_file["pieces"][1:]), TEXT.read_text())

    def test_logits(self):
        logits = self.json_of("logits", "--model", MODEL, "--text", TEXT, "--tokens", 64, "--at", "0,63,10", "--top", 3)
        self.assertEqual(logits["tokens"], 64)
        self.assertAlmostEqual(logits["perplexity"], math.exp(logits["mean_nll"]), places=6)
        self.assertEqual(set(logits["at"]), {"0", "10", "63"})
        for best in logits["at"].values():
            self.assertEqual(len(best), 3)
            self.assertEqual(best, sorted(best, key=lambda token: -token["logit"]))
        ids = self.json_of("tokenize", "--model", MODEL, "--text", TEXT)["ids"][:64]
        again = self.json_of("logits", "--model", MODEL, "--ids", write("same.txt", "\n".join(map(str, ids))))
        self.assertAlmostEqual(again["mean_nll"], logits["mean_nll"], places=9)

    def test_probe(self):
        probe = self.json_of("probe", "--model", MODEL, "--block", 30, "--repeats", 3, "--seed", 5)
        self.assertEqual((probe["block"], probe["repeats"], probe["seed"], probe["variant"]), (30, 3, 5, "sum-prior"))
        self.assertEqual([(h["layer"], h["head"]) for h in probe["query_heads"]], [(l, h) for l in range(4) for h in range(8)])
        self.assertEqual(len(probe["kv_heads"]), 32)
        for head in probe["query_heads"]:
            self.assertTrue(0.0 <= head["echo"] <= 1.0 and 0.0 <= head["induction"] <= 1.0)
        self.assertTrue(4 <= len(probe["retrieval_kv_heads"]) <= 5)
        self.assertEqual(probe, self.json_of("probe", "--model", MODEL, "--block", 30, "--repeats", 3, "--seed", 5))
        other = self.json_of("probe", "--model", MODEL, "--block", 30, "--repeats", 3, "--seed", 6)
        self.assertNotEqual(probe["query_heads"], other["query_heads"])
        ids = write("block.txt", " ".join(str(7 * i % 2000 + 1) for i in range(20)))
        self.assertEqual(self.json_of("probe", "--model", MODEL, "--ids", ids, "--variant", "last-prior")["block"], 20)

    def test_record_and_policies(self):
        out = FOLDER / "recorded.safetensors"
        record = self.json_of("record", "--model", MODEL, "--text", TEXT, "--tokens", 20, "--out", out, "--dtype", "f16")
        self.assertEqual((record["tokens"], record["trace"], record["probe"]), (20, str(out), True))
        self.assertEqual(record["bytes"], out.stat().st_size)
        policies = self.json_of("policies")
        self.assertLessEqual({"full", "window", "razor"}, {selection["name"] for selection in policies["selections"]})
        self.assertLessEqual({"f32", "f16"}, {codec["name"] for codec in policies["codecs"]})
        self.assertEqual([s["name"] for s in self.json_of("policies", "razor")["selections"]], ["razor"])

    def test_help_is_no_error(self):
        for command in ([], ["inspect"], ["tokenize"], ["logits"], ["probe"], ["record"], ["replay"], ["policies"], ["eval"], ["explain"],
                        ["task", "needle"], ["task", "multi-query"]):
            self.assertIn("--help", self.succeed(*command, "--help"))
            if command:
                self.assertIn("Example:", self.succeed(*command, "--help"))
        self.assertRegex(self.succeed("--version"), r"^\d+\.\d+\.\d+\n$")


class RecordAndReplayTest(CommandLineTest):
    KEYS = {"policy", "relative_error_mean", "relative_error_p99", "relative_error_max", "lost_mass_mean", "kl_mean",
            "regret_mean", "read_tokens_mean", "bytes_nominal", "bytes_logical", "bytes_physical", "kept_tokens_mean"}

    def test_the_trace_is_a_safetensors_file_that_others_can_read(self):
        data = TRACE.read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        self.assertEqual(header["__metadata__"]["format"], "razorscope-trace-1")
        self.assertEqual(header["__metadata__"]["model"], "tiny-alibi")
        self.assertEqual(header["__metadata__"]["text"], "harbour.txt")
        self.assertEqual(header["q.3"]["shape"], [TOKENS, 8, 32])
        self.assertEqual(header["k.3"]["shape"], [TOKENS, 8, 32])
        self.assertEqual(header["wo.0"]["shape"], [256, 256])
        self.assertEqual(len(data), 8 + length + max(t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"))
        offsets = json.loads(header["__metadata__"]["text_offsets"])
        self.assertEqual((len(offsets), offsets[:2]), (TOKENS, [-1, 0]))
        self.assertEqual(json.loads(header["__metadata__"]["slopes"]), [2.0 ** -h for h in range(1, 9)])

    def test_replays_policies_in_the_order_given(self):
        result = self.replay("--policies", "full+f32;window:recent=40;razor:recent=40", "--policies", "razor/scope", "--heads", "--kept")
        rows = result["policies"]
        self.assertEqual([row["policy"].split(":")[0].split("+")[0] for row in rows],
                         ["full", "window/original-positions", "razor/weighted", "razor/scope"])
        for row in rows:
            self.assertLessEqual(self.KEYS, set(row))
            self.assertEqual(len(row["heads"]), 32)
            self.assertEqual([len(layer) for layer in row["kept"]], [8] * 4)
        full, window, razor, scope = rows
        self.assertLess(full["relative_error_max"], 1e-5)
        self.assertEqual((full["lost_mass_mean"], full["kept_tokens_mean"]), (0.0, PREFIX))
        self.assertEqual(full["kept"][0][0], list(range(PREFIX)))
        self.assertEqual(window["kept"][3][7], [0, 1, 2, 3, *range(PREFIX - 40, PREFIX)])
        self.assertGreater(window["lost_mass_mean"], 0.0)
        self.assertLess(window["bytes_physical"], razor["bytes_physical"])
        self.assertLess(razor["relative_error_mean"], window["relative_error_mean"])
        self.assertLess(scope["relative_error_max"], 0.01)
        self.assertEqual(full["bytes_nominal"], PREFIX * 4 * 8 * 32 * 2 * 4)

    def test_reads_the_canonical_names_that_it_prints(self):
        names = [row["policy"] for row in self.replay("--policies", "window:recent=40;razor/none:recent=30;razor/scope")["policies"]]
        self.assertEqual([row["policy"] for row in self.replay("--policies", ";".join(names))["policies"]], names)

    def test_takes_the_heads_of_a_file(self):
        heads = write("table.json", json.dumps({"retrieval_kv_heads": [[1, 2], [3, 7]]}))
        for trace in (TRACE, TRACE_WITHOUT_PROBE):
            row = self.replay("--policies", f"razor/none:recent=20,heads={heads}", "--kept", trace=trace)["policies"][0]
            whole = {(l, h) for l in range(4) for h in range(8) if len(row["kept"][l][h]) == PREFIX}
            self.assertEqual(whole, {(1, 2), (3, 7)})
        probed = self.json_of("probe", "--model", MODEL, "--block", 30)
        heads = write("probe.json", json.dumps(probed))
        row = self.replay("--policies", f"razor/none:recent=20,heads={heads}", "--kept")["policies"][0]
        self.assertEqual(sum(len(kept) == PREFIX for layer in row["kept"] for kept in layer), len(probed["retrieval_kv_heads"]))

    def test_an_oracle_that_reads_little_says_that_it_stores_everything(self):
        command = ("replay", "--trace", TRACE, "--prefix", PREFIX, "--steps", STEPS)
        text = self.succeed(*command, "--policies", "full;oracle/topk:budget=16")
        self.assertIn("oracle/topk:budget=16+f16: an upper bound that stores every token", text)
        full, topk = self.replay("--policies", "full;oracle/topk:budget=16")["policies"]
        self.assertEqual(topk["bytes_physical"], full["bytes_physical"])
        self.assertEqual(topk["read_tokens_mean"], 16)
        self.assertAlmostEqual(topk["regret_mean"], 0.0, delta=1e-6)
        self.assertFalse(topk["dropped_nothing"])
        self.refuse(*command, "--policies", "oracle/topk", "--equal-bytes", "0.5", names=["oracle/topk", "stores everything", "bytes read"])

    def test_what_works_in_replay_only_says_so_elsewhere(self):
        for policy, names in (("oracle/topk", ["oracle/topk", "exact attention", "replay"]), ("oracle/belady", ["oracle/belady", "queries to come", "replay"]),
                              ("window:when=every-chunk", ["every-chunk works in replay"])):
            self.refuse("eval", "--model", MODEL, "--text", TEXT, "--prefix", "20", "--steps", "4", "--policies", policy, names=names)

    def test_a_trace_without_a_probe_serves_policies_that_need_none(self):
        rows = self.replay("--policies", "full;window:recent=40;razor/scope;razor/scope:bound=norm-bound", trace=TRACE_WITHOUT_PROBE)["policies"]
        self.assertEqual(len(rows), 4)

    def test_a_trace_in_f16_gives_nearly_the_same(self):
        out = FOLDER / "half.safetensors"
        self.succeed("record", "--model", MODEL, "--text", TEXT, "--tokens", TOKENS, "--out", out, "--dtype", "f16", "--no-probe")
        self.assertLess(out.stat().st_size, 0.6 * TRACE.stat().st_size)
        half, whole = (self.replay("--policies", "window:recent=40", trace=trace)["policies"][0] for trace in (out, TRACE))
        self.assertAlmostEqual(half["lost_mass_mean"], whole["lost_mass_mean"], delta=1e-3)


class ClosedLoopTest(CommandLineTest):
    EVAL = ("eval", "--model", MODEL, "--text", TEXT, "--prefix", 120, "--steps", 40)
    TASK = ("--model", MODEL, "--text", TEXT, "--lengths", "200")
    VERDICT = "the caf\u00e9 is a disappointment \U0001f600"
    STORY = f"The town is old, and the harbour is quiet.\n\nTo say it at once: {VERDICT}, and it is closed.\nThe light & <the> rest is good.\n"
    EXPLAIN = ("explain", "--model", MODEL, "--string", STORY)

    def check_interval(self, low, value, high):
        self.assertLessEqual(low, value)
        self.assertLessEqual(value, high)

    def test_eval_has_the_keys_of_the_contract(self):
        document = self.json_of(*self.EVAL, "--policies", "full+f32;window:recent=30;full+q4_0")
        self.assertEqual((document["n"], document["units"], document["prefix"], document["steps"]), (40, 2, 120, 40))
        rows = document["policies"]
        self.assertEqual([row["policy"].split("+")[0].split("/")[0] for row in rows], ["full", "window", "full"])
        for row in rows:
            self.check_interval(row["nll_low"], row["nll"], row["nll_high"])
            self.assertTrue(0.0 <= row["top1_agreement"] <= 1.0)
            self.assertGreaterEqual(row["kl_to_full"], 0.0)
            self.assertLessEqual(row["bytes_logical"], row["bytes_physical"])
            self.assertGreater(row["bytes_read_per_step"], 0)
        full, window, coded = rows
        self.assertLess(full["kl_to_full"], 1e-6)
        self.assertEqual(full["top1_agreement"], 1.0)
        self.assertAlmostEqual(full["nll"], document["full_nll"], places=5)
        self.assertGreater(window["kl_to_full"], 1e-4)
        self.assertLess(window["bytes_read_per_step"], full["bytes_read_per_step"] / 5)
        self.assertLess(coded["bytes_physical"], full["bytes_physical"] / 5)
        one_block = self.json_of("eval", "--model", MODEL, "--text", TEXT, "--prefix", 120, "--steps", 32, "--policies", "full")
        self.assertIsNone(one_block["policies"][0]["nll_low"])

    def test_eval_against_one_of_the_policies_is_paired(self):
        rows = self.json_of(*self.EVAL, "--policies", "full;window:recent=30;full+q4_0", "--against", "full")["policies"]
        self.assertNotIn("kl_difference", rows[0])
        for row in rows[1:]:
            self.assertAlmostEqual(row["kl_difference"], row["kl_to_full"] - rows[0]["kl_to_full"], places=9)
            self.check_interval(row["kl_difference_low"], row["kl_difference"], row["kl_difference_high"])
        self.refused(*self.EVAL, "--policies", "full", "--against", "window")

    def refused(self, *arguments):
        self.assertEqual(run(*arguments).returncode, BAD_INPUT, arguments)

    def test_random_heads_and_none_are_controls(self):
        policies = ";".join(f"razor:recent=30,choose={choice}" for choice in ("paper", "random", "random,draw=2", "none"))
        paper, one, two, none = self.json_of(*self.EVAL, "--policies", policies)["policies"]
        self.assertEqual(paper["bytes_physical"], one["bytes_physical"])  # as many heads
        self.assertEqual(one["bytes_physical"], two["bytes_physical"])
        self.assertLess(none["bytes_physical"], paper["bytes_physical"])
        self.assertNotEqual(one["kl_to_full"], two["kl_to_full"])

    def test_generate(self):
        options = ("generate", "--model", MODEL, "--prompt", "The harbour is quiet and the lamp is lit. " * 8, "--tokens", 12)
        full = self.json_of(*options)
        self.assertLessEqual(len(full["ids"]), 12)
        self.assertEqual(full, self.json_of(*options, "--policy", "full"))
        small = self.json_of(*options, "--policy", "window:sinks=1,recent=4")
        self.assertLess(small["bytes_physical"], full["bytes_physical"])
        drawn = [self.json_of(*options, "--temperature", 2, "--seed", seed)["ids"] for seed in (1, 1, 2)]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])
        for wrong in (("--policy", "full;window"), ("--tokens", 0), ("--tokens", 5000), ("--temperature", -1)):
            self.refused(*options, *wrong)
        self.refused("generate", "--model", MODEL, "--prompt", "", "--tokens", 4)

    def test_heads(self):
        study = self.json_of("heads", "--model", MODEL, "--seeds", "1,2", "--blocks", "20,40", "--text", TEXT,
                             "--lengths", "500,1000", "--policies", "window:recent=100;full")
        self.assertEqual([probe["varied"] for probe in study["probes"]], ["seed", "seed", "block", "block", "text"])
        for row in study["jaccard"]:
            self.assertTrue(0.0 <= row["least"] <= row["mean"] <= 1.0, row)
        everything = [row for row in study["jaccard"] if row["varied"] == "all"]
        self.assertEqual([row["pairs"] for row in everything], [10, 10, 10])
        ratio = {(row["policy"].split("/")[0].split("+")[0], row["tokens"]): row["ratio"] for row in study["ratios"]}
        self.assertEqual(ratio[("full", 500)], 1.0)
        self.assertGreater(ratio[("window", 1000)], 1.8 * ratio[("window", 500)])
        self.refused("heads", "--model", MODEL, "--blocks", "100000")

    def test_eval_at_several_budgets(self):
        rows = self.json_of(*self.EVAL, "--policies", "window;full+q8_0;full+q4_0", "--equal-bytes", "0.3,0.6")["policies"]
        # The largest budget first; what has no size stands once, at the smallest that it fits.
        self.assertEqual([row["policy"].split(":")[0] for row in rows],
                         ["window/original-positions", "full+q8_0", "window/original-positions", "full+q4_0"])
        full = self.json_of(*self.EVAL, "--policies", "full")["policies"][0]["bytes_physical"]
        for row, budget in zip(rows, (0.6, 0.6, 0.3, 0.3)):
            self.assertLessEqual(row["bytes_physical"], budget * full, row["policy"])
        self.assertGreater(rows[0]["bytes_physical"], 0.5 * full)
        self.assertGreater(rows[2]["bytes_physical"], 0.2 * full)

    def test_what_one_of_several_budgets_is_too_small_for_is_left_out(self):
        command = (*self.EVAL, "--policies", "window;full+q8_0", "--json")
        result = run(*command, "--equal-bytes", "0.6,0.3")
        self.assertEqual(result.returncode, DONE, decode(result.stderr))
        self.assertEqual(len(json.loads(result.stdout)["policies"]), 3)
        lines = [line for line in decode(result.stderr).splitlines() if line.startswith("left out")]
        self.assertEqual(len(lines), 1)
        for words in ("30.0 %", "full+q8_0", "fixed"):
            self.assertIn(words, lines[0])
        self.refuse(*command, "--equal-bytes", "0.3", names=["--equal-bytes", "full+q8_0", "fixed"])
        self.refuse(*command, "--equal-bytes", "0.0001,0.0002", names=["--equal-bytes", "no policy fits"])
        self.refuse(*command, "--equal-bytes", "0.3,", names=["--equal-bytes"])
        self.refuse(*command, "--equal-bytes", "0.3,x", names=["--equal-bytes", "x"])

    def test_eval_refuses_what_makes_no_sense(self):
        text = ("eval", "--model", MODEL, "--text", TEXT, "--policies", "full")
        self.refuse(*text, "--prefix", 0, "--steps", 4, names=["--prefix"])
        self.refuse(*text, "--prefix", 10, "--steps", 0, names=["--steps"])
        self.refuse(*text, "--prefix", 2000, "--steps", 100, names=["2048"])
        short = write("short.txt", "a short text")
        self.refuse("eval", "--model", MODEL, "--text", short, "--prefix", 100, "--steps", 4, "--policies", "full", names=[short, "105"])
        self.refuse(*self.EVAL, "--policies", "razor/scope", names=["razor/scope", "bound", "norm-bound"])

    def check_task(self, document, n):
        full_bytes = document["bytes_full_f16"]
        for row in (*document["policies"], document["full"]):
            self.assertLessEqual({"policy", "accuracy", "n", "low", "high", "bytes_logical", "bytes_physical", "answer_nll"}, set(row))
            self.assertEqual((row["n"], len(row["answers"])), (n, n))
            self.check_interval(row["low"], row["accuracy"], row["high"])
            self.assertAlmostEqual(row["accuracy"], sum(answer["correct"] for answer in row["answers"]) / n)
            self.assertAlmostEqual(row["answer_nll"], sum(answer["nll"] for answer in row["answers"]) / n)
        self.assertIsInstance(document["model_can"], bool)
        for row in document["policies"]:
            if row["equal_bytes_share"] is not None:
                self.assertLessEqual(row["bytes_physical"], 1.001 * row["equal_bytes_share"] * full_bytes)

    def test_needle(self):
        command = ("task", "needle", *self.TASK, "--depths", 2, "--facts", 1)
        document = self.json_of(*command, "--policies", "full;window", "--equal-bytes", "1.0,0.5")
        self.check_task(document, 2)
        self.assertEqual((document["task"], document["query_aware"], document["seed"]), ("needle", False, 1))
        self.assertEqual([row["policy"].split(":")[0] for row in document["policies"]],
                         ["full+f16", "window/original-positions", "window/original-positions"])
        self.assertEqual([row["equal_bytes_share"] for row in document["policies"]], [1.0, 1.0, 0.5])
        self.assertEqual([answer["depth"] for answer in document["full"]["answers"]], [0.0, 1.0])
        plain = self.json_of(*command, "--policies", "full")
        self.assertIsNone(plain["policies"][0]["equal_bytes_share"])
        self.assertAlmostEqual(plain["full"]["answer_nll"], document["full"]["answer_nll"], places=4)
        other = self.json_of(*command, "--policies", "full", "--seed", 2)
        self.assertNotAlmostEqual(plain["full"]["answer_nll"], other["full"]["answer_nll"], places=4)
        text = self.succeed(*command, "--policies", "window:recent=40", "--query-aware")
        self.assertRegex(text, "QUERY-AWARE|the question is part of what is compressed")
        self.assertIn("cannot do this task", text)

    def test_multi_query(self):
        command = ("task", "multi-query", *self.TASK, "--facts", 2, "--contexts", 2)
        document = self.json_of(*command, "--policies", "window:recent=40;full")
        self.check_task(document, 4)
        self.assertEqual(document["task"], "multi-query")
        self.assertEqual([answer["depth"] for answer in document["full"]["answers"]], [0.25, 0.75] * 2)
        self.assertLess(document["policies"][0]["bytes_physical"], document["policies"][1]["bytes_physical"])

    def test_tasks_refuse_what_makes_no_sense(self):
        needle = ("task", "needle", "--model", MODEL, "--text", TEXT, "--policies", "full")
        self.refuse("task", names=["subcommand"])
        self.refuse(*needle, "--lengths", "20", names=["--lengths", "20"])
        self.refuse(*needle, "--lengths", "200,x", names=["--lengths", "x"])
        self.refuse(*needle, "--lengths", "200", "--depths", 0, names=["--depths"])
        self.refuse(*needle, "--lengths", "200", "--facts", 1000, names=["--facts", "1000", "192"])
        self.refuse(*needle, "--lengths", "100000", names=["--text", "100000"])
        self.refuse(*needle, "--lengths", "200,2040", names=["--lengths", "2040", "2048"])
        self.refuse("task", "multi-query", *self.TASK, "--policies", "full", "--contexts", 0, names=["--contexts"])

    def test_explain_has_fates_and_odds(self):
        policies = ("--policies", "full+f32;window:sinks=2,recent=12;razor/none:recent=9,heads=" + str(write("heads.json", '{"retrieval_kv_heads": [[1, 2]]}')))
        document = self.json_of(*self.EXPLAIN, *policies, "--fates", "--verdict", self.VERDICT)
        count = len(document["tokens"])
        self.assertEqual(document["tokens"][0], "")
        begin, end = document["verdict"]
        self.assertIn("disappointment", "".join(document["tokens"][begin:end]))
        self.assertTrue("".join(document["tokens"][:begin]).endswith("quiet.\n\n"))
        self.assertTrue("".join(document["tokens"][end:]).startswith("The light"))
        full, window, razor = document["policies"]
        self.assertAlmostEqual(full["log_odds"], document["full"]["log_odds"], places=4)
        for row in document["policies"]:
            self.assertIn("log_odds_without_verdict", row)
            self.assertEqual(row["answer"], "positive" if row["log_odds"] > 0 else "negative")
            self.assertEqual([len(layer) for layer in row["fates"]], [8] * 4)
            for t, share in enumerate(row["held"]):
                heads = [head[t] for layer in row["fates"] for head in layer]
                self.assertAlmostEqual(share, sum(fate in "swhk" for fate in heads) / 32)
        self.assertEqual(full["fates"][3][7], "k" * count)
        self.assertEqual(window["fates"][0][0], "ss" + "d" * (count - 14) + "w" * 12)
        self.assertEqual(razor["fates"][1][2], "k" * count)
        self.assertEqual(razor["fates"][1][3], "ssss" + "d" * (count - 13) + "w" * 9)
        self.assertEqual(full["lost_while_asked"], [])
        self.assertTrue(all(position >= 2 for _, _, position, _ in window["lost_while_asked"]))
        self.assertNotIn("fates", self.json_of(*self.EXPLAIN, *policies)["policies"][0])

    def test_explain_is_stored(self):
        database = FOLDER / "explain.db"
        for _ in range(2):  # a second run of the same replaces the first
            self.json_of(*self.EXPLAIN, "--verdict", self.VERDICT, "--policies", "window:recent=20;full", "--db", database)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            rows = connection.execute("SELECT text, token_end_bytes_json, fates, layers, kv_heads, verdict_begin_token, "
                                      "verdict_end_token FROM explanations JOIN runs ON runs.id = run_id "
                                      "WHERE kind = 'explain' ORDER BY run_id").fetchall()
        self.assertEqual(len(rows), 2)
        for text, ends, fates, layers, kv_heads, begin, end in rows:
            ends = json.loads(ends)
            self.assertEqual(text, self.STORY)
            self.assertEqual((ends, ends[-1]), (sorted(ends), len(text.encode())))
            self.assertEqual(len(fates), layers * kv_heads * len(ends))
            self.assertIn(self.VERDICT, text.encode()[ends[begin - 1]:ends[end - 1]].decode(errors="replace"))
        self.assertIn("d", rows[0][2])
        self.assertEqual(set(rows[1][2]), {"k"})

    def test_explain_audits_tokens(self):
        database = FOLDER / "audit.db"
        policies = ("--policies", "window:sinks=2,recent=12;h2o:heavy=10,recent=10;full")
        document = self.json_of(*self.EXPLAIN, *policies, "--fates", "--audit", "disappointment", "--audit", "old", "--db", database)
        audit = document["audit"]
        self.assertEqual([words["words"] for words in audit["words"]], ["disappointment", "old"])
        self.assertEqual("".join(audit["question_tokens"]), document["question"])
        self.assertEqual(audit["recorded_tokens"], len(audit["question_tokens"]))
        with contextlib.closing(sqlite3.connect(database)) as connection:
            ((layers, heads, tokens, steps, accumulated, asked),) = connection.execute(
                "SELECT layers, kv_heads, text_tokens, recorded_tokens, accumulated_f32, asked_f16 FROM explanation_attention").fetchall()
            stored = connection.execute(
                "SELECT canonical_name, log_odds_nats, fates, later_losses_json, physical_bytes, full_log_odds_nats FROM explanations "
                "JOIN runs ON runs.id = run_id JOIN policies ON policies.id = policy_id ORDER BY run_id").fetchall()
        self.assertEqual((layers, heads, tokens, steps), (4, 8, len(document["tokens"]), audit["recorded_tokens"]))
        accumulated = struct.unpack(f"<{layers * heads * tokens}f", accumulated)
        asked = struct.unpack(f"<{steps * layers * heads * tokens}e", asked)
        for row, (policy, odds, fates, later, physical, full_odds) in zip(document["policies"], stored, strict=True):
            self.assertEqual((row["policy"], row["log_odds"], row["bytes_physical"]), (policy, odds, physical))
            self.assertEqual("".join(head for layer in row["fates"] for head in layer), fates)
            self.assertEqual(row["lost_while_asked"], json.loads(later))
            self.assertEqual(document["full"]["log_odds"], full_odds)
        for words in audit["words"]:
            begin, end = words["tokens"]
            self.assertIn(words["words"], "".join(document["tokens"][begin:end]))
            for row, policy in zip(document["policies"], words["policies"], strict=True):
                self.assertEqual(policy["policy"], row["policy"])
                lost = {tuple(loss[:3]): loss[3] for loss in row["lost_while_asked"]}
                self.assertEqual([token["token"] for token in policy["tokens"]], list(range(begin, end)))
                for token in policy["tokens"]:
                    t = token["token"]
                    self.assertEqual(token["piece"], document["tokens"][t])
                    self.assertEqual([(head["layer"], head["cache"]) for head in token["heads"]],
                                     [(layer, head) for layer in range(layers) for head in range(heads)])
                    for index, head in enumerate(token["heads"]):
                        fate = row["fates"][head["layer"]][head["cache"]][t]
                        self.assertEqual(head["fate"], fate)
                        left = 0 if fate in "df" else lost.get((head["layer"], head["cache"], t))
                        self.assertEqual(head["left_step"], left)
                        scores = accumulated[index * tokens:(index + 1) * tokens]
                        self.assertAlmostEqual(head["accumulated"], scores[t], places=5)
                        self.assertEqual(head["rank"], 1 + sum(s > scores[t] for s in scores) + scores[:t].count(scores[t]))
                        shares = [asked[(step * layers * heads + index) * tokens + t] for step in range(steps)]
                        self.assertAlmostEqual(head["asked"], sum(shares), places=5)
                        self.assertAlmostEqual(head["missed"], 0 if left is None else sum(shares[left:]), places=5)
        full = words["policies"][2]["tokens"][0]["heads"]
        self.assertTrue(all(head["left_step"] is None and head["missed"] == 0 for head in full))
        text = self.succeed(*self.EXPLAIN, *policies, "--audit", "disappointment")
        self.assertIn('audit of "disappointment"', text)
        self.assertRegex(text, r"\(1\) window:\S+ +0 +- +32 +[\d.]+ +0 +100\.0\n")
        self.assertRegex(text, r"\(3\) full\S* +32 +[\d.]+ +0 +- +0 +0\.0\n")
        self.assertNotIn("audit", self.json_of(*self.EXPLAIN, "--policies", "full"))

    def test_explain_prints_no_colour_where_none_is_wanted(self):
        command = (*self.EXPLAIN, "--policies", "window:recent=12", "--verdict", "disappointment")
        plain = self.succeed(*command, "--color", "never")
        self.assertNotIn("\x1b", plain)
        self.assertEqual(plain, self.succeed(*command), "a pipe takes no colour")
        self.assertIn(self.VERDICT[:30], plain)
        coloured = self.succeed(*command, "--color", "always")
        self.assertIn("\x1b[", coloured)
        self.assertIn("disappointment \U0001f600", re.sub("\x1b\\[[0-9;]*m", "", coloured))

    def test_explain_refuses_what_makes_no_sense(self):
        command = (*self.EXPLAIN, "--policies", "full")
        self.refuse(*command, "--verdict", "no such words", names=["--verdict", "no such words"])
        self.refuse(*command, "--audit", "town", "--audit", "no such words", names=["--audit", "no such words"])
        self.refuse(*command, "--audit", "", names=["--audit", "empty"])
        self.refuse(*command, "--question", "", names=["--question", "empty"])
        self.refuse(*command, "--positive", "", names=["--positive", "empty"])
        self.refuse(*command, "--negative", "", names=["--negative", "empty"])
        self.refuse(*command, "--layer", 4, names=["--layer", "0 to 3"])
        self.refuse(*command, "--head", 8, names=["--head", "0 to 7"])
        self.refuse(*command, "--color", "sometimes", names=["--color", "sometimes"])
        self.refuse("explain", "--model", MODEL, "--policies", "full", names=["--text", "--string"])
        self.refuse("explain", "--model", MODEL, "--text", TEXT, "--policies", "full", names=["--text", "2048"])
        self.refuse("explain", "--model", MODEL, "--text", FOLDER / "none.txt", "--policies", "full", names=[FOLDER / "none.txt"])

    def test_explain_draws_a_picture_or_none(self):
        folder = FOLDER / "pictures"
        folder.mkdir()
        path = folder / "explained.svg"
        command = (*self.EXPLAIN, "--policies", "window:recent=12;full;full+q4_0", "--verdict", "disappointment", "--picture")
        for _ in range(2):  # the second takes the first one's place
            self.succeed(*command, path)
            self.assertEqual(list(folder.iterdir()), [path])
            root = xml.etree.ElementTree.parse(path).getroot()
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        drawn = "".join(root.itertext())
        for words in ("window:recent=12", "disappointment", "\U0001f600", "& <the>"):
            self.assertIn(words.replace(" ", ""), drawn.replace(" ", "").replace("\n", ""))
        result = run(*command, folder / "none" / "explained.svg")
        self.assertNotEqual(result.returncode, DONE)
        self.assertIn("none", decode(result.stderr))
        self.refuse(*self.EXPLAIN, "--policies", "full", "--verdict", "no such words", "--picture", folder / "never.svg", names=["--verdict"])
        self.assertEqual(list(folder.iterdir()), [path])


class SameResultTest(CommandLineTest):
    POLICIES = "full;window:recent=40;razor:recent=40;razor/scope"

    def results(self, *options):
        logits = self.json_of("logits", "--model", MODEL, "--text", TEXT, "--tokens", 100, "--at", "99", *options)
        replay = self.replay("--policies", self.POLICIES, "--heads", "--kept", *options)["policies"]
        return logits, replay

    def assert_close(self, got, expected, tolerance, where=""):
        if isinstance(expected, dict):
            for key in expected:
                if key != "seconds":
                    self.assert_close(got[key], expected[key], tolerance, f"{where}.{key}")
        elif isinstance(expected, list):
            self.assertEqual(len(got), len(expected), where)
            for i, value in enumerate(expected):
                self.assert_close(got[i], value, tolerance, f"{where}[{i}]")
        elif isinstance(expected, float):
            self.assertLessEqual(abs(got - expected), tolerance * max(1.0, abs(expected)), where)
        else:
            self.assertEqual(got, expected, where)

    def test_on_one_thread_and_on_two(self):
        (one_logits, one), (two_logits, two) = self.results("--threads", 1), self.results("--threads", 2)
        self.assert_close(two_logits, one_logits, 1e-5)
        for row in one + two:
            row.pop("seconds")
            row.pop("output_error_mean")  # a matrix product, whose sums may be split differently
        self.assertEqual(one, two)

    def test_with_every_kernel_target(self):
        logits, replay = self.results("--target", "scalar")
        for target in ("avx2", "avx512"):
            probe = run("inspect", MODEL, "--target", target)
            if probe.returncode == BAD_INPUT and "cannot run" in decode(probe.stderr):
                print(f"skipped: this processor (or build) has no {target}", file=sys.stderr)
                continue
            with self.subTest(target=target):
                other_logits, other_replay = self.results("--target", target)
                self.assert_close(other_logits, logits, 1e-4)
                self.assert_close(other_replay, replay, 1e-5)

    def test_the_environment_forces_a_target_too(self):
        one = self.json_of("logits", "--model", MODEL, "--text", TEXT, "--tokens", 40, environment={"RAZORSCOPE_TARGET": "scalar"})
        two = self.json_of("logits", "--model", MODEL, "--text", TEXT, "--tokens", 40, "--target", "scalar")
        self.assertEqual(one, two)


class ComputeTest(CommandLineTest):
    def test_bf16_gives_nearly_the_same_and_is_stored_apart(self):
        logits = ["logits", "--model", MODEL, "--text", TEXT, "--tokens", 100]
        result = run(*logits, "--compute", "bf16", "--json")
        if result.returncode == BAD_INPUT:
            self.assertIn("AVX512-BF16", decode(result.stderr))
            self.skipTest("this processor has no bf16 instructions")
        f32, bf16 = self.json_of(*logits), json.loads(result.stdout)
        self.assertNotEqual(bf16["mean_nll"], f32["mean_nll"])
        self.assertLess(abs(bf16["mean_nll"] - f32["mean_nll"]), 0.02)
        db = FOLDER / "compute.db"
        for compute in ("f32", "bf16", "bf16"):
            self.succeed("eval", "--model", MODEL, "--text", TEXT, "--prefix", 100, "--steps", 8, "--policies", "full", "--compute", compute, "--db", db)
        with contextlib.closing(sqlite3.connect(db)) as database:
            rows = database.execute("SELECT compute_type FROM runs JOIN programs ON programs.id = provenance_id ORDER BY 1")
            self.assertEqual([row[0] for row in rows], ["bf16", "f32"])
        trace = FOLDER / "bf16.safetensors"
        self.succeed("record", "--model", MODEL, "--text", TEXT, "--tokens", 20, "--no-probe", "--out", trace, "--compute", "bf16")
        self.assertIn(b'"compute":"bf16"', trace.read_bytes()[:100000])


class BenchTest(CommandLineTest):
    KEYS = {"name", "codec", "target", "threads", "tokens", "seconds_median", "limit", "ratio"}

    def test_attention_names_codec_and_target_and_refuses_an_unknown_codec(self):
        rows = self.json_of("bench", "attention", "--codecs", "f16,q8_0", "--tokens", 96, "--kv-heads", 1, "--head-size", 64,
                            "--repeats", 1)["rows"]
        self.assertEqual([row["codec"] for row in rows], ["f16", "q8_0"])
        for row in rows:
            self.assertLessEqual(self.KEYS | {"gb_per_s"}, set(row))
            self.assertGreater(row["seconds_median"], 0.0)
        self.refuse("bench", "attention", "--codecs", "q8", names=["--codecs", "q8_0"])

    def rows(self, *arguments, rate):
        rows = self.json_of("bench", *arguments, "--repeats", 1)["rows"]
        for row in rows:
            self.assertLessEqual(self.KEYS | {rate}, set(row))
            self.assertGreater(row["seconds_median"], 0.0)
            self.assertAlmostEqual(row["ratio"], row[rate] / row["limit"], places=9)
        return rows

    def test_prefill(self):
        (row,) = self.rows("prefill", "--model", MODEL, "--tokens", 40, "--threads", 1, rate="gflop_per_s")
        self.assertEqual((row["name"], row["tokens"], row["threads"], row["compute"]), ("prefill", 40, 1, "f32"))
        self.assertAlmostEqual(row["tokens_per_second"], 40 / row["seconds_median"], places=6)
        self.assertEqual(row["aim"]["met"], row["ratio"] >= row["aim"]["at_least"])

    def test_compress(self):
        rows = self.rows("compress", "--tokens", 64, "--heads", 3, "--head-size", 32, "--layers", 2, "--full-heads", 0.5, "--keep", 0.25,
                         "--codecs", "f16,q4_0,kivi4", "--threads", 2, rate="gb_per_s")
        self.assertEqual([(row["name"], row["codec"], row["heads"]) for row in rows], [("compress", codec, 6) for codec in ("f16", "q4_0", "kivi4")])
        self.assertEqual([("aim" in row) for row in rows], [True, False, False])
        # All of K and V is read; 3 heads keep 64 tokens and 3 keep 16, with positions and a compensation token.
        self.assertEqual(rows[0]["bytes"], 6 * 64 * 128 + 3 * (64 + 16) * 128 + 3 * (16 * 4 + 65 * 4))
        self.assertLess(rows[1]["bytes"], rows[0]["bytes"])
        self.refuse("bench", "compress", "--codecs", "f17", names=["f17", "did you mean 'f16'"])
        self.refuse("bench", "compress", "--keep", 1.5, names=["--keep"])

    def test_decode(self):
        one, many = self.rows("decode", "--model", MODEL, "--prefix", 60, "--batch", 3, "--policies", "window;h2o",
                              rate="gb_per_s")
        self.assertEqual((one["policies"], many["policies"]), (1, 3))
        self.assertAlmostEqual(many["times_one"], many["seconds_median"] / one["seconds_median"], places=9)
        self.assertEqual(len(self.rows("decode", "--model", MODEL, "--prefix", 60, "--policies", "window", rate="gb_per_s")), 1)
        self.assertIn("2 policies", self.succeed("bench", "decode", "--model", MODEL, "--prefix", 60, "--batch", 2, "--policies", "window",
                                                 "--repeats", 1))

    def test_replay(self):
        shape = ["--layers", 2, "--kv-heads", 2, "--group", 3, "--head-size", 32, "--prefix", 100, "--steps", 4]
        full, window, coded = self.rows("replay", *shape, "--threads", 2, "--policies", "full;window:sinks=4,recent=16;full+q8_0", rate="gb_per_s")
        self.assertEqual([row["name"] for row in (full, window, coded)],
                         ["replay full", "replay window/original-positions:recent=16", "replay full"])
        self.assertEqual([row["codec"] for row in (full, window, coded)], ["f16", "f16", "q8_0"])
        self.assertEqual((full["tokens"], full["steps"], full["layers"], full["kv_heads"], full["group"]), (100, 4, 2, 2, 3))
        # A step's query reads its own token too: 102.5 tokens in the mean of four steps, of 2 · 32 numbers in each of 4 KV heads.
        self.assertAlmostEqual(full["bytes_per_step"], 4 * 102.5 * 128, places=6)
        self.assertAlmostEqual(coded["bytes_per_step"], 4 * 102.5 * 68, places=6)
        self.assertAlmostEqual(window["bytes_per_step"], 4 * 21 * 128, places=6)
        for row in (full, window, coded):
            self.assertAlmostEqual(row["gb_per_s"], row["replays"] * row["bytes_per_step"] / row["seconds_median"] / 1e9, places=9)
        (row,) = self.rows("replay", "--trace", TRACE, "--prefix", 100, "--steps", 4, "--policies", "h2o", "--equal-bytes", 0.4, rate="gb_per_s")
        self.assertEqual((row["layers"], row["kv_heads"]), (4, 8))
        self.assertLess(row["kept_tokens_mean"], 40)
        scratch = FOLDER / "scratch"
        scratch.mkdir()
        table = self.succeed("bench", "replay", *shape, "--repeats", 1, environment={"TMPDIR": str(scratch)})
        self.assertEqual(len(re.findall("^replay ", table, re.MULTILINE)), 5)
        self.assertEqual(list(scratch.iterdir()), [])
        self.refuse("bench", "replay", "--policies", "windw", names=["did you mean 'window'"])
        self.refuse("bench", "replay", "--prefix", 0, names=["--prefix", "1"])
        self.refuse("bench", "replay", "--trace", TRACE, "--layers", 2, names=["--trace", "--layers"])
        self.refuse("bench", "replay", "--trace", TRACE, "--prefix", TOKENS, "--steps", 1, names=[TRACE, TOKENS + 1])


class ReplayOnDeviceTest(CommandLineTest):
    REPLAY = ["replay", "--prefix", PREFIX, "--steps", STEPS, "--policies", "full;window:recent=32"]

    def test_each_policy_on_a_simulated_device(self):
        timeline = FOLDER / "device.trace.json"
        database = FOLDER / "device.db"
        for _ in range(2):  # the second replaces the first
            done = run(*self.REPLAY, "--trace", TRACE, "--device", "L40S", "--as", "llama-3.1-8b", "--chrome-trace", timeline,
                       "--db", database, "--json")
            self.assertEqual(done.returncode, DONE, decode(done.stderr))
        with contextlib.closing(sqlite3.connect(database)) as connection:
            stored = connection.execute(
                "SELECT count(DISTINCT device_replays.id), count(*) FROM device_replays JOIN device_replay_occupancy "
                "ON device_replay_id = device_replays.id").fetchone()
        full, window = (policy["device"] for policy in json.loads(done.stdout)["policies"])
        self.assertLess(window["decode_ms"]["mean"], full["decode_ms"]["mean"])
        self.assertLess(window["occupancy"][-1]["kv_bytes"], full["occupancy"][-1]["kv_bytes"])
        self.assertIsNone(full["overflow_token"])
        self.assertEqual(stored, (2, len(full["occupancy"]) + len(window["occupancy"])))
        events = json.loads(timeline.read_text())
        self.assertGreater(len(events["traceEvents"] if isinstance(events, dict) else events), 100)

    def test_options_of_a_device_need_one(self):
        for options in (["--as", "llama-3.1-8b"], ["--chrome-trace", FOLDER / "x.json"], ["--sequences", 3]):
            done = run(*self.REPLAY, "--trace", TRACE, *options)
            self.assertEqual(done.returncode, BAD_INPUT, options)
            self.assertIn("--device", decode(done.stderr))


class DevicesTest(CommandLineTest):
    CARD = """[[device]]
name = "My card"
vendor = "Maker"
memory_bytes = 25_769_803_776
memory_kind = "GDDR6"
bandwidth_bytes_per_s = 864e9
bf16_flops = 362e12
status = "third-party"
source = "a review"
constants_of = "L40S"
"""

    def test_the_catalogue(self):
        devices = {device["name"]: device for device in self.json_of("devices")["devices"]}
        self.assertEqual(len(devices), 25)
        self.assertEqual(devices["H100 SXM"]["bandwidth_bytes_per_s"], 3.35e12)
        self.assertEqual(devices["H100 SXM"]["attention"]["bf16"]["calibration"], "calibrated")
        self.assertEqual(devices["RTX 4090"]["memory_bytes"], 25250627584)
        self.assertEqual((devices["RTX 4090"]["constants_of"], devices["RTX 4090"]["gemm"]["fp8"]["calibration"]), ("L40S", "borrowed"))
        self.assertIsNone(devices["A100 SXM 80"]["fp8_flops"])
        self.assertNotIn("fp8", devices["A100 SXM 80"]["gemm"])
        self.assertEqual(devices["MI300X"]["gemm"]["bf16"]["calibration"], "uncalibrated")
        table = self.succeed("devices")
        for name, device in devices.items():
            (row,) = [line for line in table.splitlines() if line.startswith(name + "  ")]
            self.assertIn(device["status"], row)
            self.assertIn(device["source"], self.succeed("devices", name))

    def test_one_device(self):
        self.assertEqual([device["name"] for device in self.json_of("devices", "h100", "sxm")["devices"]], ["H100 SXM"])
        text = self.succeed("devices", "L4")
        for part in ("L4 (NVIDIA)", "24.0 GiB", "nominal", "0.3 TB/s", "BF16 121", "nvidia.com", "borrowed, of L40S"):
            self.assertIn(part, text)
        self.refuse("devices", "H100 SXN", names=["devices", "did you mean 'H100 SXM'"])
        self.refuse("devices", FOLDER / "none.toml", names=["none.toml", "No such file"])

    def test_check_and_own_devices(self):
        path = write("mine.toml", self.CARD)
        self.assertIn("1 device, no faults", self.succeed("devices", "check", path))
        checked = self.json_of("devices", "check", path)
        self.assertEqual((checked["faults"], [device["name"] for device in checked["devices"]]), ([], ["My card"]))
        self.assertIn("borrowed, of L40S", self.succeed("devices", f"{path}#my card"))
        own = FOLDER / "config/razorscope/devices"
        own.mkdir(parents=True)
        try:
            shutil.copy(path, own)
            self.assertEqual(len(self.json_of("devices")["devices"]), 26)
            self.assertIn("GDDR6", self.succeed("devices", "my-card"))
            (own / "faulty.toml").write_text("x = 1\n")
            self.refuse("devices", names=["faulty.toml:1", "device: is missing"])
            self.succeed("devices", "check", path)
        finally:
            shutil.rmtree(own)

    def test_check_explains_every_fault_with_its_line(self):
        path = write("faulty.toml", self.CARD.replace("864e9", "864").replace("vendor =", "vender =").replace('"third-party"', '"true"'))
        result = run("devices", "check", path)
        self.assertEqual((result.returncode, result.stderr), (BAD_INPUT, b""))
        lines = decode(result.stdout).splitlines()
        self.assertEqual([line.split(": ")[0] for line in lines], [f"{path}:{line}" for line in (1, 3, 6, 8)])
        for line, part in zip(lines, ("vendor: is missing", "did you mean 'vendor'", "allowed: 1e9 to 1e16 bytes/s", "allowed: vendor, vendor copy")):
            self.assertIn(part, line)
        result = run("devices", "check", path, "--json")
        self.assertEqual(result.returncode, BAD_INPUT)
        self.assertEqual([fault["line"] for fault in json.loads(result.stdout)["faults"]], [1, 3, 6, 8])
        self.refuse("devices", path, names=["faulty.toml:1", "3 more faults"])
        self.refuse("devices", "check", FOLDER / "none.toml", names=["none.toml"])
        self.refuse("devices", "check", names=["file"])
        for content in (os.urandom(3000), MODEL.read_bytes()[:100000], b"[" * 100000, self.CARD.encode()[:100]):
            result = run("devices", "check", write("damaged.toml", content))
            self.assertEqual(result.returncode, BAD_INPUT)
            self.assertRegex(decode(result.stdout), r"damaged\.toml:\d+: ")

    def test_calibrate(self):
        path = FOLDER / "here.toml"
        document = self.json_of("devices", "calibrate", "--out", path, "--name", "this machine", "--repeats", 1, "--threads", 1)
        (device,) = document["devices"]
        self.assertEqual((device["name"], device["status"]), ("this machine", "measured"))
        self.assertGreater(device["bandwidth_bytes_per_s"], 1e9)
        self.assertGreater(device["memory_bytes"], 1e8)
        (read,) = self.json_of("devices", "check", path)["devices"]
        busy = "the machine was busy" in read["note"]  # with other tests
        self.assertEqual(read["attention"]["bf16"]["calibration"], "uncalibrated" if busy else "calibrated")
        for key in ("name", "memory_bytes", "bandwidth_bytes_per_s", "bf16_flops", "source", "note"):
            self.assertEqual(read[key], device[key])
        for shares in ((read["attention"]["bf16"]["efficiency"],), (read["gemm"]["bf16"]["bandwidth_efficiency"], read["gemm"]["bf16"]["compute_efficiency"])):
            for share in shares:
                self.assertTrue(0.0 < share <= 1.0)
        before = path.read_bytes()
        self.refuse("devices", "calibrate", "--out", path, names=["--out", "exists already", "--force"])
        self.assertEqual(path.read_bytes(), before)
        self.refuse("devices", "calibrate", "--out", FOLDER / "none/x.toml", names=["--out", "does not exist"])
        self.refuse("devices", "calibrate", "--out", FOLDER / "x.toml", "--name", "a;b", names=["--name", "a;b"])
        self.refuse("devices", "calibrate", names=["--out"])


class InterruptionTest(CommandLineTest):
    @classmethod
    def setUpClass(cls):
        # The model has no learned positions: with another context_length it runs for as long as a test wants.
        model = MODEL.read_bytes()
        key = b"mpt.context_length" + struct.pack("<II", 4, 2048)
        assert model.count(key) == 1
        cls.model = write("long.gguf", model.replace(key, key[:-4] + struct.pack("<I", 1 << 20)))

    def interrupt(self, *arguments, ready, signal_number=signal.SIGINT):
        """Sends the signal once ready() holds, and gives what the process left behind."""
        command = [RAZORSCOPE, *map(str, arguments), "--threads", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            try:
                deadline = time.monotonic() + 60
                while not ready(process.pid):
                    self.assertIsNone(process.poll(), "it ended before it could be interrupted")
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.01)
                process.send_signal(signal_number)
                out, error = process.communicate(timeout=60)
            except BaseException:
                process.kill()
                raise
        self.assertEqual(process.returncode, INTERRUPTED, decode(error))
        self.assertEqual(out, b"")
        self.assertIn("interrupted", decode(error))

    @staticmethod
    def catches_interrupts(pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), 16)
        return bool(caught >> (signal.SIGINT - 1) & 1)

    def test_ends_a_long_computation_with_130(self):
        ids = write("many.txt", " ".join(str(i % 2000 + 1) for i in range(20000)))

        def after_a_while(pid):
            if not self.catches_interrupts(pid):
                return False
            time.sleep(0.3)
            return True

        self.interrupt("logits", "--model", self.model, "--ids", ids, "--json", ready=after_a_while)
        self.interrupt("probe", "--model", self.model, "--block", 5000, "--repeats", 4, "--json", ready=after_a_while)

    def test_leaves_no_part_of_a_trace(self):
        ids = write("fewer.txt", " ".join(str(i % 2000 + 1) for i in range(6000)))
        for number in (signal.SIGINT, signal.SIGTERM):
            folder = FOLDER / f"interrupted-{number}"
            folder.mkdir()
            out = folder / "trace.safetensors"
            self.interrupt("record", "--model", self.model, "--ids", ids, "--out", out, "--no-probe", "--dtype", "f16",
                           ready=lambda pid: any(folder.iterdir()), signal_number=number)
            self.assertEqual(list(folder.iterdir()), [])


# Tests that measure, and take their time.
MEASURING = {"BenchTest", "DevicesTest"}


def load_tests(loader, tests, _pattern):
    """All tests, or with --measuring those of MEASURING, or with --others the others."""
    wanted = {"--measuring": lambda name: name in MEASURING, "--others": lambda name: name not in MEASURING}
    for choice in wanted.keys() & set(CHOICES):
        return unittest.TestSuite(test for suite in tests for test in suite if wanted[choice](type(test).__name__))
    return tests


if __name__ == "__main__":
    CHOICES = sys.argv[3:]
    unittest.main(argv=[sys.argv[0], *[word for word in CHOICES if word not in ("--measuring", "--others")]])
