"""Files that grow while they are read, texts from standard input, and files that
changed anywhere: what is kept is kept, and the end is that of a fresh reading."""

import os
import signal
import subprocess
import time

import harness
from harness import INPUT, INTERRUPTED, USAGE, book, chapter, checkpoints


class Growth(harness.Test):
    def fresh(self, user, path, name="book", *arguments):
        """Checkpoints of a reading of the file as it is, in a library of its own."""
        other = self.home()
        other.environment["TIDEMARK_MODEL"] = str(user.model)
        self.good(other, "read", path, "--as", name, "--quiet", *arguments)
        return checkpoints(other, name)

    def sections(self, user, name):
        listed = user.run("ls", "--json")
        rows = [row for row in listed.lines if row["name"] == name] if listed.code == 0 else []
        return rows[0]["sections_read"] if rows else 0


class Follow(Growth):
    def follow(self, user, path, *arguments):
        process = user.start("read", "--follow", path, *arguments)
        self.addCleanup(process.kill)
        return process

    def finish(self, process):
        out, err = process.communicate(timeout=harness.PATIENCE)
        return harness.Result(["read", "--follow"], process.returncode, out, err, 0)

    def test_a_growing_file(self):
        user = self.tiny_home("mamba")
        path = user.write("book.md", book(2))
        process = self.follow(user, path, "--json")
        for number in (3, 4, 5):
            self.wait_for(lambda: self.sections(user, "book") >= number, "chapter %d" % (number - 1))
            with open(path, "a") as file:
                file.write(chapter(number)[:100])
                file.flush()
                time.sleep(0.1)  # a writer that stops within a line
                file.write(chapter(number)[100:])
        self.wait_for(lambda: self.sections(user, "book") == 6, "the end")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        result = self.finish(process)
        self.assertLess(time.monotonic() - begun, 2, result)
        self.assertEqual(result.code, INTERRUPTED, result)
        self.assertEqual(result.json["sections"], 6, result)
        self.assertIn("stopped following", result.err)
        self.assertEqual(checkpoints(user, "book"), self.fresh(user, path))
        again = self.good(user, "read", path, "--json", "--quiet").json
        self.assertEqual(again["tokens_read"], 0)

    def test_a_file_that_is_cut_replaced_or_removed(self):
        for how in ("cut short", "replaced", "removed"):
            with self.subTest(how):
                user = self.tiny_home("mamba")
                path = user.write("book.md", book(3))
                process = self.follow(user, path, "--quiet")
                self.wait_for(lambda: self.sections(user, "book") == 4, "the end")
                time.sleep(0.3)
                before = checkpoints(user, "book")
                if how == "cut short":
                    os.truncate(path, 500)
                elif how == "replaced":
                    user.write("new.md", book(5)).rename(path)
                else:
                    path.unlink()
                result = self.finish(process)
                self.assertEqual(result.code, INPUT, result)
                self.assertIn(how, result.err)
                self.assertEqual(checkpoints(user, "book"), before)

    def test_what_cannot_be_followed(self):
        user = self.tiny_home("mamba")
        path, other = user.write("a.md", book(1)), user.write("b.md", book(2))
        self.assert_refused(user.run("read", "--follow", path, other), USAGE)
        self.assert_refused(user.run("read", "--follow", "-", given=b"text"), USAGE)
        self.assert_refused(user.run("read", "--follow", user.folder / "absent.md"), INPUT)


class StandardInput(Growth):
    def read(self, user, text, *arguments):
        result = user.run("read", "-", "--json", "--quiet", *arguments, given=text.encode())
        self.assertEqual(result.code, 0, result)
        return result.json

    def test_as_a_file(self):
        user = self.tiny_home("mamba")
        path = user.write("book.md", book(5))
        first = self.read(user, book(5), "--as", "book")
        self.assertEqual(checkpoints(user, "book"), self.fresh(user, path))
        again = self.read(user, book(5), "--as", "book")
        self.assertEqual((again["id"], again["tokens_read"]), (first["id"], 0))
        grown = self.read(user, book(7), "--as", "book")
        self.assertEqual(grown["id"], first["id"])
        self.assertGreater(grown["resumed_at"], 0)
        path.write_text(book(7))
        self.assertEqual(checkpoints(user, "book"), self.fresh(user, path))

    def test_without_a_name(self):
        """Goes on with the text that began alike, and never in place of another."""
        user = self.tiny_home("mamba")
        first = self.read(user, book(3))
        other = self.read(user, "# Another book\n\n" + chapter(9))
        self.assertNotEqual(first["id"], other["id"])
        self.assertEqual(self.read(user, book(3))["tokens_read"], 0)
        grown = self.read(user, book(4))
        self.assertEqual(grown["id"], first["id"])
        self.assertGreater(grown["resumed_at"], 0)
        self.assertEqual(self.read(user, "# Another book\n\n" + chapter(9))["id"], other["id"])
        self.assertEqual(len(self.good(user, "ls", "--json").lines), 2)

    def test_numbers_are_not_used_twice(self):
        user = self.tiny_home("mamba")
        texts = ["# Book %d\n\n" % n + chapter(n) for n in range(4)]
        first, _, third = (self.read(user, text)["id"] for text in texts[:3])
        self.good(user, "rm", first, "--quiet")
        last = self.read(user, texts[3])
        self.assertNotIn(last["id"], (first, third))
        self.assertEqual(len(self.good(user, "ls", "--json").lines), 3)
        self.assertEqual(self.read(user, texts[2])["id"], third)

    def test_closed(self):
        """Without any standard input, output or errors."""
        user = self.tiny_home("mamba")
        process = subprocess.run(
            ["sh", "-c", '"$0" read - <&- >&- 2>&-', str(harness.options.program)],
            env=user.environment, timeout=60)
        self.assertEqual(process.returncode, INPUT)

    def test_slowly_while_others_write(self):
        """Nobody else is kept from writing while this one waits for its input."""
        user = self.tiny_home("mamba")
        process = user.start("read", "-", "--as", "slow", "--no-model", "--quiet",
                             stdin=subprocess.PIPE)
        self.addCleanup(process.kill)
        process.stdin.write(book(300).encode()[:-300])  # ends within a section
        process.stdin.flush()
        self.wait_for(lambda: any(row["name"] == "slow" for row in user.run("ls", "--json").lines),
                      "the first sections")
        time.sleep(0.3)
        result = user.run("read", user.write("fast.md", book(3)), "--quiet")
        self.assertEqual(result.code, 0, result)
        self.assertLess(result.seconds, 4, result)
        process.stdin.write(chapter(99).encode())
        process.stdin.close()
        self.assertEqual(process.wait(timeout=harness.PATIENCE), 0, process.stderr.read())
        process.stdout.close()
        process.stderr.close()

    def test_interrupted_while_waiting(self):
        user = self.tiny_home("mamba")
        process = user.start("read", "-", "--as", "slow", stdin=subprocess.PIPE)
        self.addCleanup(process.kill)
        process.stdin.write(book(300).encode())
        process.stdin.flush()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        self.assertEqual(process.wait(timeout=10), INTERRUPTED)
        self.assertLess(time.monotonic() - begun, 2)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()

    def test_nothing_and_twice(self):
        user = self.tiny_home("mamba")
        self.assert_refused(user.run("read", "-", given=b""), INPUT)
        self.assert_refused(user.run("read", "-", given=b"\n \n"), INPUT)
        self.assert_refused(user.run("read", "-", "-", "--as", "x", given=b"words"), USAGE)
        self.assertEqual(self.good(user, "ls", "--json").out, "")

    def test_beside_files(self):
        user = self.tiny_home("mamba")
        path = user.write("a.md", "# Front\n\nOne line of text.\n")
        whole = self.read(user, book(2), "--as", "both", path)
        self.assertEqual(whole["sections"], 4)


class Files(Growth):
    def test_what_is_no_file(self):
        user = self.tiny_home("mamba")
        path = user.folder / "pipe"
        os.mkfifo(path)
        refused = user.run("read", path)
        self.assert_refused(refused, INPUT)
        self.assertIn("not a regular file", refused.err)

    def test_another_name(self):
        user = self.tiny_home("mamba")
        path = user.write("a.md", book(2))
        self.good(user, "read", path, "--quiet")
        result = self.good(user, "read", path, "--as", "other")
        self.assertIn("in the library already as a", result.err)

    def test_blanks_that_moved(self):
        """The same text from other places in the file: positions follow."""
        user = self.tiny_home("mamba")
        path = user.write("a.md", "# H\n\naa  \nbb\ncc\n")
        self.good(user, "read", path, "--quiet")
        path.write_text("# H\n\naa\nbb  \ncc\n")
        again = self.good(user, "read", path, "--quiet", "--json").json
        self.assertGreater(again["tokens_read"], 0)

    def test_a_summary_of_what_was(self):
        user = self.tiny_home("mamba")
        path = user.write("a.md", book(3))
        self.good(user, "read", path, "--quiet")
        self.good(user, "sum", "a", "--quiet")
        self.assertIn("### The whole document", self.good(user, "export", "a").out)
        path.write_text(book(3).replace("carried", "hid"))
        self.good(user, "read", path, "--quiet")
        self.assertNotIn("### The whole document", self.good(user, "export", "a").out)


class Anywhere(Growth):
    """Random edits; TEST_SEED repeats them."""

    def edit(self, text):
        dice = harness.dice
        at, length = dice.randrange(len(text) + 1), dice.choice((0, 1, 7, 300))
        new = dice.choice(("", "x", "A sentence more. ", "\n\n## Chapter 50: here\n\nNew.\n\n",
                           chapter(dice.randrange(1000))))
        kind = dice.randrange(4)
        if kind == 0:
            return text + new
        if kind == 1:
            return text[:at]
        return text[:at] + new + text[at + length:]

    def test_random_edits(self):
        user = self.tiny_home("mamba")
        text = book(6)
        path = user.write("book.md", text)
        self.good(user, "read", path, "--quiet")
        for step in range(5 if harness.options.sanitized else 12):
            text = self.edit(text) or "Something."
            path.write_text(text)
            result = user.run("read", path, "--quiet")
            self.assertEqual(result.code, 0, "step %d: %s\n%r" % (step, result, text[-300:]))
            self.assertEqual(checkpoints(user, "book"), self.fresh(user, path),
                             "step %d: %r" % (step, text[-300:]))
            self.assertEqual(self.good(user, "verify", "--json", "--quiet").lines[-1]["problems"],
                             0)


class Encodings(Growth):
    RUSSIAN = ("# Приливы\n\nМоре поднимается и опускается два раза в сутки, и причина тому Луна. "
               "Рыбаки знали это задолго до учёных.\n\n## Полная вода\n\nКогда вода стоит выше "
               "всего, моряки говорят: полная вода. Потом начинается отлив.\n")

    def text(self, user, name):
        return self.good(user, "text", name, "--raw").raw_out.decode()

    def test_given_found_and_remembered(self):
        user = self.tiny_home("mamba")
        for name in ("utf-16", "utf-8-sig", "cp1251", "koi8-r", "iso8859-5", "utf-32-le"):
            with self.subTest(name):
                path = user.write(name + ".txt", self.RUSSIAN.encode(name))
                iconv = {"utf-8-sig": "UTF-8", "iso8859-5": "ISO-8859-5", "cp1251": "windows-1251",
                         "utf-32-le": "UTF-32LE"}.get(name, name)
                self.good(user, "read", path, "--no-model", "--encoding", iconv)
                self.assertIn("полная вода. Потом", self.text(user, name))
                # Grown, and no encoding named: it is read as before.
                path.write_bytes(path.read_bytes() + (
                    "\n## Отлив\n\nВода уходит.\n").encode(name if name != "utf-16" else "utf-16-le"))
                self.good(user, "read", path, "--no-model")
                self.assertIn("Вода уходит.", self.text(user, name))

    def test_forgotten(self):
        """`auto` finds out anew, also for a document whose encoding was given before."""
        user = self.tiny_home("mamba")
        path = user.write("a.txt", "Schöne Grüße aus Köln.\n".encode())
        self.good(user, "read", path, "--no-model", "--encoding", "latin1")
        self.assertIn("SchÃ¶ne", self.text(user, "a"))
        self.good(user, "read", path, "--no-model")
        self.assertIn("SchÃ¶ne", self.text(user, "a"))
        self.good(user, "read", path, "--no-model", "--encoding", "auto")
        self.assertIn("Schöne", self.text(user, "a"))
        self.good(user, "eval", path, "--encoding", "auto", "--quiet")

    def test_a_guess_is_said(self):
        user = self.tiny_home("mamba")
        path = user.write("guess.txt", (self.RUSSIAN * 3).encode("cp1251"))
        result = self.good(user, "read", path, "--no-model")
        self.assertRegex(result.err, r"windows-1251 \(\d+ % sure\)")
        self.assertRegex(self.good(user, "show", "guess").out,
                         r"(?m)^windows-1251 \(a guess, \d+ % sure\)$")
        self.assertIn("полная вода. Потом", self.text(user, "guess"))

    def test_unknown_name(self):
        user = self.tiny_home("mamba")
        path = user.write("a.txt", "some words\n")
        self.assert_refused(user.run("read", path, "--encoding", "klingon-8"), USAGE)
        self.assertEqual(self.good(user, "ls", "--json").out, "")

    def test_broken_bytes_are_counted(self):
        user = self.tiny_home("mamba")
        words = "Das Wasser steht hoch über dem Steg, und schöner wird es nicht. " * 20
        path = user.write("broken.txt", words.encode() + b"\xff\xfe\n")
        result = self.good(user, "read", path, "--no-model")
        self.assertRegex(result.err, r"2 bytes are not UTF-8")
        self.assertIn("\ufffd", self.text(user, "broken"))
        shown = self.good(user, "show", "broken", "--json").json
        self.assertEqual((shown["encoding"], shown["invalid_bytes"]), ("UTF-8", 2))


if __name__ == "__main__":
    harness.main()
