"""Input, models and databases that cannot be used: one clear line, the documented exit
code, and nothing lost. The small model serves, since nothing here asks for sense."""

import os
import pathlib
import shutil
import sqlite3
import struct
import subprocess

import harness
from harness import GOLDEN, INPUT, MODEL, STORE, USAGE, book, checkpoints


class Input(harness.Test):
    def setUp(self):
        self.user = self.tiny_home()

    def refused(self, name, code=INPUT):
        result = self.user.run("read", name, "--quiet")
        self.assert_refused(result, code)
        self.assertEqual(self.good(self.user, "ls", "--json").out, "")
        return result

    def test_files(self):
        cases = {
            "empty.txt": b"",
            "blank.txt": b"  \n\n \t\n",
            "elf.txt": pathlib.Path(harness.options.program).read_bytes()[:5000],
            "zip.txt": b"PK\x03\x04" + bytes(range(256)) * 8,
            "pdf.pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
            "png.md": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200),
            "zeros.txt": bytes(4096),
            "noise.txt": harness.dice.randbytes(8192),
        }
        for name, content in cases.items():
            with self.subTest(name):
                path = self.user.write(name, content)
                result = self.refused(path)
                self.assertIn(name, result.err)
                self.assertEqual(path.read_bytes(), content)

    def test_no_file(self):
        self.assertIn("nowhere.md", self.refused(self.user.folder / "nowhere.md").err)
        self.refused(self.user.folder)
        self.refused("")
        self.refused(self.user.write("file", "text") / "below")
        dangling = self.user.folder / "dangling.md"
        dangling.symlink_to("nothing")
        self.refused(dangling)
        self.refused("/dev/null")

    def test_no_permission(self):
        path = self.user.write("secret.md", "# Secret\n")
        path.chmod(0)
        if os.geteuid() == 0:  # may read everything
            self.user.give_to(65534)
            try:
                self.user.run("--version")
            except PermissionError:
                self.skipTest("only root may run the program here")
        self.assertIn("permission", self.refused(path).err)

    def test_one_bad_file_of_three(self):
        first = self.user.write("first.md", "# First\n\nOne.\n")
        last = self.user.write("last.md", "# Last\n\nTwo.\n")
        result = self.user.run("read", first, self.user.folder / "nowhere.md", last, "--json",
                               "--quiet")
        self.assertEqual(result.code, INPUT, result)
        self.assertEqual([line["path"] for line in result.lines], [str(first), str(last)])
        self.assertEqual(result.err.count("\n"), 1)

    def test_usage(self):
        for arguments in (("frobnicate",), ("read",), ("ask", "only-a-document"),
                          ("ls", "--no-such-option"), ("read", "x", "--threads", "many"),
                          ("read", "x", "--keep-every", "-1"), ("show",)):
            self.assert_refused(self.user.run(*arguments), USAGE)

    def test_unknown_places(self):
        path = self.user.write("book.md", book(2))
        self.good(self.user, "read", path, "--quiet")
        for arguments in (("show", "nothing"), ("show", "99"), ("ask", "book:99", "what?"),
                          ("ask", "book:Chapter 77", "what?"), ("sum", "book:0"), ("rm", "nothing"),
                          ("ask", "book", "what?", "--as-of", "99")):
            self.assert_refused(self.user.run(*arguments, "--quiet"), (INPUT, USAGE))


class Model(harness.Test):
    def setUp(self):
        self.user = self.tiny_home()
        self.document = self.user.write("small.md", "# Small\n\nA few words.\n")
        self.bytes = self.user.model.read_bytes()

    def refused(self, content, name="broken.gguf"):
        path = self.user.write(name, content)
        result = self.user.run("read", self.document, "--model", path, "--quiet")
        self.assert_refused(result, MODEL)
        self.assertIn(name, result.err)
        self.assertEqual(path.read_bytes(), content)
        return result

    def test_missing(self):
        for name in ("/nowhere/model.gguf", "no-such-model", "", str(self.user.folder)):
            self.assert_refused(
                self.user.run("read", self.document, "--model", name, "--quiet"), (MODEL, USAGE))
        self.user.environment["TIDEMARK_MODEL"] = "/nowhere/model.gguf"
        self.assert_refused(self.user.run("model"), MODEL)

    def test_truncated(self):
        size = len(self.bytes)
        points = [0, 1, 3, 4, 7, 8, 16, 23, 24, 25, 100, size // 2, size - 1]
        points += [harness.dice.randrange(24, size) for _ in range(10)]
        points += [harness.dice.randrange(24, 8192) for _ in range(5)]
        for point in points:
            with self.subTest(point):
                self.refused(self.bytes[:point])

    def test_header(self):
        for at, what in ((0, b"GGML"), (4, struct.pack("<I", 2)), (4, struct.pack("<I", 99)),
                         (8, struct.pack("<Q", 2**63)), (8, struct.pack("<Q", 2**64 - 1)),
                         (16, struct.pack("<Q", 2**60)), (16, struct.pack("<Q", 0)),
                         (24, struct.pack("<Q", 2**64 - 8)), (24, struct.pack("<Q", 2**40))):
            with self.subTest(at=at, what=what):
                self.refused(self.bytes[:at] + what + self.bytes[at + len(what):])

    def test_damaged_anywhere_in_the_header(self):
        """A flipped byte is refused or harmless; it never crashes."""
        end = self.bytes.index(b"blk.0.attn_norm.weight") + 3000
        for _ in range(15 if harness.options.sanitized else 60):
            at = harness.dice.randrange(end)
            content = bytearray(self.bytes)
            content[at] ^= 1 << harness.dice.randrange(8)
            path = self.user.write("flipped.gguf", bytes(content))
            result = self.user.run("read", self.document, "--model", path, "--quiet", "--json")
            with self.subTest(at=at, byte=content[at]):
                self.assertIn(result.code, (0, MODEL), result)
                self.assert_harmless(result)
                if result.code:
                    self.assert_refused(result, MODEL)
            self.user.run("rm", "small", "--quiet")

    def test_another_architecture(self):
        text = b"general.architecture" + struct.pack("<IQ", 8, 5)
        at = self.bytes.index(text) + len(text)
        for name in (b"llama", b"gpt2x", b"\x1b[31m", b"\xff\xfe\0\1\2"):
            result = self.refused(self.bytes[:at] + name + self.bytes[at + 5:])
            self.assertIn("architecture", result.err)

    def test_vocabulary_only(self):
        vocabularies = sorted((GOLDEN / "tokenizer").glob("*.gguf"))
        if not vocabularies:
            self.skipTest("the shared vocabularies are not here")
        for path in vocabularies:
            result = self.user.run("read", self.document, "--model", path, "--quiet")
            self.assert_refused(result, MODEL)
            self.assertIn(path.name, result.err)

    def test_not_a_model(self):
        self.refused(b"# a text\n" * 100, "text.gguf")
        self.refused(bytes(100000), "zeros.gguf")
        self.refused(harness.dice.randbytes(100000), "noise.gguf")


class Database(harness.Test):
    @classmethod
    def setUpClass(cls):
        cls.sound = harness.Home()
        cls.addClassCleanup(cls.sound.remove)
        cls.sound.model = cls.sound.folder / "tiny.gguf"
        subprocess.run([harness.options.tiny, "falcon", str(cls.sound.model)], check=True)
        cls.sound.environment["TIDEMARK_MODEL"] = str(cls.sound.model)
        cls.path = cls.sound.write("book.md", book(6))
        for arguments in (("read", cls.path), ("ask", "book", "Who carried a brass clock?"),
                          ("sum", "book:2")):
            result = cls.sound.run(*arguments, "--quiet")
            if result.code not in (0, harness.NOT_FOUND):
                raise AssertionError(str(result))
        cls.expected = checkpoints(cls.sound, "book")

    def copy(self):
        user = self.home()
        user.environment["TIDEMARK_MODEL"] = str(self.sound.model)
        shutil.copytree(self.sound.library, user.library)
        return user

    def commands(self):
        return (("ls",), ("show", "book"), ("read", self.path), ("ask", "book", "Who?"),
                ("sum", "book"), ("rm", "book"))

    def all_refused(self, name, content):
        user = self.copy()
        path = user.library / name
        path.write_bytes(content)
        other = user.library / ("states.db" if name == "library.db" else "library.db")
        before = other.read_bytes()
        for arguments in self.commands():
            result = user.run(*arguments, "--quiet")
            self.assert_refused(result, STORE)
            self.assertIn(name, result.err)
            self.assertEqual(path.read_bytes(), content, result)
            self.assertEqual(other.read_bytes(), before, result)
        for entry in user.library.iterdir():  # SQLite's own, which hold nothing
            if entry.name.endswith("-wal"):
                self.assertEqual(entry.stat().st_size, 0)

    def test_no_database(self):
        for name in ("library.db", "states.db"):
            sound = (self.sound.library / name).read_bytes()
            for content in (b"hello\n", harness.dice.randbytes(30000), bytes(8192),
                            harness.dice.randbytes(len(sound)), sound[:10000], sound[:100],
                            sound[:50], b"XQLite format 3\0" + sound[16:],
                            sound[:100] + harness.dice.randbytes(4000) + sound[4100:]):
                with self.subTest(name, content=content[:20], size=len(content)):
                    self.all_refused(name, content)

    def test_foreign_database(self):
        for name in ("library.db", "states.db"):
            foreign = self.sound.folder / ("foreign-" + name)
            with sqlite3.connect(foreign) as connection:
                connection.execute("CREATE TABLE accounts (name TEXT, amount INTEGER)")
                connection.execute("INSERT INTO accounts VALUES ('Ada', 7)")
            connection.close()
            self.all_refused(name, foreign.read_bytes())
            foreign.unlink()

    def test_each_for_the_other(self):
        self.all_refused("library.db", (self.sound.library / "states.db").read_bytes())
        self.all_refused("states.db", (self.sound.library / "library.db").read_bytes())

    def test_version_of_the_future(self):
        for name in ("library.db", "states.db"):
            sound = bytearray((self.sound.library / name).read_bytes())
            sound[60:64] = struct.pack(">I", 99)  # user_version
            self.all_refused(name, bytes(sound))

    def test_folder_in_place_of_a_database(self):
        for name in ("library.db", "states.db"):
            user = self.copy()
            (user.library / name).unlink()
            (user.library / name).mkdir()
            self.assert_refused(user.run("ls"), STORE)
        user = self.home()
        (user.folder / "data").write_text("a file where a folder should be")
        self.assert_refused(user.run("ls"), (STORE, USAGE, harness.SYSTEM, INPUT))

    def test_flipped_bytes(self):
        """Unseen, harmless, or refused; what is answered from states is right."""
        for _ in range(10 if harness.options.sanitized else 40):
            name = harness.dice.choice(("library.db", "states.db"))
            user = self.copy()
            content = bytearray((user.library / name).read_bytes())
            at = harness.dice.randrange(len(content))
            for i in range(at, min(at + harness.dice.choice((1, 4, 64)), len(content))):
                content[i] ^= 1 + harness.dice.randrange(255)
            (user.library / name).write_bytes(bytes(content))
            with self.subTest(name, at=at):
                for arguments in self.commands()[:5]:
                    before = (user.library / name).read_bytes()
                    result = user.run(*arguments, "--quiet")
                    self.assert_harmless(result)
                    self.assertIn(result.code, (0, INPUT, STORE, harness.NOT_FOUND), result)
                    if result.code == STORE:
                        self.assert_store_refused(result, arguments)
                        self.assertIn(name, result.err)
                        if arguments[0] in ("ls", "show"):
                            self.assertEqual((user.library / name).read_bytes(), before)

    def assert_store_refused(self, result, arguments):
        """An answer is shown before a sentence to quote is looked for: what is damaged may be
        met then, and the answer is the right one."""
        shown = result.out if arguments[0] == "ask" else ""
        if shown:
            self.assertTrue(self.copy().run(*arguments, "--quiet").out.startswith(shown), result)
        result.out = result.out[len(shown):]
        self.assert_refused(result, STORE)

    def test_damaged_state_is_read_again(self):
        user = self.copy()
        before = checkpoints(user, "book")
        path = user.library / "states.db"
        connection = sqlite3.connect(path)
        tables = [row[0] for row in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table'")]
        blobs = [(table, column[1]) for table in tables
                 for column in connection.execute("PRAGMA table_info(%s)" % table)
                 if column[2] == "BLOB" and connection.execute(
                     "SELECT max(length(%s)) FROM %s" % (column[1], table)).fetchone()[0] > 1000]
        self.assertEqual(len(blobs), 1, blobs)
        table, column = blobs[0]
        rows = connection.execute("SELECT rowid, %s FROM %s" % (column, table)).fetchall()
        for rowid, payload in rows:
            damaged = bytearray(payload)
            damaged[len(damaged) // 2] ^= 1
            connection.execute("UPDATE %s SET %s = ? WHERE rowid = ?" % (table, column),
                               (bytes(damaged), rowid))
        connection.commit()
        connection.close()
        with open(self.path, "a") as file:  # something is left to read
            original = pathlib.Path(self.path).read_bytes()
            file.write("## More\n\nThe end came later than expected.\n")
        try:
            result = user.run("read", self.path, "--json")
            self.assertEqual(result.code, 0, result)
            self.assertEqual(result.json["resumed_at"], 0)
            self.assertEqual(result.json["tokens_read"], result.json["tokens"])
            self.assertIn("damaged", result.err)
            after = checkpoints(user, "book")
            prefixes = [[p for p in points if p[0] == "prefix"] for points in before[:-1]]
            self.assertEqual([[p for p in points if p[0] == "prefix"] for points in after][:6],
                             prefixes[:6])
        finally:
            pathlib.Path(self.path).write_bytes(original)

    def test_new_library_beside_old_states(self):
        """Ids begin anew; states of the old documents are not taken for theirs."""
        for content in (None, b""):
            user, fresh = self.copy(), self.home()
            fresh.environment["TIDEMARK_MODEL"] = str(self.sound.model)
            (user.library / "library.db").unlink()
            if content is not None:
                (user.library / "library.db").write_bytes(content)
            other = user.write("other.md", "# Other\n\nA book of another kind.\n\n" + book(4, 5))
            self.good(user, "read", other, "--quiet", "--keep-every", 100000)
            self.good(fresh, "read", other, "--quiet", "--keep-every", 100000)
            self.assertEqual(checkpoints(user, "other"), checkpoints(fresh, "other"))
            question = ("ask", "other:2", "Who carried a sack of barley?", "--json")
            asked, expected = user.run(*question), fresh.run(*question)
            self.assertEqual(asked.json["answer"], expected.json["answer"])


if __name__ == "__main__":
    harness.main()
