"""What scripts rely on: exit codes, messages that name file and field, one JSON document, interruption, records that replay.

    cli_test.py RAZORSCOPE SOURCE_FOLDER [unittest options]
"""

import json
import math
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

RAZORSCOPE = sys.argv[1]
SOURCE = pathlib.Path(sys.argv[2])
MODEL = SOURCE / "models/language/data/tiny-alibi.gguf"  # mpt: 4 layers of 8 heads, a context of 2048
TEXT = SOURCE / "experiments/texts/harbour.txt"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="razorscope_cli_"))
ENVIRONMENT = {
    **os.environ,
    "XDG_DATA_HOME": str(FOLDER / "data"),
    "XDG_CACHE_HOME": str(FOLDER / "cache"),
    "OMP_WAIT_POLICY": "passive",
}
ENVIRONMENT.pop("RAZORSCOPE_TARGET", None)
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
        for command in ([], ["inspect"], ["tokenize"], ["logits"], ["probe"], ["record"], ["replay"], ["policies"]):
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


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
