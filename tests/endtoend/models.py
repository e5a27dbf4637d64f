"""Several models side by side: tokens, bits and states belong to a document and a model."""

import harness
from harness import BUNDLED, GOLDEN, NOT_FOUND, chapter

FALCON = GOLDEN / "falcon-tiny-q4_k_m.gguf"


class Models(harness.Test):
    def setUp(self):
        self.user = self.tiny_home()
        self.text = "# Two readers\n\n" + chapter(1, 4) + chapter(2, 4)
        self.path = self.user.write("book.md", self.text)

    def sections(self, user, model):
        shown = self.good(user, "show", "book", "--json", "--model", model).json["sections"]
        return ([s["tokens"] for s in shown],
                [[tuple(c.values()) for c in s["checkpoints"]] for s in shown])

    def alone(self, model):
        user = self.home()
        path = user.write("book.md", self.text)
        read = self.good(user, "read", path, "--model", model, "--json", "--quiet").json
        return read, self.sections(user, model)

    def check_pair(self, first, second):
        models = (first, second)
        expected = [self.alone(model) for model in models]
        for model in models:
            self.good(self.user, "read", self.path, "--model", model, "--quiet")
        self.assertNotEqual(expected[0][1], expected[1][1])
        for model, (read, sections) in zip(models, expected):
            self.assertEqual(self.sections(self.user, model), sections)
            again = self.good(self.user, "read", self.path, "--model", model, "--json").json
            self.assertEqual((again["tokens"], again["tokens_read"], again["bits_per_token"]),
                             (read["tokens"], 0, read["bits_per_token"]))
        self.assertEqual(len(self.good(self.user, "ls", "--json").lines), 1)
        for model in models:
            asked = self.user.run("ask", "book:2", "Who carried a brass clock?", "--json",
                                  "--model", model)
            self.assertIn(asked.code, (0, NOT_FOUND), asked)
            self.assertEqual(asked.json["from_states"], [])  # the other's are not taken
            asked = self.user.run("ask", "book:2", "When?", "--json", "--model", model)
            self.assertEqual(asked.json["tokens_reread"], 0)
        for model, (_, (tokens, points)) in zip(models, expected):
            now = self.sections(self.user, model)
            self.assertEqual(now[0], tokens)
            self.assertEqual([[p for p in s if p[0] == "prefix"] for s in now[1]], points)
        self.good(self.user, "rm", "book")
        self.assertEqual(self.good(self.user, "ls", "--json").out, "")

    def test_tiny_ones(self):
        other = self.tiny_home("mamba")
        self.check_pair(self.user.model, other.model)

    def check_ratios(self, measured):
        """Of one round: they are those of the numbers beside them."""
        weights = self.good(self.user, "model", "--json").json["weights_per_token"]
        reading = 2 * weights * measured["prefill_tokens_per_s"]
        self.assertAlmostEqual(measured["prefill_of_peak"] * measured["peak_flops"] / reading, 1,
                               5, measured)
        lanes = "decode_lanes%d_" % (8 if measured["backend"] == "cpu" else 64)
        several = measured[lanes + "times_one"] * measured["decode_tokens_per_s"]
        self.assertAlmostEqual(several / measured[lanes + "tokens_per_s"], 1, 5, measured)
        self.assertLessEqual(measured["peak_flops_least"], measured["peak_flops"], measured)
        self.assertLessEqual(measured["peak_flops"], measured["peak_flops_most"], measured)

    def test_pace(self):
        """What `bench` measured, `model` tells."""
        self.assertIsNone(self.good(self.user, "model", "--json").json["bench"])
        self.assertIn("not measured yet", self.good(self.user, "model").out)
        measured = self.good(self.user, "bench", "--rounds", "1", "--threads", "1", "--json").json
        self.check_ratios(measured)
        told = self.good(self.user, "model", "--json").json["bench"]
        for key in ("prefill_tokens_per_s", "decode_tokens_per_s", "kernels", "threads"):
            self.assertEqual(told[key], measured[key], (told, measured))
        self.assertRegex(self.good(self.user, "model").out,
                         r"(?m)^speed here .*answering \(%s, 1 thread, " % told["kernels"])
        other = self.tiny_home("mamba").model  # not this one's
        self.assertIsNone(
            self.good(self.user, "model", "--json", "--model", other).json["bench"])
        (self.user.library / "pace.json").write_text('{"x": [')
        self.assertIsNone(self.good(self.user, "model", "--json").json["bench"])

    def test_bundled_and_golden(self):
        if not BUNDLED.exists() or not FALCON.exists():
            self.skipTest("the bundled model or the golden one is not here")
        self.check_pair(BUNDLED, FALCON)

    def test_bundled_and_tiny(self):
        if not BUNDLED.exists():
            self.skipTest("the bundled model is not here")
        self.check_pair(BUNDLED, self.user.model)

    def test_not_read_by_the_other(self):
        other = self.tiny_home("mamba").model
        self.good(self.user, "read", self.path, "--quiet")
        tokens, points = self.sections(self.user, other)
        self.assertEqual(tokens, [None] * len(tokens))
        self.assertEqual(points, [[]] * len(points))

    def test_same_content_under_another_name(self):
        """What counts is what the file holds."""
        self.good(self.user, "read", self.path, "--quiet")
        copy = self.user.write("copy.gguf", self.user.model.read_bytes())
        again = self.good(self.user, "read", self.path, "--json", "--model", copy).json
        self.assertEqual(again["tokens_read"], 0)

    def test_another_model_under_the_same_name(self):
        read = self.good(self.user, "read", self.path, "--json", "--quiet").json
        self.user.model.write_bytes(self.tiny_home("mamba").model.read_bytes())
        again = self.good(self.user, "read", self.path, "--json", "--quiet").json
        self.assertEqual(again["resumed_at"], 0)
        self.assertEqual(again["tokens_read"], again["tokens"])
        self.assertNotEqual(again["bits_per_token"], read["bits_per_token"])

    def test_where_the_model_is_found(self):
        def found(*arguments):
            model = self.good(self.user, "model", "--json", *arguments).json
            return model["found_by"], model["path"]
        user = self.user
        content = user.model.read_bytes()
        self.assertEqual(found("--model", user.model), ("--model", str(user.model)))
        self.assertEqual(found(), ("TIDEMARK_MODEL", str(user.model)))
        del user.environment["TIDEMARK_MODEL"]
        if BUNDLED.exists():
            self.assertEqual(found(), ("bundled", str(BUNDLED)))
        (user.library / "models").mkdir(parents=True)
        own = user.library / "models" / "own.gguf"
        own.write_bytes(content)
        self.assertEqual(found(), ("user's models folder", str(own)))
        self.assertEqual(found("--model", "own"), ("--model", str(own)))
        configuration = user.folder / "config" / "tidemark"
        configuration.mkdir(parents=True)
        (configuration / "config").write_text("model = %s\n" % user.model)
        self.assertEqual(found(), ("configuration file", str(user.model)))


if __name__ == "__main__":
    harness.main()
