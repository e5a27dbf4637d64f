"""The chain with the bundled model: read, ls, show, ask, sum, rm, each in a process of
its own; what is printed as JSON; and that nothing is read twice."""

import harness
from harness import BUNDLED, INPUT, NOT_FOUND, SAMPLE, checkpoints

DOCUMENT = """# Harbour notes

These are the notes of the harbour office.

## The lighthouse

The lighthouse on Gull Rock was built in 1871 by Ada Wren. Its lamp burns whale oil,
and its keeper is Tom Hale, who has lived there for thirty years.

## The ferry

The ferry Silver Heron crosses the sound four times a day. A ticket costs two shillings,
and dogs travel free. In winter the ferry lies in the inner harbour, where Ivo Stark paints
her hull green and mends her engine. She carries sixty people and nine carts of barley.

## The mill

The mill grinds barley for the whole island. Its wheel was broken by the great flood of
1893 and mended by Mara Voss in a single week.
"""

SECTION_KEYS = {"title", "level", "bytes", "page", "line", "tokens", "checkpoints"}
INSTANT = 5.0  # seconds, on a busy machine


class Chain(harness.Test):
    def setUp(self):
        if not BUNDLED.exists():
            self.skipTest("the bundled model is not here")
        self.user = self.home()
        self.path = self.user.write("harbour.md", DOCUMENT)

    def read(self):
        return self.good(self.user, "read", self.path, "--json", "--quiet").lines[-1]

    def test_read_twice(self):
        first = self.read()
        self.assertGreater(first["tokens"], 80)
        self.assertEqual(first["tokens_read"], first["tokens"])
        self.assertEqual(first["resumed_at"], 0)
        again = self.good(self.user, "read", self.path, "--json")
        self.assertEqual(again.json["id"], first["id"])
        self.assertEqual(again.json["tokens_read"], 0)
        self.assertEqual(again.json["resumed_at"], again.json["tokens"])
        self.assertEqual(again.json["tokens"], first["tokens"])
        self.assertEqual(again.json["bits_per_token"], first["bits_per_token"])
        self.assertLess(again.seconds, INSTANT)
        self.assertEqual(len(self.good(self.user, "ls", "--json").lines), 1)

    def test_listing(self):
        other = self.user.write("other.md", "# Other\n\nNothing much happens in this one.\n")
        self.good(self.user, "read", self.path, other, "--no-model", "--quiet")
        listed = self.good(self.user, "ls", "--json").lines
        self.assertEqual([d["path"] for d in listed], [str(self.path), str(other)])
        self.assertEqual([d["name"] for d in listed], ["harbour", "other"])
        self.assertEqual(len({d["id"] for d in listed}), 2)
        text = self.good(self.user, "ls")
        self.assertIn("harbour", text.out)
        self.assertIn("other", text.out)

    def test_show(self):
        self.good(self.user, "read", self.path, "--no-model", "--quiet")
        shown = self.good(self.user, "show", "harbour", "--json").json
        source = DOCUMENT.encode()
        titles = ["Harbour notes", "The lighthouse", "The ferry", "The mill"]
        self.assertEqual([s["title"] for s in shown["sections"]], titles)
        end = 0
        for section, level in zip(shown["sections"], (1, 2, 2, 2)):
            self.assertEqual(set(section), SECTION_KEYS)
            begin, after = section["bytes"]
            self.assertEqual(begin, end)
            self.assertTrue(source[begin:after].lstrip(b"# ").startswith(section["title"].encode()))
            self.assertEqual(section["line"], source[:begin].count(b"\n") + 1)
            self.assertEqual((section["level"], section["page"]), (level, 1))
            self.assertIsNone(section["tokens"])
            self.assertEqual(section["checkpoints"], [])
            end = after
        self.assertEqual(end, len(source))

        read = self.read()
        sections = self.good(self.user, "show", read["id"], "--json").json["sections"]
        at = read["tokens"] - sum(s["tokens"] for s in sections)  # the preamble
        for section in sections:
            at += section["tokens"]
            self.assertEqual(len(section["checkpoints"]), 1)
            point = section["checkpoints"][0]
            self.assertEqual(set(point), {"kind", "token", "hash"})
            self.assertEqual((point["kind"], point["token"]), ("prefix", at))
            self.assertRegex(point["hash"], "^[0-9a-f]{32}$")
        for name in (read["id"], "harbour", self.path, self.path.name):
            self.assertEqual(self.good(self.user, "show", name, "--json").json["id"], read["id"])

    def test_ask(self):
        self.read()
        # A question of the document, then the same section under three other names.
        first = self.good(self.user, "ask", "harbour", "Who built the lighthouse?", "--json").json
        self.assertGreater(first["tokens_reread"], 0)
        self.assertEqual(first["from_states"], [])
        number = first["section"]["number"]
        made = {(s["section"], s["hash"]) for s in first["states_made"]}
        self.assertIn(number, {section for section, _ in made})
        for where in ("harbour:%d" % number, "harbour:" + first["section"]["title"],
                      "%s:%d" % (self.path, number)):
            then = self.good(self.user, "ask", where, "When was it built?", "--json").json
            self.assertEqual(then["tokens_reread"], 0, then)
            self.assertEqual(len(then["from_states"]), 1)
            state = then["from_states"][0]
            self.assertIn((state["section"], state["hash"]), made)
            self.assertIn((state["kind"], state["token"], state["hash"]),
                          checkpoints(self.user, "harbour")[number - 1])
        whole = self.good(self.user, "ask", "harbour", "Who is the keeper of the lighthouse?",
                          "--json").json
        if {s["section"] for s in whole["from_states"]} <= {section for section, _ in made}:
            self.assertEqual(whole["tokens_reread"], 0, whole)
        self.assertTrue(whole["from_states"])

    def test_quotes(self):
        self.read()
        for section in (2, 3, 4):
            asked = self.user.run("ask", "harbour:%d" % section, "What happened and who did it?",
                                  "--json")
            self.assertIn(asked.code, (0, NOT_FOUND), asked)
            answer = asked.json
            flat = " ".join(DOCUMENT.split())
            for quote in answer["quotes"]:
                self.assertEqual(quote["verified"], " ".join(quote["text"].split()) in flat, quote)
                if quote["verified"]:
                    line = DOCUMENT.splitlines()[quote["line"] - 1]
                    self.assertIn(quote["text"].split()[0], line, quote)
                    self.assertEqual(quote["page"], 1)

    def test_same_answer_again(self):
        self.read()
        question = ("ask", "harbour:2", "Who built the lighthouse?", "--json")
        first = self.good(self.user, *question).json
        then = self.good(self.user, *question, "--threads", 1).json
        for key in ("found", "answer", "confidence", "quotes", "section"):
            self.assertEqual(then[key], first[key])

    def test_answer_comes_first(self):
        self.read()
        question = ("ask", "harbour:2", "Who built the lighthouse?")
        told = self.good(self.user, *question, "--json").json
        self.assertGreater(told["first_token_seconds"], 0)
        self.assertLess(told["first_token_seconds"], told["seconds"])
        text = self.good(self.user, *question).out
        answer, _, rest = text.partition("\n  ✓")
        self.assertEqual(answer, told["answer"].rstrip("\n"), text)
        self.assertIn(" verified: ", rest)

    def test_as_of(self):
        self.read()
        answer = self.user.run("ask", "harbour", "Who is the keeper?", "--as-of", "The lighthouse",
                               "--json")
        self.assertIn(answer.code, (0, NOT_FOUND), answer)
        self.assertEqual(answer.json["tokens_reread"], 0)
        self.assertEqual([(s["section"], s["kind"]) for s in answer.json["from_states"]],
                         [(2, "prefix")])

    def test_nothing_found(self):
        self.read()
        answer = self.user.run("ask", "harbour", "zyzzyva qoph?", "--json")
        self.assertEqual(answer.code, NOT_FOUND, answer)
        self.assertFalse(answer.json["found"])
        text = self.user.run("ask", "harbour", "zyzzyva qoph?")
        self.assertEqual(text.code, NOT_FOUND, text)
        self.assertIn("the document does not say", text.out.lower())

    def test_sum(self):
        self.read()
        for arguments in (("harbour:The ferry",), ("harbour", "--so-far", 2), ("harbour",),
                          ("harbour", "--own-words")):
            first = self.good(self.user, "sum", *arguments, "--json").json
            then = self.good(self.user, "sum", *arguments, "--json")
            self.assertFalse(first["kept"])
            self.assertTrue(first["summary"].strip())
            self.assertTrue(then.json["kept"])
            self.assertEqual(then.json["summary"], first["summary"])
            self.assertEqual(then.json["tokens_reread"], 0)
            self.assertEqual(then.json["tokens_generated"], 0)
            self.assertLess(then.seconds, INSTANT)
            self.assertIn(first["summary"].split()[0], self.good(self.user, "sum", *arguments).out)

    def test_rm(self):
        self.read()
        self.good(self.user, "rm", "harbour")
        self.assertEqual(self.good(self.user, "ls", "--json").out, "")
        self.assert_refused(self.user.run("show", "harbour"), INPUT)
        self.assertEqual(self.path.read_text(), DOCUMENT)
        again = self.read()
        self.assertEqual(again["tokens_read"], again["tokens"])
        self.assertEqual(again["resumed_at"], 0)

    def test_quiet_and_not(self):
        loud = self.good(self.user, "read", self.path)
        self.assertTrue(loud.err)
        self.assertIn("sections", loud.err)
        for command in (("read", self.path), ("ask", "harbour", "Who built the lighthouse?"),
                        ("sum", "harbour:2"), ("ls",), ("show", "harbour"), ("model",)):
            self.assertEqual(self.good(self.user, *command, "--quiet").err, "", command)

    def test_model(self):
        model = self.good(self.user, "model", "--json").json
        self.assertEqual(model["path"], str(BUNDLED))
        self.assertEqual(model["found_by"], "bundled")


class Sample(harness.Test):
    """The sample document as it is; the slow half."""

    def test_sample(self):
        if not BUNDLED.exists() or not SAMPLE.exists():
            self.skipTest("no bundled model or sample")
        user = self.home()
        first = self.good(user, "read", SAMPLE, "--json", "--quiet").json
        self.assertGreater(first["tokens"], 10000)
        again = self.good(user, "read", SAMPLE, "--json").json
        self.assertEqual((again["tokens_read"], again["resumed_at"]),
                         (0, first["tokens"]))
        shown = self.good(user, "show", first["id"], "--json").json["sections"]
        self.assertEqual(shown[-1]["bytes"][1], SAMPLE.stat().st_size)
        self.assertTrue(all(s["checkpoints"] for s in shown))
        asked = self.good(user, "ask", first["id"], "How long does a lunar day last?", "--json").json
        then = self.good(user, "ask", "%d:%d" % (first["id"], asked["section"]["number"]),
                         "What is the range of the tide?", "--json")
        self.assertEqual(then.json["tokens_reread"], 0)
        self.good(user, "rm", first["id"])


if __name__ == "__main__":
    harness.main()
