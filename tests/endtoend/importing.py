"""Models as the hub lays them out become files that are read: import, quantize, verify;
what is hostile, half done or without room leaves one line and no file."""

import json
import os
import signal
import struct
import subprocess
import time

import harness
import hub
from harness import BUNDLED, INPUT, INTERRUPTED, MODEL, SYSTEM, USAGE, chapter
from hub import BYTE_LEVEL, D, E, LAYERS, ROWS, tokenizer, with_header


class Importing(harness.Test):
    def setUp(self):
        self.user = self.home()
        self.folder = self.user.folder / "falcon"
        self.out = self.user.folder / "out.gguf"
        hub.put_model(self.folder)
        self.entries, self.config = hub.small_entries(), hub.small_config()

    def put(self, name, content):
        hub.put(self.folder, name, content)

    def put_shards(self):
        hub.put_shards(self.folder, self.entries)

    def make(self, *arguments, paths=None):
        return self.user.run("model", "import", *(paths or [self.folder]), "-o", self.out,
                             "--json", "--quiet", *arguments)

    def assert_nothing_left(self):
        left = [path.name for path in self.user.folder.iterdir() if path.name.startswith("out")]
        self.assertEqual(left, [])

    def refused(self, run, *words, code=MODEL):
        self.assertEqual(run.code, code, run)
        self.assertEqual(run.err.count("\n"), 1, run)
        self.assertEqual(run.out, "", run)
        for word in words:
            self.assertIn(word, run.err)
        self.assert_nothing_left()

    # --- what works

    def test_every_type(self):
        for name in ("f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"):
            with self.subTest(name):
                made = self.make("--type", name, "--force")
                self.assertEqual(made.code, 0, made)
                self.assertEqual(made.json["type"], name)
                self.assertEqual(made.json["bytes"], self.out.stat().st_size)
                self.assertEqual(self.out.stat().st_mode & 0o777, 0o600)
                self.good(self.user, "model", "verify", self.out)
                text = self.user.write("text.md", chapter(1, 2))
                self.good(self.user, "eval", text, "-m", self.out, "--quiet")
        self.assertEqual(sorted(path.name for path in self.user.folder.glob("out*")),
                         ["out.gguf"])

    def test_default_type_and_show(self):
        self.assertEqual(self.make().json["type"], "q4_k_m")
        shown = self.good(self.user, "model", "show", "-m", self.out, "--json").json
        groups = {group["name"]: group["types"] for group in shown["tensors"]}
        # No row here is whole blocks of 256, and that of dt not even of 32.
        self.assertEqual(groups, {"embedding": "Q8_0", "ssm_in": "Q5_0", "ssm_x": "Q5_0",
                                  "ssm_dt": "F16", "ssm_out": "Q5_0", "other": "F32"})
        self.assertIsNone(shown["bench"])
        self.assertEqual(shown["shape"]["vocabulary"], ROWS)
        self.assertEqual(shown["shape"]["mixer_norm"], True)
        self.assertIn("not measured yet", self.good(self.user, "model", "-m", self.out).out)

    def test_same_file_again(self):
        self.good_make()
        first = self.out.read_bytes()
        self.good_make("--force", "--threads", "1")
        self.assertEqual(self.out.read_bytes(), first)
        names = sorted(self.folder.glob("*.safetensors"))
        self.good_make("--force", paths=names)
        self.assertEqual(self.out.read_bytes(), first)
        (self.folder / "model.safetensors.index.json").unlink()
        self.good_make("--force")
        self.assertEqual(self.out.read_bytes(), first)

    def good_make(self, *arguments, paths=None):
        made = self.make(*arguments, paths=paths)
        self.assertEqual(made.code, 0, made)
        return made

    def test_tied_by_equal_bytes(self):
        self.entries["lm_head.weight"] = self.entries["backbone.embeddings.weight"]
        self.put_shards()
        self.good_make("--type", "f32")
        tied = self.out.stat().st_size
        shape, floats = self.entries["lm_head.weight"]
        self.entries["lm_head.weight"] = (shape, [x + 1 for x in floats])
        self.put_shards()
        self.good_make("--type", "f32", "--force")
        self.assertGreater(self.out.stat().st_size, tied + 4 * ROWS * E - 1)

    def test_original_layout(self):
        name = "backbone.embeddings.weight"
        self.entries = {("backbone.embedding.weight" if key == name else key): value
                        for key, value in self.entries.items()}
        self.put_shards()
        self.put("config.json", {"d_model": E, "n_layer": LAYERS, "ssm_cfg": {},
                                 "rms_norm": True, "vocab_size": 277})
        elsewhere = self.user.folder / "tokenizer"
        elsewhere.mkdir()
        (self.folder / "tokenizer.json").rename(elsewhere / "tokenizer.json")
        self.refused(self.make(), "--tokenizer")
        for place in (elsewhere, elsewhere / "tokenizer.json"):
            self.good_make("--tokenizer", place, "--force")
        shown = self.good(self.user, "model", "-m", self.out, "--json").json
        self.assertEqual(shown["shape"]["mixer_norm"], False)

    def test_calibrated(self):
        text = self.user.write("text.md", chapter(1, 3))
        self.good_make("--type", "q4_0")
        plain = self.out.read_bytes()
        made = self.good_make("--type", "q4_0", "--calibrate", text, "--force")
        self.assertGreater(made.json["calibrated_tokens"], 100)
        self.assertNotEqual(self.out.read_bytes(), plain)
        self.assertEqual(list(self.user.folder.glob("out*")), [self.out])
        other = self.user.folder / "other.gguf"
        self.good(self.user, "model", "quantize", self.out, "-o", other, "--type", "q8_0",
                  "--calibrate", text, "--quiet")
        self.good(self.user, "model", "verify", other)

    # --- what is refused

    def test_usage(self):
        for words in (("frobnicate",), ("import",), ("quantize", "a", "b", "-o", "c"),
                      ("verify", "a", "b"), ("show", "a"), ("import", self.folder),
                      ("show", "--type", "f32"), ("verify", "a", "--output", "b"),
                      ("quantize", "a", "-o", "b", "--tokenizer", "c"),
                      ("import", self.folder, "-o", self.out, "--type", "q3_k"),
                      ("import", self.folder, "-o", self.out, "--encoding", "utf-8")):
            with self.subTest(words):
                self.refused(self.user.run("model", *words), code=USAGE)

    def test_file_that_is_there(self):
        self.out.write_text("mine")
        made = self.make()
        self.assertEqual(made.code, INPUT, made)
        self.assertIn("--force", made.err)
        self.assertEqual(self.out.read_text(), "mine")
        self.good_make("--force")
        again = self.user.run("model", "quantize", self.out, "-o", self.out, "--force")
        self.assertEqual(again.code, INPUT, again)
        self.good(self.user, "model", "verify", self.out)

    def test_hostile_weights(self):
        entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
        broken = {
            "header": struct.pack("<Q", 1 << 62) + b"{}",
            "length": struct.pack("<Q", 1000) + b"{}",
            "negative": with_header(json.dumps({"a": dict(entry, data_offsets=[-8, 0])}).encode()),
            "beyond": with_header(json.dumps({"a": entry}).encode(), b"1234"),
            "overlap": with_header(json.dumps({"a": entry, "b": dict(entry, data_offsets=[4, 12])})
                                   .encode(), bytes(12)),
            "sizes": with_header(json.dumps({"a": dict(entry, dtype="F16")}).encode(), bytes(8)),
            "overflow": with_header(json.dumps({"a": dict(entry, shape=[1 << 62, 1 << 62])})
                                    .encode(), bytes(8)),
            "dtype": with_header(json.dumps({"a": dict(entry, dtype="Q4")}).encode(), bytes(8)),
            "deep": with_header(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
            "twice": with_header(b'{"a":' + json.dumps(entry).encode() + b',"a":'
                                 + json.dumps(entry).encode() + b"}", bytes(8)),
            "no JSON": with_header(b"\xFF\xFE"),
            "array": with_header(b"[]"),
            "empty": b"",
        }
        for name, content in broken.items():
            with self.subTest(name):
                self.put("model-2.safetensors", content)
                self.refused(self.make(), "model-2.safetensors")

    def test_shards(self):
        (self.folder / "model-2.safetensors").rename(self.user.folder / "model-2.safetensors")
        self.refused(self.make(), "model-2.safetensors", "missing")
        for outside in ("../model-2.safetensors", "/etc/passwd", "a/b.safetensors", "", ".."):
            with self.subTest(outside):
                self.put("model.safetensors.index.json", {"weight_map": {"a": outside}})
                self.refused(self.make(), "folder")
        self.put("model.safetensors.index.json", {"weight_map": {"lm_head.weight":
                                                                 "model-1.safetensors"}})
        self.refused(self.make(), "lm_head.weight")
        self.refused(self.make(paths=[self.folder / "model-1.safetensors"]), "missing")

    def test_pickle(self):
        for path in self.folder.glob("model*"):
            path.unlink()
        self.put("pytorch_model.bin", b"PK")
        self.refused(self.make(), "pytorch_model.bin", "pickle")
        self.refused(self.make(paths=[self.folder / "pytorch_model.bin"]), "pickle")

    def test_other_models(self):
        for change in ({"model_type": "mamba2"}, {"model_type": "llama"}, {"model_type": None},
                       {"rms_norm": False}, {"use_bias": True}, {"hidden_act": "gelu"},
                       {"num_hidden_layers": 3}, {"layer_norm_epsilon": "small"},
                       {"mixer_rms_eps": 7}):
            with self.subTest(change):
                self.put("config.json", dict(self.config, **change))
                self.refused(self.make(), "config.json")

    def test_other_tensors(self):
        name = "backbone.layers.1.mixer.D"
        shape, floats = self.entries[name]
        for wrong in ({name: ([D // 2], floats[:D // 2])},
                      {"backbone.layers.0.mixer.more": ([1], [1.0])},
                      {name: (shape, [float("nan")] + floats[1:])},
                      {name: (shape, floats[1:] + [float("inf")])}):
            with self.subTest(list(wrong)):
                kept = dict(self.entries)
                self.entries.update(wrong)
                self.put_shards()
                self.entries = kept
                self.refused(self.make())

    def test_too_large_for_the_type(self):
        name = "backbone.layers.1.mixer.in_proj.weight"
        shape, floats = self.entries[name]
        self.entries[name] = (shape, [1e30] + floats[1:])
        self.put_shards()
        self.refused(self.make("--type", "f16"), "ssm_in", "F16")
        self.good_make("--type", "bf16")

    def test_tokenizers(self):
        def changed(**more):
            return dict(tokenizer(), **more)
        model = tokenizer()["model"]
        for name, content in {
                "kind": changed(model=dict(model, type="Unigram")),
                "split": changed(pre_tokenizer={"type": "Whitespace"}),
                "none": changed(pre_tokenizer=None),
                "prefix": changed(pre_tokenizer=dict(BYTE_LEVEL, add_prefix_space=True)),
                "normalizer": changed(normalizer={"type": "Lowercase"}),
                "id": changed(model=dict(model, vocab={"a": ROWS})),
                "negative": changed(model=dict(model, vocab={"a": -1})),
                "same": changed(model=dict(model, vocab={"a": 1, "b": 1})),
                "merge": changed(model=dict(model, merges=["a b c"])),
                "pair": changed(model=dict(model, merges=[["a", "b", "c"]])),
                "bytes": changed(model=dict(model, byte_fallback=True)),
                "nothing": {},
                "deep": b'{"model":' + b"[" * 100000,
                "twice": b'{"model":{},"model":{}}',
                "no JSON": b"\x80"}.items():
            with self.subTest(name):
                self.put("tokenizer.json", content)
                self.refused(self.make(), "tokenizer.json")

    def test_verify(self):
        self.good_make("--type", "q8_0")
        sound = self.out.read_bytes()
        at = len(sound) - 34 * 20  # somewhere in the last matrix, at a block's scale
        bad = self.user.folder / "bad.gguf"
        found = 0
        for shift in range(34):
            bad.write_bytes(sound[:at + shift] + b"\x00\x7C" + sound[at + shift + 2:])
            run = self.user.run("model", "verify", bad, "--quiet")
            self.assertIn(run.code, (0, MODEL), run)
            found += run.code == MODEL
            self.assertEqual(run.err.count("\n"), int(run.code == MODEL), run)
        self.assertEqual(found, 1)
        bad.write_bytes(sound[:-1000])
        self.assertEqual(self.user.run("model", "verify", bad).code, MODEL)
        self.assertEqual(self.user.run("model", "verify", self.folder / "none").code, MODEL)

    # --- what does not come to its end

    def start(self, *arguments):
        """Quantizes the bundled model and waits until the file has begun."""
        if not BUNDLED.exists():
            self.skipTest("the bundled model is not here")
        process = subprocess.Popen(
            [harness.options.program, "model", "quantize", str(BUNDLED), "-o", str(self.out),
             *arguments], env=self.user.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE)
        part = self.user.folder / "out.gguf.part"
        while process.poll() is None and not part.exists():
            time.sleep(0.002)
        return process, part

    def test_killed(self):
        process, part = self.start("--threads", "1")
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertFalse(self.out.exists())
        self.assertTrue(part.exists())
        self.assertEqual(self.user.run("model", "verify", part).code, MODEL)
        self.good_make()
        self.assertEqual(list(self.user.folder.glob("out*")), [self.out])

    def test_interrupted(self):
        process, _ = self.start("--threads", "1")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        self.assertEqual(process.returncode, INTERRUPTED, err)
        self.assert_nothing_left()

    def test_two_at_once(self):
        process, _ = self.start("--threads", "1")
        second = self.make()
        process.kill()
        process.communicate()
        self.assertEqual(second.code, INPUT, second)
        self.assertIn("another process", second.err)

    def test_full_disk(self):
        small = self.user.folder / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)],
                          stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("no file system can be mounted here")
        try:
            self.out = small / "out.gguf"
            run = self.make()
            self.assertEqual(run.code, SYSTEM, run)
            self.assertEqual(run.err.count("\n"), 1, run)
            self.assertIn("space", run.err)
            self.assertEqual(os.listdir(small), [])
        finally:
            subprocess.run(["umount", str(small)], check=True)


if __name__ == "__main__":
    harness.main()
