"""What keeps a library in order: text, verify, gc and the budget, backup, restore,
export, eval, rm --shred."""

import json
import os
import re
import shlex
import shutil
import sqlite3

import harness
from harness import INPUT, MODEL, STORE, USAGE, book, chapter, checkpoints


class Keeping(harness.Test):
    def setUp(self):
        self.user = self.tiny_home("mamba")
        self.path = self.user.write("book.md", book(6))
        self.good(self.user, "read", self.path, "--quiet")

    def lines(self, *arguments):
        return self.good(self.user, *arguments, "--json", "--quiet").lines


class Text(Keeping):
    def test_sections_on_end_are_the_document(self):
        whole = self.good(self.user, "text", "book").out
        self.assertEqual(whole, book(6).rstrip("\n") + "\n")
        parts = [self.good(self.user, "text", "book:%d" % n).out for n in range(1, 8)]
        self.assertEqual("".join(parts), whole)
        self.assertEqual(self.good(self.user, "text", "book", "--raw").out, whole)
        rows = self.lines("text", "book")
        self.assertEqual("".join(row["text"] for row in rows), whole)
        source = book(6).encode()
        for row in rows:
            begin, end = row["bytes"]
            self.assertEqual(source[begin:end].decode().rstrip(), row["text"].rstrip())

    def test_what_a_terminal_would_act_on(self):
        self.user.write("evil.md", b"# Evil\n\nA \x1b]0;title\x07 and \xe2\x80\xae turned.\n")
        self.good(self.user, "read", self.user.folder / "evil.md", "--quiet")
        self.assert_harmless(self.good(self.user, "text", "evil"))
        raw = self.good(self.user, "text", "evil", "--raw").raw_out
        self.assertIn(b"\x1b]0;title\x07", raw)

    def test_unknown(self):
        self.assert_refused(self.user.run("text", "nobody"), INPUT)
        self.assert_refused(self.user.run("text", "book:99"), INPUT)


class Budget(Keeping):
    def state_bytes(self):
        return sum(row["state_bytes"] for row in self.lines("ls"))

    def test_gc_thins_and_keeps_the_last(self):
        before = checkpoints(self.user, "book")
        full = self.state_bytes()
        for budget in (full, full // 2, full // 4, 0):
            result = self.lines("gc", "--budget", budget)[0]
            self.assertEqual(result["state_bytes"], self.state_bytes())
            if budget > full // len(before) * 2:
                self.assertLessEqual(result["state_bytes"], budget)
        left = checkpoints(self.user, "book")
        self.assertEqual([bool(points) for points in left], [False] * 6 + [True])
        self.assertEqual(left[-1], before[-1])
        again = self.lines("read", self.path)[0]
        self.assertEqual(again["tokens_read"], 0)

    def test_reading_within_a_budget(self):
        """What was thinned away is read again, and the end is the same."""
        other = self.home()
        other.environment["TIDEMARK_MODEL"] = str(self.user.model)
        state = self.state_bytes() // 7
        result = self.good(other, "read", self.path, "--budget", 3 * state)
        self.assertIn("budget", result.err)
        left = checkpoints(other, "book")
        self.assertLessEqual(sum(map(len, left)), 3)
        self.assertEqual(left[-1], checkpoints(self.user, "book")[-1])
        self.path.write_text(book(6) + chapter(7))
        for user in (self.user, other):
            self.good(user, "read", self.path, "--quiet")
        self.assertEqual(checkpoints(other, "book")[-1], checkpoints(self.user, "book")[-1])

    def test_configured(self):
        folder = self.user.folder / "config" / "tidemark"
        folder.mkdir(parents=True)
        (folder / "config").write_text("budget = 100K\n")
        self.assertEqual(self.lines("gc")[0]["budget"], 100 * 1024)
        self.assertEqual(self.lines("gc", "--budget", "1G")[0]["budget"], 1 << 30)
        (folder / "config").write_text("budget = much\n")
        self.assert_refused(self.user.run("gc"), USAGE)
        self.assert_refused(self.user.run("gc", "--budget", "-1"), USAGE)

    def test_orphans(self):
        shutil.copytree(self.user.library, self.user.folder / "kept")
        self.good(self.user, "rm", "book", "--quiet")
        shutil.copy(self.user.folder / "kept" / "states.db", self.user.library / "states.db")
        found = self.lines("verify")
        self.assertTrue(found[-1]["sound"])
        self.assertTrue(any("tidemark gc" in line.get("text", "") for line in found), found)
        result = self.lines("gc")[0]
        self.assertEqual((result["orphans"], result["state_bytes"]), (7, 0))
        self.assertEqual(self.lines("verify")[-1]["notes"], 0)


class Verify(Keeping):
    def damage(self, file, sql):
        with sqlite3.connect(self.user.library / file) as db:
            db.execute(sql)
        db.close()

    def assert_found(self, words):
        result = self.user.run("verify")
        self.assertEqual(result.code, STORE, result)
        self.assertRegex(result.out, "(?m)^problem: .*" + words)
        self.assertEqual(result.err.count("tidemark: "), 1, result)

    def test_sound(self):
        self.assertEqual(self.lines("verify"),
                         [{"documents": 1, "sections": 7, "states": 7, "problems": 0, "notes": 0,
                           "sound": True,
                           "state_bytes": self.lines("verify")[0]["state_bytes"]}])

    def test_a_changed_text(self):
        self.damage("library.db", "UPDATE section SET text = text || 'x' WHERE ordinal = 3")
        self.assert_found("section 4")

    def test_a_changed_state(self):
        self.damage("states.db", "UPDATE payload SET bytes = zeroblob(length(bytes))"
                                 " WHERE state = (SELECT id FROM state WHERE section = 2)")
        self.assert_found("section 3")

    def test_a_broken_page(self):
        size = os.path.getsize(self.user.library / "library.db")
        with open(self.user.library / "library.db", "r+b") as file:
            file.seek(size // 2 // 4096 * 4096)
            file.write(b"\xa5" * 4096)
        result = self.user.run("verify")
        self.assertEqual(result.code, STORE, result)

    def test_sources_that_changed(self):
        self.path.unlink()
        notes = [line["text"] for line in self.lines("verify") if line.get("finding") == "note"]
        self.assertEqual(len(notes), 1, notes)
        self.assertIn("not there any more", notes[0])


class Backup(Keeping):
    def snapshot(self):
        listed = [(row["name"], row["sections"], row["sections_read"]) for row in self.lines("ls")]
        return listed, [self.good(self.user, "export", row[0]).out for row in listed]

    def test_there_and_back(self):
        self.user.run("ask", "book", "Who carried a brass clock?", "--quiet")
        self.good(self.user, "sum", "book:3", "--quiet")
        copy = self.user.folder / "copy.db"
        before, points = self.snapshot(), checkpoints(self.user, "book")
        self.good(self.user, "backup", copy)
        self.assertEqual(os.stat(copy).st_mode & 0o777, 0o600)
        self.assert_refused(self.user.run("backup", copy), STORE)
        self.good(self.user, "rm", "book", "--quiet")
        self.good(self.user, "restore", copy)
        self.assertEqual(self.snapshot(), before)
        again = self.lines("read", self.path)[0]
        self.assertEqual(again["tokens"] > 0, True)
        left = checkpoints(self.user, "book")
        self.assertEqual(left[-1][0], points[-1][0])
        elsewhere = self.home()
        elsewhere.environment["TIDEMARK_MODEL"] = str(self.user.model)
        self.good(elsewhere, "restore", copy)
        self.assertEqual(elsewhere.run("export", "book").out, before[1][0])

    def test_a_newer_library_is_not_overwritten(self):
        copy = self.user.folder / "copy.db"
        self.good(self.user, "backup", copy)
        self.good(self.user, "restore", copy)
        self.user.run("ask", "book", "Who carried a brass clock?", "--quiet")
        self.good(self.user, "read", self.user.write("more.md", book(2)), "--quiet")
        before = self.snapshot()
        refused = self.user.run("restore", copy)
        self.assert_refused(refused, STORE)
        self.assertIn("1 documents, 1 questions", refused.err)
        self.assertEqual(self.snapshot(), before)
        self.good(self.user, "restore", copy, "--force")
        self.assertEqual([row[0] for row in self.snapshot()[0]], ["book"])

    def test_what_is_no_backup(self):
        before = self.snapshot()
        copy = self.user.folder / "copy.db"
        self.good(self.user, "backup", copy)
        content = copy.read_bytes()
        foreign = self.user.folder / "foreign.db"
        with sqlite3.connect(foreign) as db:
            db.execute("CREATE TABLE t (x)")
        db.close()
        broken = {"text": b"just words", "empty": b"", "half": content[:len(content) // 2],
                  "holes": content[:8192] + b"\xa5" * 8192 + content[16384:]}
        paths = [self.user.write(name, data) for name, data in broken.items()]
        for path in paths + [foreign, self.user.folder, self.user.folder / "absent",
                             self.user.library / "states.db"]:
            refused = self.user.run("restore", path, "--force")
            self.assert_refused(refused, (STORE, INPUT))
            self.assertEqual(self.snapshot(), before, path)

    def test_a_newer_schema(self):
        copy = self.user.folder / "copy.db"
        self.good(self.user, "backup", copy)
        with sqlite3.connect(copy) as db:
            db.execute("PRAGMA user_version = 9")
        db.close()
        refused = self.user.run("restore", copy, "--force")
        self.assert_refused(refused, STORE)
        self.assertIn("newer", refused.err)


class Export(Keeping):
    def test_all_that_is_known(self):
        self.user.run("ask", "book:2", "Who carried *what*?", "--quiet")
        self.good(self.user, "sum", "book:2", "--quiet")
        out = self.good(self.user, "export", "book").out
        self.assertEqual(re.findall(r"(?m)^##? .*$", out),
                         ["# book", "## Outline", "## Summaries", "## Questions"])
        for number in range(1, 7):
            self.assertIn("- %d\\. Chapter %d: " % (number + 1, number), out)
        self.assertIn("### Who carried \\*what\\*?", out)

    def test_quotes_of_a_text_that_changed(self):
        """What a question quoted from a text that is gone is not shown as the document's."""
        self.user.run("ask", "book:2", "Who carried what?", "--quiet")
        out = self.good(self.user, "export", "book").out
        quotes = re.findall(r"(?m)^> (?!—).+$", out)
        if not quotes:
            self.skipTest("this model quoted nothing")
        self.assertIn("(verified)", out)
        self.path.write_text(self.path.read_text().replace("carried", "hid"))
        self.good(self.user, "read", self.path, "--quiet")
        out = self.good(self.user, "export", "book").out
        self.assertNotIn("(verified)", out)
        self.assertIn("*not in the document*", out)

    def test_a_library_that_contradicts_itself(self):
        self.user.run("ask", "book:2", "Who carried what?", "--quiet")
        words = self.good(self.user, "text", "book:3").out.split("\n")[2]
        with sqlite3.connect(self.user.library / "library.db") as db:
            db.execute("UPDATE question SET detail = ?",
                       (json.dumps({"quotes": [{"text": words}]}),))
            db.execute("UPDATE section SET ordinal = 1000000 WHERE ordinal = 2")
        db.close()
        self.assertIn(self.user.run("export", "book").code, (0, STORE))
        with sqlite3.connect(self.user.library / "library.db") as db:
            db.execute("UPDATE source SET ordinal = 3")
        db.close()
        self.good(self.user, "rm", "book")

    def test_hostile_names(self):
        path = self.user.write("# <b>x [a](b).md", "# `Title` *here*\n\nSome *words* here.\n")
        self.good(self.user, "read", path, "--quiet")
        out = self.good(self.user, "export", path).out
        self.assertTrue(out.startswith("# \\# \\<b>x \\[a\\](b)\n"), out[:80])


class Hints(Keeping):
    """The commands that are printed can be used as they are."""

    def hint(self, *arguments):
        out = self.good(self.user, "read", "--quiet", *arguments).out
        return shlex.split(out.splitlines()[1].split(": ", 1)[1])

    def test_library_and_model(self):
        library = self.user.folder / "my books"
        path = self.user.write("two words.txt", "Some words here.\n")
        given = ["--model", str(self.user.model), "--library", str(library)]
        shown = self.hint(path, "--no-model", *given)
        self.assertEqual(shown, ["tidemark", "show", *given, "two words"])
        self.good(self.user, *shown[1:])
        self.assertEqual(self.hint(path, *given), ["tidemark", "ask", *given, "two words", "..."])

    def test_names_that_are_not_shown_as_they_are(self):
        for name in (b"n\x01x.txt", b"\xff.txt", b"7.txt", b"-x.txt", "a\u202eb.txt".encode()):
            path = os.fsencode(self.user.folder) + b"/" + name
            with open(path, "wb") as file:
                file.write(b"Words of " + name.hex().encode() + b".\n")
            shown = self.hint("--no-model", path)
            text = self.good(self.user, "text", shown[-1]).out
            self.assertEqual(text, "Words of %s.\n" % name.hex(), shown)


    def test_what_is_no_library_or_model(self):
        file = self.user.write("a file", "abc\n")
        for library in (file, file / "below"):
            result = self.user.run("ls", "--library", library)
            self.assert_refused(result, STORE)
            self.assertRegex(result.err, "needs a folder|choose another", result)
        for model, advice in ((self.user.write("empty.gguf", ""), "get it again"),
                              (self.user.folder, "name a file, not a folder")):
            result = self.user.run("model", "--model", model)
            self.assert_refused(result, MODEL)
            self.assertIn(advice, result.err)

    def test_one_of_a_kind(self):
        path = self.user.write("one.txt", b"a\xff\n")
        result = self.good(self.user, "read", "--no-model", "--encoding", "UTF-8", path)
        self.assertIn("1 byte is not UTF-8 and is shown", result.err)
        out = self.good(self.user, "show", "one").out
        self.assertIn(", 1 section, ", out)


class Eval(Keeping):
    def test_sums(self):
        result = self.lines("eval", self.path)[0]
        self.assertEqual(result["bytes"], len(book(6).rstrip()))
        self.assertEqual(sum(p["bytes"] for p in result["positions"]), result["bytes"])
        self.assertEqual(result["positions"][-1]["end"], result["tokens"])
        for before, after in zip(result["positions"], result["positions"][1:]):
            self.assertEqual(before["end"], after["begin"])
        read = self.lines("read", self.path)[0]
        tokens = result["tokens"]
        self.assertAlmostEqual(result["bits_per_token"] * tokens,
                               read["bits_per_token"] * read["tokens"], delta=0.01 * tokens)
        self.assertAlmostEqual(result["bits_per_byte"] * result["bytes"],
                               result["bits_per_token"] * tokens, delta=1e-4 * tokens)

    def test_characters(self):
        """They are those of the text that the bytes are counted of."""
        plain = self.user.write("plain.md", "# A\n\nabc  \n\n# B\n\ndef\n\n")
        for path in (plain, self.user.write("three.txt", "abc\n")):
            result = self.lines("eval", path)[0]
            self.assertEqual(result["characters"], result["bytes"])
        result = self.lines("eval", self.user.write("tides.txt", "éé\n"))[0]
        self.assertEqual((result["characters"], result["bytes"]), (2, 4))

    def test_standard_input(self):
        given = self.user.run("eval", "-", "--json", "--quiet", given=book(6).encode())
        self.assertEqual(given.code, 0, given)
        self.assertEqual(given.json["bits_per_byte"],
                         self.lines("eval", self.path)[0]["bits_per_byte"])
        self.assert_refused(self.user.run("eval", self.user.folder / "absent"), INPUT)


class Shred(Keeping):
    SECRET = "quicksilver umbrella manifesto"

    def traces(self):
        found = []
        for path in self.user.library.iterdir():
            data = path.read_bytes()
            found += [(path.name, word) for word in self.SECRET.encode().split() if word in data]
        return found

    def test_nothing_is_left(self):
        path = self.user.write("secret.md", "# Plan\n\n" + ("The %s is hidden. " % self.SECRET) * 50)
        self.good(self.user, "read", path, "--quiet")
        self.user.run("ask", "secret", "Where is the %s?" % self.SECRET, "--quiet")
        self.assertTrue(self.traces())
        self.good(self.user, "rm", "--shred", "secret", "--quiet")
        self.assertEqual(self.traces(), [])
        self.assertEqual(len(self.lines("ls")), 1)
        self.good(self.user, "read", self.path, "--quiet")
        self.assertTrue(self.lines("verify")[-1]["sound"])


if __name__ == "__main__":
    harness.main()
