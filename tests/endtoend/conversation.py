"""Follow-ups: from the state after an answer, in a process of its own each; branches;
states that are gone, refused or of another model; the tree in `export`."""

import json
import sqlite3

import harness
from chain import DOCUMENT
from harness import BUNDLED, INPUT, NOT_FOUND, USAGE, book

KEPT = ("found", "answer", "confidence", "quotes", "section")


class Conversation(harness.Test):
    def ask(self, *words, codes=(0,), user=None):
        result = (user or self.user).run("ask", self.name, *words, "--json")
        self.assertIn(result.code, codes, result)
        return result

    def database(self, name, *statement, user=None):
        with sqlite3.connect((user or self.user).library / name) as db:
            db.execute("PRAGMA foreign_keys = ON")  # a state goes with its payload
            rows = db.execute(*statement).fetchall()
        db.close()
        return rows

    def answer_states(self, user=None):
        """{question: (key, hash)} of the answers' states."""
        return {row[0]: row[1:] for row in self.database(
            "states.db", "SELECT section, hex(text), hex(hash), token FROM state WHERE kind = 3",
            user=user)}

    def same_answer(self, one, other):
        for key in KEPT:
            self.assertEqual(one[key], other[key], key)


class Bundled(Conversation):
    name = "harbour"

    def setUp(self):
        if not BUNDLED.exists():
            self.skipTest("the bundled model is not here")
        if harness.options.sanitized:
            self.skipTest("too slow here; the tiny model goes the same ways")
        self.user = self.home()
        self.path = self.user.write("harbour.md", DOCUMENT)
        self.good(self.user, "read", self.path, "--quiet")

    def test_conversation(self):
        first = self.ask("Who built the lighthouse?").json
        self.assertNotIn("after", first)
        self.assertEqual(first["section"]["number"], 2)
        kept = self.answer_states()
        self.assertEqual(list(kept), [first["id"]])

        second = self.ask("--after", first["id"], "And when was it built?").json
        self.assertEqual((second["after"], second["tokens_reread"]), (first["id"], 0))
        self.assertGreater(second["id"], first["id"])
        self.assertEqual(second["section"], first["section"])
        self.assertEqual(second["states_made"], [])
        (source,) = second["from_states"]
        self.assertEqual((source["kind"], source["question"], source["section"]),
                         ("answer", first["id"], 2))
        self.assertEqual((source["hash"].upper(), source["token"]), kept[first["id"]][1:])
        for quote in second["quotes"]:
            self.assertTrue(quote["verified"] and quote["text"] in " ".join(DOCUMENT.split()), quote)

        # Further on, and once more from the first: branches do not touch each other.
        third = self.ask("--after", second["id"], "Who is its keeper?").json
        self.assertEqual(third["tokens_reread"], 0)
        self.assertGreater(third["from_states"][0]["token"], source["token"])
        again = self.ask("--after", first["id"], "And when was it built?", "--threads", 1).json
        self.assertEqual(again["tokens_reread"], 0)
        self.same_answer(again, second)
        states = self.answer_states()
        self.assertEqual(sorted(states), [first["id"], second["id"], third["id"], again["id"]])
        self.assertEqual(states[first["id"]], kept[first["id"]])
        self.assertEqual(states[again["id"]], states[second["id"]])
        sound = self.good(self.user, "verify", "--json").lines[-1]
        self.assertEqual((sound["problems"], sound["notes"]), (0, 0))
        self.good(self.user, "gc", "--quiet")
        self.assertEqual(self.answer_states(), states)

        out = self.good(self.user, "export", "harbour").out
        at = -1
        for mark, asked in (("###", first), ("####", second), ("#####", third), ("####", again)):
            heading = "\n%s %s\n\n*Question %d, " % (mark, asked["question"], asked["id"])
            self.assertIn(heading, out[at + 1:])
            at = out.index(heading, at + 1)
        self.assertIn("*Question %d, a follow-up to %d, " % (third["id"], second["id"]), out)

    def test_states_that_are_gone(self):
        """The same state is made again, to the bit, from what is left."""
        first = self.ask("Who built the lighthouse?").json
        second = self.ask("--after", first["id"], "And when was it built?").json
        question = ("--after", second["id"], "Who is its keeper?")
        third = self.ask(*question).json
        states = self.answer_states()

        # From the state of the answer before.
        self.database("states.db", "DELETE FROM state WHERE section = ? AND kind = 3",
                      (second["id"],))
        result = self.ask(*question)
        self.assertIn("answer to question %d: it is made again from that of question %d" % (
            second["id"], first["id"]), result.err)
        self.assertEqual(result.json["tokens_reread"], 0)
        self.assertEqual((result.json["from_states"], result.json["states_made"][0]["kind"]),
                         ([], "answer"))
        self.same_answer(result.json, third)
        self.assertEqual(self.answer_states()[second["id"]], states[second["id"]])

        # From the section's state, and from nothing.
        for condition, reread in (("kind = 3", False), ("1", True)):
            self.database("states.db", "DELETE FROM state WHERE " + condition)
            result = self.ask(*question)
            self.assertIn("answer to question %d: it is made again from section 2" % second["id"],
                          result.err)
            self.assertEqual(result.json["tokens_reread"] > 0, reread)
            self.same_answer(result.json, third)
            self.assertEqual(self.answer_states()[second["id"]], states[second["id"]])
            self.assertNotIn("made again", self.ask(*question).err)

        # Thinned.
        self.good(self.user, "gc", "--budget", 0, "--quiet")
        result = self.ask(*question, "--budget", "1G")
        self.same_answer(result.json, third)

    def test_text_that_changed(self):
        first = self.ask("Who built the lighthouse?").json
        state = self.answer_states()[first["id"]]
        self.path.write_text(DOCUMENT.replace("Tom Hale", "Mara Voss"))
        self.good(self.user, "read", self.path, "--quiet")
        result = self.ask("--after", first["id"], "Who is its keeper?", codes=(0, NOT_FOUND))
        self.assertIn("has changed: asked afresh", result.err)
        self.assertNotIn("answer", [source["kind"] for source in result.json["from_states"]])
        self.assertEqual(self.answer_states()[first["id"]][:2], state[:2])
        for quote in result.json["quotes"]:
            self.assertNotIn("Tom Hale", quote["text"])

        # A text that no longer has the section: the question and its answer stay.
        self.path.write_text("# Harbour notes\n\nNothing is left of the harbour.\n")
        self.good(self.user, "read", self.path, "--quiet")
        afresh = self.ask("--after", first["id"], "Why?", codes=(0, NOT_FOUND))
        self.assertIn("has changed: asked afresh", afresh.err)
        self.assertIn("Who built the lighthouse?", self.good(self.user, "export", "harbour").out)
        self.good(self.user, "gc", "--quiet")
        self.assertNotIn(first["id"], self.answer_states())

    def test_text_that_moved(self):
        """The conversation stays with its text when another section comes before it."""
        first = self.ask("Who built the lighthouse?").json
        self.path.write_text("# Foreword\n\nA few words by somebody else.\n\n" + DOCUMENT)
        self.good(self.user, "read", self.path, "--quiet")
        result = self.ask("--after", first["id"], "Who is its keeper?", codes=(0, NOT_FOUND))
        self.assertNotIn("afresh", result.err)
        self.assertEqual([source["kind"] for source in result.json["from_states"]], ["answer"])
        if result.json["section"]:
            self.assertEqual(result.json["section"]["title"], first["section"]["title"])

    def test_as_of(self):
        first = self.ask("Who is the keeper?", "--as-of", 2).json
        second = self.ask("--after", first["id"], "Who built the lighthouse?",
                          codes=(0, NOT_FOUND)).json
        self.assertEqual((second["as_of"], second["tokens_reread"]), (2, 0))
        self.assertEqual(second["from_states"][0]["kind"], "answer")
        for quote in second["quotes"]:
            self.assertLessEqual(quote["section"]["number"], 2)
        self.database("states.db", "DELETE FROM state WHERE kind = 3")
        result = self.ask("--after", first["id"], "Who built the lighthouse?",
                          codes=(0, NOT_FOUND))
        self.assertIn("from everything up to section 2", result.err)
        self.assertEqual(result.json["tokens_reread"], 0)
        self.same_answer(result.json, second)

    def test_reread(self):
        first = self.ask("Who built the lighthouse?", "--reread").json
        question = ("--after", first["id"], "And when was it built?")
        second = self.ask(*question, codes=(0, NOT_FOUND)).json
        self.assertEqual(second["tokens_reread"], 0)
        self.database("states.db", "DELETE FROM state WHERE kind = 3")
        result = self.ask(*question, codes=(0, NOT_FOUND))
        self.assertIn("from reading again section", result.err)
        self.assertGreater(result.json["tokens_reread"], 0)
        self.same_answer(result.json, second)

    def test_no_answer(self):
        """There is nothing to go on from: asked afresh, but within the same limits."""
        first = self.ask("zyzzyva qoph?", codes=(NOT_FOUND,)).json
        self.assertEqual(self.answer_states(), {})
        second = self.ask("--after", first["id"], "Who built the lighthouse?").json
        alone = self.ask("Who built the lighthouse?").json
        self.assertEqual(second["after"], first["id"])
        self.same_answer(second, alone)
        third = self.ask("--after", second["id"], "And when was it built?").json
        self.assertEqual((third["tokens_reread"], third["from_states"][0]["question"]),
                         (0, second["id"]))
        self.good(self.user, "gc", "--quiet")
        self.assertEqual(len(self.answer_states()), 3)

    def test_refusals(self):
        first = self.ask("Who built the lighthouse?").json
        other = self.user.write("other.md", "# Other\n\nNothing much happens in this one.\n")
        self.good(self.user, "read", other, "--no-model", "--quiet")
        after = ("--after", first["id"], "Why?")
        for arguments in (("other", *after), ("harbour:2", *after), ("harbour", *after, "--reread"),
                          ("harbour", *after, "--as-of", 1), ("harbour", "--after", 0, "Why?"),
                          ("harbour", "--after", "x", "Why?")):
            self.assert_refused(self.user.run("ask", *arguments), USAGE)
        self.assertIn("harbour", self.user.run("ask", "other", *after).err)
        self.assert_refused(self.user.run("ask", "harbour", "--after", 77, "Why?"), INPUT)

    def test_rm(self):
        first = self.ask("Who built the lighthouse?").json
        self.ask("--after", first["id"], "And when was it built?")
        self.good(self.user, "rm", "harbour")
        self.assertEqual(self.answer_states(), {})

    def test_chapter(self):
        text = DOCUMENT.replace("## The mill", "### The mill")
        self.path.write_text(text)
        self.good(self.user, "read", self.path, "--quiet")
        for where, number, parts in (("harbour:3", 3, [3, 4]), ("harbour:1", 1, [1, 2, 3, 4]),
                                     ("harbour:2", 2, [2])):
            first = self.good(self.user, "sum", where, "--chapter", "--json").json
            self.assertEqual((first["section"], first["chapter"]["number"]), (None, number))
            self.assertEqual([part["section"] for part in first["parts"]], parts)
            self.assertFalse(first["kept"])
            self.assertTrue(first["summary"].strip())
            then = self.good(self.user, "sum", where, "--chapter", "--json").json
            self.assertTrue(then["kept"] and all(part["kept"] for part in then["parts"]))
            self.assertEqual(then["summary"], first["summary"])
            self.assertEqual(then["tokens_reread"], 0)
        out = self.good(self.user, "export", "harbour").out
        self.assertIn("### The chapter 3\\. The ferry\n", out)
        self.assertIn("### The chapter 1\\. Harbour notes\n", out)
        for arguments in (("harbour", "--chapter"), ("harbour", "--chapter", "--so-far", 2)):
            self.assert_refused(self.user.run("sum", *arguments), USAGE)


class Tiny(Conversation):
    """What needs no sense."""
    name = "book"

    def setUp(self):
        self.user = self.tiny_home()
        self.path = self.user.write("book.md", book(3))
        self.good(self.user, "read", self.path, "--quiet")
        self.first = self.ask("Who carried a brass clock?").json

    def follow(self, question, **rest):
        return self.ask("--after", question, "What else was carried?", "--max-tokens", 8,
                        codes=(0, NOT_FOUND), **rest)

    def test_other_model(self):
        """Its own states, from the words of the answers."""
        other = self.tiny_home("mamba")
        other.environment["XDG_DATA_HOME"] = self.user.environment["XDG_DATA_HOME"]
        result = self.follow(self.first["id"], user=other)
        self.assertIn("made again from section", result.err)
        self.assertNotIn("made again", self.follow(self.first["id"], user=other).err)
        self.assertNotIn("made again", self.follow(self.first["id"]).err)
        rows = self.database("states.db", "SELECT count(*) FROM state WHERE kind = 3 AND section = ?",
                             (self.first["id"],))
        self.assertEqual(rows, [(2,)])

    def test_long_conversation(self):
        """Down to a depth where headings end, and all of it made again."""
        turns = [self.first]
        for _ in range(6):
            turns.append(self.follow(turns[-1]["id"]).json)
            self.assertTrue(turns[-1]["found"], turns[-1])
            self.assertEqual(turns[-1]["tokens_reread"], 0)
        out = self.good(self.user, "export", "book").out
        self.assertEqual([line.split()[0] for line in out.splitlines()
                          if line.startswith("###")],
                         ["###", "####", "#####", "######", "######", "######", "######"])
        states = self.answer_states()
        self.database("states.db", "DELETE FROM state WHERE kind = 3")
        expected = self.follow(turns[-1]["id"]).json
        self.assertEqual(self.answer_states()[turns[-1]["id"]], states[turns[-1]["id"]])
        self.same_answer(self.follow(turns[-1]["id"]).json, expected)

    def test_notes(self):
        """What a person left is exported with its passage, or said to be lost."""
        words = self.good(self.user, "text", "book:2").out.split("\n")[2]
        notes = ((1, "a", words, ""), (2, "", "", "come back *here*"),
                 (3, "", "No such words stand in it.", "# odd\n\nsecond"))
        for kind, name, passage, text in notes:
            self.database("library.db", "INSERT INTO note (document, kind, name, section, begin,"
                          " end, passage, text, made_at) VALUES (1, ?, ?, 1, 0, ?, ?, ?, 1)",
                          (kind, name, len(passage), passage, text))
        out = self.good(self.user, "export", "book").out
        out = out[out.index("## Marks and notes\n"):]
        self.assertIn("### Mark a, § ", out)
        self.assertIn("> " + words[:20], out)
        self.assertIn("### Bookmark, § ", out)
        self.assertIn("come back \\*here\\*\n", out)
        self.assertEqual(out.count("*No longer in the document.*"), 1)
        self.assertLess(out.index("> No such words"), out.index("*No longer in the document.*"))
        self.assertIn("\n\\# odd\n\nsecond\n", out)

    def test_a_library_that_lies(self):
        """Whatever the database says: an answer, or one clear line."""
        second = self.follow(self.first["id"]).json
        kept = self.database("library.db", "SELECT detail FROM question WHERE id = ?",
                             (self.first["id"],))[0][0]
        detail = json.loads(kept)
        lies = ["", "[]", "{", "null", "[" * 5000,
                *(json.dumps(dict(detail, **change)) for change in (
                    {"section": 7}, {"section": {"number": 2**62}}, {"section": {"number": -1}},
                    {"as_of": 10**9}, {"as_of": "x"}, {"quotes": 7},
                    {"quotes": [7, {"text": 7}, {"text": "x", "section": {"number": 99}}] * 400},
                    {"answer_tokens": [2**31 - 1]}, {"answer_tokens": [-1]},
                    {"answer_tokens": ["x", None]}, {"answer_tokens": {}}, {"confidence": 1e300},
                    {"reread": 1}))]
        for lie in lies:
            self.database("library.db", "UPDATE question SET detail = ? WHERE id = ?",
                          (lie, self.first["id"]))
            self.database("states.db", "DELETE FROM state WHERE kind = 3")
            for question in (self.first["id"], second["id"]):
                result = self.user.run("ask", "book", "--after", question, "What else?",
                                       "--max-tokens", 2, "--quiet")
                self.assertIn(result.code, (0, INPUT, NOT_FOUND), "%s\n%s" % (lie[:200], result))
                self.assert_harmless(result)
            self.good(self.user, "export", "book")
            self.good(self.user, "gc", "--quiet")
        self.database("library.db", "UPDATE question SET detail = ?", (kept,))
        self.follow(second["id"])


if __name__ == "__main__":
    harness.main()
