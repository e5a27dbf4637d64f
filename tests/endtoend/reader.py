"""The reader as a person meets it: in tmux, keys in and screens out, and in a
pseudo-terminal where the bytes and the terminal's settings matter."""

import base64
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import termios
import time
import unittest

import harness
from chain import DOCUMENT
from harness import BUNDLED, SAMPLE, SOURCE, USAGE, Pty, Tmux, book

QUESTION = "Who built the lighthouse?"
EMPTY = "Nothing is here yet"

# What a terminal would act on, each with a mark of its own, 7777.
HOSTILE = (
    b"\x1b]0;OWNED7777\x07\x1b]52;c;Nzc3Nw==\x07\x1b[7777m\x1b[?7777h\x1b[7777;1H\x1bP7777q\x1b\\"
    b"\x1b_7777\x1b\\\x1b^7777\x1b\\\x1b[2J\x1b[6n\x1bc\x1b#8 "
    b"\xc2\x9b7777m \xc2\x9d52;c;Nzc3Nw==\xc2\x9c \xc2\x90 \x9b7777m \x9d0;OWNED7777\x9c \xc2\x85 "
    b"\xe2\x80\xaereversed\xe2\x80\xac \xe2\x81\xa6isolate\xe2\x81\xa9 \xe2\x80\x8e\xe2\x80\x8f "
    b"ze\xe2\x80\x8bro\xe2\x80\x8d\xe2\x81\xa0 \xef\xbb\xbf \xff\xfe\x80 \xed\xa0\x80 "
    b"\xf4\x90\x80\x80 \x08\x08\x08over \x0e\x0f \x7f \xe2\x80\xa8 \xe2\x80\xa9 e" +
    b"\xcc\x81" * 40 + b" end")
SEQUENCES = (b"7777m", b"?7777h", b"7777;1H", b"P7777", b"_7777", b"^7777", b"[6n", b"c\x1b#8",
             b"#8", b"]0;", b"]52;", b"[2J")
UNSEEN = re.compile("[\x00-\x06\x0b\x0c\x10-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f"
                    "\u2028-\u202e\u2066-\u2069\ufeff]")


def question_line(question):
    """As the answers show it."""
    return r"[?+] " + re.escape(question)


def cells(capture):
    """What a capture with escapes shows: for each line its cells with their looks."""
    lines, looks = [], {}
    for line in capture.split("\n"):
        found = []
        for sequence, text in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b])", line):
            if text:
                found.append((text, tuple(sorted(looks.items()))))
                continue
            codes = sequence.split(";")
            while codes:
                code = int(codes.pop(0) or 0)
                if code == 0:
                    looks.clear()
                elif code in (39, 49):
                    looks.pop(code - 9, None)
                elif code in (38, 48):
                    count = {"5": 2, "2": 4}[codes[0]]
                    looks[code // 10 * 10] = ";".join(codes[:count])
                    del codes[:count]
                elif 30 <= code <= 37 or 40 <= code <= 47 or 90 <= code <= 97 or 100 <= code <= 107:
                    looks[30 if code // 10 in (3, 9) else 40] = str(code)
                else:
                    looks[code] = "on"
        while found and found[-1] == (" ", ()):
            found.pop()
        lines.append(found)
    return lines


def first_words(text):
    return " ".join(text.split()[:6])


def unwrapped(screen):
    """The outline's lines as one."""
    return " ".join(" ".join(line.split("│")[0] for line in screen.capture().split("\n")).split())


@unittest.skipUnless(shutil.which("tmux"), "no tmux")
class Reader(harness.Test):
    def bundled_home(self):
        if not BUNDLED.exists():
            self.skipTest("the bundled model is not here")
        return self.home()

    def read_home(self, text=DOCUMENT, tiny=False):
        """A home with a document that was read: harbour."""
        user = self.tiny_home("mamba") if tiny else self.bundled_home()
        user.path = user.write("harbour.md", text)
        self.good(user, "read", user.path, "--quiet")
        return user

    def open(self, user, *arguments, **rest):
        return Tmux(self, user, *arguments, **rest)

    def open_harbour(self, user, **rest):
        screen = self.open(user, "harbour", **rest)
        screen.until(r"line \d+ +\d+/\d+")
        return screen

    def leave(self, screen):
        screen.keys("Q")
        self.assertEqual(screen.code(), 0)

    def command(self, screen, line):
        screen.keys(":")
        screen.until("^:")
        screen.text(line)
        screen.keys("Enter")

    def prompt(self, screen, key, label, line):
        screen.keys(key)
        screen.until("^" + re.escape(label))
        screen.text(line)
        screen.keys("Enter")

    def ask(self, screen, question, key="a", label="Ask:"):
        self.prompt(screen, key, label, question)
        screen.until(question_line(question))
        screen.until_gone("answering")

    def database(self, user, *statement):
        with sqlite3.connect(user.library / "library.db") as db:
            rows = db.execute(*statement).fetchall()
        db.close()
        return rows

    def assert_intact(self, screen):
        """What the program believes to be on the screen is there: drawn anew it is the same."""
        screen.keys("F12")  # nothing but the end of a message
        screen.settle()
        before = cells(screen.capture("-e"))
        screen.keys("C-l")
        screen.settle()
        self.assertEqual(cells(screen.capture("-e")), before, screen.capture())


class First(Reader):
    """From nothing at all, with the sample."""

    def setUp(self):
        self.user = self.bundled_home()
        if not SAMPLE.exists():
            self.skipTest("the sample is not here")
        if harness.options.sanitized:
            self.skipTest("too slow under sanitizers")

    def listed(self):
        (only,) = self.good(self.user, "ls", "--json").lines
        return only

    def test_first_start(self):
        screen = self.open(self.user)
        screen.until(EMPTY)
        screen.until(r"<Enter>\s+read the sample")
        screen.keys("Enter")
        screen.until(r"reading .*\d+%  [\d,.]+ tokens/s  .*left")
        screen.until("Twice a day")

        # Text and outline can be moved through meanwhile.
        screen.keys("]")
        screen.until(r"What a Tide Is +line \d+ +2/61")
        screen.keys("Tab", "Tab", "G", "Enter")
        screen.until(r"61/61")
        screen.keys("BSpace")
        screen.until(r" 2/61")
        first = int(screen.until(r"reading .*?(\d+)%").group(1))

        # What has been read can be asked, and is not waited for.
        screen.until(r"^\*  What a Tide Is")
        self.ask(screen, "How long does a lunar day last?")
        percent = int(screen.until(r"reading .*?(\d+)%").group(1))
        self.assertLess(percent, 90, screen.capture())
        self.assertGreaterEqual(percent, first)
        screen.until(r"reading .*?(%s)%%" % "|".join(map(str, range(percent + 2, 100))))

        screen.keys("q")
        screen.until("1 document")
        screen.until(r"reading \d+%")
        screen.keys("q")
        begun = time.monotonic()
        self.assertEqual(screen.code(), 0)
        print("left during a reading in %.2f s" % (time.monotonic() - begun))
        self.assertEqual(len(self.database(self.user, "SELECT 1 FROM question")), 1)

        # The next time it goes on.
        left = self.listed()
        self.assertTrue(0 < left["sections_read"] < left["sections"], left)
        kept = harness.checkpoints(self.user, "1")
        screen = self.open(self.user)
        screen.until("%d of %d" % (left["sections_read"], left["sections"]))
        screen.keys("Enter")
        percent = int(screen.until(r"reading .*?(\d+)%").group(1))
        share = 100 * left["sections_read"] / left["sections"]
        self.assertGreater(percent, share - 10)
        more = "|".join(map(str, range(percent + 4, 101)))
        screen.until(r"reading .*?(%s)%%" % more)
        self.leave(screen)
        now = self.listed()
        self.assertGreater(now["sections_read"], left["sections_read"])
        self.assertGreater(now["tokens_read"], left["tokens_read"])
        again = harness.checkpoints(self.user, "1")
        self.assertEqual(again[:left["sections_read"]], kept[:left["sections_read"]])

    def test_cancelling(self):
        screen = self.open(self.user)
        screen.until(EMPTY)
        screen.keys("Enter")
        screen.until(r"^\*  What a Tide Is")
        for key, what in (("s", "summarizing"), ("gs", "summarizing"), ("S", "summarizing")):
            before = int(screen.until(r"reading .*?(\d+)%").group(1))
            for letter in key:
                screen.keys(letter)
            screen.until(what)
            time.sleep(0.3)
            if what not in screen.capture():
                continue  # done before it could be stopped
            begun = time.monotonic()
            screen.keys("C-c")
            screen.until("stopped")
            seconds = time.monotonic() - begun
            print("%s stopped in %.3f s" % (key, seconds))
            self.assertLess(seconds, 1)
            more = "|".join(map(str, range(before + 1, 101)))
            screen.until(r"reading .*?(%s)%%" % more)
        self.prompt(screen, "a", "Ask:", "What is the story of the tides from the first page on?")
        screen.until("answering")
        begun = time.monotonic()
        screen.keys("C-c")
        screen.until_gone("answering")
        seconds = time.monotonic() - begun
        print("a question stopped in %.3f s" % seconds)
        self.assertLess(seconds, 1)
        screen.until(r"reading .*\d+%")
        self.leave(screen)
        for table in ("question", "summary"):
            self.assertEqual(self.database(self.user, "SELECT * FROM %s" % table), [])

    def test_redraws(self):
        """At most 30 a second, and never the whole screen."""
        screen = Pty(self, self.user, SAMPLE, "--no-read")
        screen.until(b"Twice a day")
        screen.settle()
        begun = len(screen.raw())
        screen.send("R")
        screen.until(b"tokens/s", begun)
        time.sleep(0.5)
        self.assertNotIn(b"Twice", screen.raw()[begun:])  # the text stays as it was
        since, count, frames = time.monotonic(), len(screen.chunks), 0
        while frames <= 3:  # a slow machine has less to show in three seconds
            time.sleep(3)
            seconds = time.monotonic() - since
            chunks = [chunk for chunk in screen.chunks[count:] if chunk[0] <= since + seconds]
            raw = b"".join(piece for _, piece in chunks)
            frames = raw.count(b"\x1b[?2026h")
            self.assertLess(seconds, 60, "only %d redraws" % frames)
        print("%d redraws in %.1f s, %d bytes" % (frames, seconds, len(raw)))
        self.assertLessEqual(frames, seconds * 35)
        self.assertNotIn(b"\x1b[2J", raw)
        self.assertNotIn(b"\x1b[J", raw)
        screen.send("Q")
        self.assertEqual(screen.code(), 0)


class Asking(Reader):
    def test_conversation(self):
        user = self.read_home()
        screen = self.open_harbour(user, lines=40, columns=150)
        self.ask(screen, QUESTION)
        screen.until("✓ \"")
        self.assertEqual(self.database(user, "SELECT question FROM question"), [(QUESTION,)])

        # Enter follows the quote, which is set off there; Backspace returns.
        before = screen.capture()
        screen.keys("Enter")
        place = screen.until(r"The lighthouse +line (\d+) +2/4")
        self.assertGreaterEqual(int(place.group(1)), 5)
        passage = screen.capture("-e")
        screen.keys("Escape")
        screen.settle()
        self.assertNotEqual(screen.capture("-e"), passage)  # no longer set off
        screen.keys("BSpace")
        screen.until(r"1/4")
        self.assertEqual(screen.capture(), before)

        # A follow-up, and another branch from the first question.
        self.ask(screen, "And when was it built?", "f", "Follow up:")
        screen.keys("t")
        screen.until("2 of 2")
        screen.keys("k", "f")
        screen.until("^Follow up:")
        screen.text("Who is its keeper?")
        screen.keys("Enter")
        screen.until(question_line("Who is its keeper?"))
        screen.until_gone("answering")

        # As of here: from the end of the second section.
        self.command(screen, "goto 2")
        screen.until(r"2/4")
        self.ask(screen, "What stands on Gull Rock?", "A", "Ask as of here:")
        screen.until("as of the end of The lighthouse")

        screen.keys("t")
        tree = screen.until(r"4 of 4") and screen.capture()
        at = [tree.find(line) for line in (
            QUESTION, "+ And when was it built?", "+ Who is its keeper?",
            "What stands on Gull Rock?")]
        self.assertEqual(at, sorted(at), tree)
        screen.keys("g", "g", "Enter")
        screen.until(r"^[^\n]*\? " + re.escape(QUESTION))
        self.leave(screen)

        out = self.good(user, "export", "harbour").out
        for heading in ("### " + QUESTION, "#### And when was it built?", "#### Who is its keeper?",
                        "### What stands on Gull Rock?"):
            self.assertIn("\n%s\n" % heading, out)
        rows = self.database(user, "SELECT id, parent, detail FROM question ORDER BY id")
        self.assertEqual([row[1] for row in rows], [None, rows[0][0], rows[0][0], None])
        self.assertEqual(json.loads(rows[3][2])["as_of"], 2)

        # And in the reader the next time, also one that is removed there.
        screen = self.open_harbour(user, lines=40, columns=150)
        screen.keys("O", "t")
        screen.until("4 of 4")
        screen.keys("D")
        screen.until("3 of 3")
        self.leave(screen)
        self.assertEqual(len(self.database(user, "SELECT 1 FROM question")), 3)

    def test_quotes_that_do_not_hold(self):
        """They look different without colours too, and lead nowhere."""
        user = self.read_home()
        self.good(user, "ask", "harbour", QUESTION, "--quiet")
        ((text,),) = self.database(user, "SELECT detail FROM question")
        detail = json.loads(text)
        false = "The lighthouse was carried away by seven whales."
        detail["quotes"].append({"text": false, "verified": False})
        self.database(user, "UPDATE question SET detail = ?", (json.dumps(detail),))
        screen = self.open_harbour(user, lines=40, columns=150, environment={"NO_COLOR": "1"})
        screen.keys("O")
        screen.until("✓ \"The lighthouse on Gull Rock")
        screen.until("✗ not in the document: \"The lighthouse was")
        self.assertNotEqual(self.looks(screen, "on Gull Rock was built"),
                            self.looks(screen, "carried away"))
        screen.keys("Tab")
        for _ in range(10):
            if re.search("│> +✗", screen.capture()):
                break
            screen.keys("j")
            screen.settle(0.1)
        screen.keys("Enter")
        screen.until("this does not stand in the document")
        self.leave(screen)

    def looks(self, screen, words):
        """How the last cells that show these words look."""
        for line in reversed(cells(screen.capture("-e"))):
            at = "".join(text for text, _ in line).rfind(words)
            if at >= 0:
                return {look for _, look in line[at:at + len(words)]}
        self.fail("no %r on the screen:\n%s" % (words, screen.capture()))

    def test_summaries(self):
        if harness.options.sanitized:
            self.skipTest("too slow under sanitizers")
        user = self.bundled_home()
        user.path = user.write("harbour.md", book(3, 14).replace("## Chapter 3", "### Chapter 3"))
        self.good(user, "read", user.path, "--quiet")
        screen = self.open_harbour(user, lines=40, columns=120)
        self.command(screen, "goto 2")
        screen.until(" 2/4")
        for keys, kind in (("s", 1), ("S", 5), ("gS", 4), ("gs", 3)):
            for key in keys:
                screen.keys(key)
            kept = "SELECT text FROM summary WHERE kind = %d" % kind
            self.wait_for(lambda: self.database(user, kept), "summary %d" % kind)
            screen.until_gone("summarizing")
        self.leave(screen)
        kept = dict(self.database(
            user, "SELECT kind, text FROM summary WHERE kind != 1 OR section = 1"))
        self.assertEqual(sorted(kept), [1, 3, 4, 5])

        screen = self.open_harbour(user, lines=60, columns=200)
        screen.keys("g", "g")
        screen.until(r"^.= The Book of Errands")
        screen.until("document:")
        self.assertIn(first_words(kept[3]), unwrapped(screen))
        self.command(screen, "goto 2")
        screen.until(r"^.=  Chapter 1")
        for words in ("chapter:", "so far:"):
            screen.until(words)
        self.assertIn(first_words(kept[1]), unwrapped(screen))
        self.leave(screen)


class Sizes(Reader):
    def table(self):
        """Every key of the table but those that leave the reader, by tmux's names."""
        names = {"Space": "Space", "Down": "Down", "Up": "Up", "Left": "Left", "Right": "Right",
                 "PageDown": "PageDown", "PageUp": "PageUp", "Home": "Home", "End": "End",
                 "Tab": "Tab", "S-Tab": "BTab", "Enter": "Enter", "Backspace": "BSpace",
                 "Delete": "DC", "Escape": "Escape", "F1": "F1"}
        source = (SOURCE / "ui" / "action.c").read_text()
        keys = set()
        for name, given in re.findall(r'= *\{"([\w-]+)",\s*"([^"]*)"', source):
            if name not in ("close", "quit", "suspend", "editor", "pager"):
                keys.update(given.split())
        found = []
        for key in sorted(keys):
            named = re.fullmatch(r"<(.+)>", key)
            if not named:
                found.append(tuple(key))
            elif re.fullmatch(r"[CA]-.", named.group(1)):
                found.append((named.group(1).replace("A-", "M-"),))
            else:
                found.append((names[named.group(1)],))
        self.assertGreater(len(found), 50)
        return found

    def reopen_left(self, user, path, screen, sent):
        """Enter on a line of the help runs it, and one of them is `quit`: the only way out that
        these keys have. Anything else that ends the reader is a failure."""
        strokes = [stroke for (_, _, stroke) in sent]
        said = "ended with %d after %r and wrote\n%r" % (screen.code(), sent, screen.raw()[-1000:])
        self.assertEqual(screen.code(), 0, said)
        opened = [i for i, stroke in enumerate(strokes) if stroke in (("F1",), ("g", "?"))]
        self.assertTrue(opened and ("Enter",) in strokes[opened[0]:], said)
        screen.end()
        return self.open(user, path, lines=24, columns=80)

    def test_storm(self):
        user = self.bundled_home()
        path = user.write("storm.md", book(16 if not harness.options.sanitized else 3))
        screen = self.open(user, path, lines=24, columns=80)
        screen.until("# The Book of Errands")
        keys = self.table()
        begun, sent = time.monotonic(), []
        count = 200 if not harness.options.sanitized else 60
        for i in range(count):
            lines, columns = harness.dice.choice(
                ((1, 1), (3, 5), (5, 20),
                 (harness.dice.randint(1, 70), harness.dice.randint(1, 250)),
                 (harness.dice.randint(5, 70), harness.dice.randint(20, 250))))
            stroke = harness.dice.choice(keys)
            sent.append((lines, columns, stroke))
            try:
                screen.resize(lines, columns, ";", "send-keys", "-t", "s", *stroke)
            except subprocess.CalledProcessError:
                screen.code()  # it must have ended just before
            if screen.has_ended():
                screen, sent = self.reopen_left(user, path, screen, sent), []
        print("%d sizes and keys in %.1f s" % (count, time.monotonic() - begun))
        time.sleep(0.5)
        if screen.has_ended():
            screen = self.reopen_left(user, path, screen, sent)
        screen.resize(24, 80)
        screen.keys("Escape", "Escape", "C-c")
        screen.settle(3 if harness.options.sanitized else 1)  # the reading has ended
        self.assertFalse(screen.has_ended(), sent[-20:])
        self.assert_intact(screen)
        lines = screen.capture().split("\n")
        self.assertEqual(len(lines), 25, lines)
        self.leave(screen)
        self.assertEqual(self.good(user, "verify", "--json").lines[-1]["problems"], 0)

    def test_smallest(self):
        """At 20x5 it can be used."""
        user = self.read_home(tiny=True)
        screen = self.open(user, lines=5, columns=20)
        screen.until("harbour")
        screen.keys("Enter")
        screen.until("# Harbour notes")
        screen.keys("/")
        screen.text("heron")
        screen.keys("Enter")
        screen.until("Heron")
        screen.until("3/4")
        for lines, columns in ((1, 1), (2, 3), (3, 5), (70, 250), (5, 20)):
            screen.resize(lines, columns)
            screen.settle()
        screen.until("Heron")
        self.leave(screen)

    def test_monkey(self):
        """Any bytes at all."""
        user = self.read_home(book(6), tiny=True)
        user.environment.update(PAGER="true", EDITOR="true", VISUAL="true")
        screen = Pty(self, user, "harbour")
        screen.until(b"Errands")
        keys = [key for stroke in self.table() for key in stroke if len(key) == 1]
        dice, sent = harness.dice, b""
        pieces = (
            lambda: dice.choice(keys).encode(),
            lambda: bytes((dice.choice(b"\r\t\x1b\x7f\x01\x15\x0c\x06"),)),
            lambda: b"\x1b[%d%c" % (dice.randint(0, 30), dice.choice(b"~ABCDH")),
            lambda: b"\x1b[<%d;%d;%d%s" % (dice.choice((0, 64, 65, 99)), dice.randint(0, 300),
                                          dice.randint(0, 100), dice.choice((b"M", b"m"))),
            lambda: b"\x1b[200~%s\x1b[201~" % dice.randbytes(dice.randint(0, 30)),
            lambda: b":%s\r" % dice.choice((
                b"mouse on", b"theme light", b"theme", b"goto 3", b"mark x", b"note \xcc\x81",
                b"find Ada", b"sample", b"search (a+)+$")),
            lambda: dice.choice(("ß", "語", "\U0001f469\u200d\U0001f467", "e\u0301", "\u202e",
                                 "\u0085")).encode(),
        )
        def has_left():
            """Through the help, as in reopen_left."""
            if screen.process.poll() is None:
                return False
            said = "%r\n%r" % (sent, screen.raw()[-3000:])
            self.assertEqual(screen.code(), 0, said)
            self.assertRegex(sent, rb"(?s)(g\?|\x1b\[11~).*\r", said)
            return True

        end = time.monotonic() + (10 if harness.options.sanitized else 5)
        while time.monotonic() < end:
            if has_left():
                screen, sent = Pty(self, user, "harbour"), b""
                screen.until(b"Errands")
            if dice.random() < 0.1:
                screen.resize(dice.randint(1, 70), dice.randint(1, 250))
            piece = dice.choice(pieces)()
            if re.search(rb"[\x1aqQE|]", piece):
                continue
            sent += piece
            screen.send(piece)
            time.sleep(0.005)
        for piece in (b"\x1b", b"\x1b", b"Q"):
            time.sleep(0.2)
            if not has_left():
                screen.send(piece)
        self.assertEqual(screen.code(), 0, "%r\n%r" % (sent[-500:], screen.raw()[-3000:]))
        self.assertEqual(termios.tcgetattr(screen.slave), screen.settings)


class Leaving(Reader):
    GIVEN_BACK = (b"\x1b[?1049l", b"\x1b[?2004l", b"\x1b[?1000l", b"\x1b[?1006l", b"\x1b[?25h")

    def setUp(self):
        self.user = self.read_home(tiny=True)

    def begin(self, **rest):
        screen = Pty(self, self.user, "harbour", **rest)
        screen.until(b"# Harbour notes")
        screen.settle()
        self.assertNotEqual(termios.tcgetattr(screen.slave), screen.settings)
        screen.send(":mouse on\r")
        screen.until(b"\x1b[?1006h")
        screen.settle()
        return screen

    def assert_given_back(self, screen, since):
        last = screen.raw()[since:]
        for sequence in self.GIVEN_BACK:
            self.assertIn(sequence, last)
        self.assertRegex(last, rb"\x1b\[0?m")
        # Nothing is switched on again, and nothing drawn.
        for mode in (b"1049h", b"2004h", b"1000h", b"25l", b"2026h"):
            self.assertNotIn(b"\x1b[?" + mode, last[last.index(b"\x1b[?1049l"):])
        self.assertEqual(termios.tcgetattr(screen.slave), screen.settings)

    def test_keys(self):
        for keys in (b"Q", b"qq"):
            with self.subTest(keys):
                screen = self.begin()
                since = len(screen.raw())
                screen.send(keys)
                self.assertEqual(screen.code(), 0)
                self.assert_given_back(screen, since)

    def test_signals(self):
        notices = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        faults = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)
        for number in (*notices, *faults, signal.SIGQUIT):
            with self.subTest(number.name):
                screen = self.begin()
                since = len(screen.raw())
                screen.process.send_signal(number)
                code = screen.code()
                if harness.options.sanitized and number in faults:
                    self.assertNotEqual(code, 0)
                else:
                    self.assertEqual(code, harness.INTERRUPTED if number in notices else -number)
                self.assert_given_back(screen, since)
        self.assertEqual(self.good(self.user, "verify", "--json").lines[-1]["problems"], 0)

    def test_terminal_that_goes(self):
        """When the window is closed, the program ends soon."""
        screen = self.begin()
        screen.closing = True
        screen.reader.join()
        os.close(screen.master)
        os.close(screen.slave)
        screen.master, screen.slave = os.openpty()  # for the end
        self.assertIn(screen.process.wait(20), (harness.INTERRUPTED, -signal.SIGHUP))

    def test_suspending(self):
        """Stopped, it gives the screen back; it draws it again when it goes on."""
        if not shutil.which("bash"):
            self.skipTest("no bash")
        screen = self.open(self.user, program="PS1='ready> ' bash --norc -i")
        screen.until("^ready>$")
        screen.text("%s harbour\n" % harness.options.program)
        screen.until("# Harbour notes")
        self.assertEqual(screen.ask("#{alternate_on}"), "1")
        screen.settle()
        before = screen.capture()
        for stop in (lambda: screen.keys("C-z"), lambda: os.kill(self.running(), signal.SIGTSTP)):
            stop()
            screen.until("Stopped")
            screen.until("^ready>$")
            self.assertEqual(screen.ask("#{alternate_on} #{cursor_flag}"), "0 1")
            screen.text("clear; stty -a | grep -o '.icanon'\n")
            screen.until("^ icanon$")
            screen.text("fg\n")
            screen.until("# Harbour notes")
            self.assertEqual(screen.ask("#{alternate_on}"), "1")
            screen.settle()
            self.assertEqual(screen.capture(), before)
            screen.keys("j", "k")  # it lives
            screen.settle()
        screen.keys("Q")
        self.wait_for(lambda: screen.ask("#{alternate_on}") == "0", "the shell's screen")
        screen.until("^ready>$")
        screen.text("echo left $?\n")
        screen.until("^left 0")

    def running(self):
        """The process that runs in this test's home."""
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.path.samefile(path / "exe", harness.options.program) and os.path.samefile(
                        path / "cwd", self.user.folder):
                    return int(path.name)
            except OSError:
                pass
        self.fail("it does not run")


class Hostile(Reader):
    def assert_tame(self, screen):
        screen.settle()
        raw = screen.raw()
        for sequence in SEQUENCES:
            self.assertNotIn(b"\x1b" + sequence, raw)
        text = raw.decode("utf-8")  # raises on what is none
        found = UNSEEN.search(text)
        if found:
            self.fail("writes U+%04X: %r" % (
                ord(found.group()), text[max(0, found.start() - 80):][:160]))
        self.assertNotIn("OWNED", screen.ask("#{pane_title}"))
        self.assertNotIn("7777", "".join(re.findall(r"\x1b\[[0-9;]*m", screen.capture("-e"))))
        return screen.capture()

    def test_documents(self):
        user = self.tiny_home("mamba")
        name = b"evil \x1b]0;OWNED7777\x07\x1b[7777m\xe2\x80\xae\xc2\x9b7777m.md"
        (user.folder / os.fsdecode(name)).write_bytes(
            b"# Title " + HOSTILE + b"\n\nThe lamp " + HOSTILE + b" was lit by Ada Wren. "
            b"The tide rose at noon.\n\n## Other " + HOSTILE + b"\n\nNothing else " + HOSTILE +
            b" happened here today.\n")
        screen = self.open(user, lines=30, columns=100,
                           program="%s -- evil*" % harness.options.program)
        screen.until("The lamp")
        self.assert_tame(screen)
        self.assertIn("\u241b", screen.capture())  # the picture of ESC
        self.assert_intact(screen)
        # Hits, notes, bookmarks, the map, the questions, and answers to hostile ones.
        self.prompt(screen, "/", "/", "7777|lamp|OWNED")
        screen.until(r"hit \d+ of")
        self.assert_tame(screen)
        for keys in ("n", "N", "gn", "q", "vjj", "y"):
            for key in keys:
                screen.keys(key)
            screen.settle()
            if keys == "y":
                screen.until("sent to")
                raw = screen.raw()
                sent = raw[raw.rindex(b"\x1b]52;c;") + 7:].split(b"\x07")[0]
                self.assertIn(b"\x1b[7777m", base64.b64decode(sent, validate=True))
        screen.keys("b", "w")
        screen.until("^Note:")
        screen.paste(HOSTILE)
        screen.keys("Enter")
        screen.settle()
        for keys in ("B", "q", "M", "q", "t", "q", "o", "o", "F1", "q"):
            screen.keys(keys)
            screen.settle()
        self.prompt(screen, "F", "Find in all documents:", "lamp")
        screen.until("found in all")
        screen.settle()
        screen.keys("q", "a")
        screen.until("^Ask:")
        screen.paste(b"Who lit " + HOSTILE)
        screen.keys("Enter")
        screen.settle(1)
        screen.keys("q")
        screen.until("document")
        screen.settle()
        self.assertNotIn("OWNED", screen.ask("#{pane_title}"))
        self.assert_written(screen, copies=1)
        self.leave(screen)

    def assert_written(self, screen, copies):
        """As assert_tame, but for so many copies that were asked for."""
        raw = re.sub(rb"\x1b\]52;c;[A-Za-z0-9+/=]*\x07", b"", screen.raw(), count=copies)
        for sequence in SEQUENCES:
            self.assertNotIn(b"\x1b" + sequence, raw)
        found = UNSEEN.search(raw.decode("utf-8"))
        self.assertIsNone(found, found and raw.decode()[max(0, found.start() - 80):][:160])

    def test_a_database_that_lies(self):
        user = self.read_home(tiny=True)
        user.run("ask", "harbour", QUESTION, "--quiet")
        self.good(user, "sum", "harbour:2", "--quiet")
        evil = "x" + HOSTILE.decode("utf-8", "replace")
        self.database(user, "UPDATE document SET name = ?, path = ?", (evil, evil))
        self.database(user, "UPDATE source SET path = '/' || ?, encoding = ?", (evil, evil))
        self.database(user, "UPDATE section SET title = ?", (evil,))
        self.database(user, "UPDATE question SET question = ?, answer = ?, scope = ?", (evil,) * 3)
        self.database(user, "UPDATE summary SET text = ?", (evil,))
        for kind, name in ((3, ""), (1, evil)):
            self.database(
                user, "INSERT INTO note (document, kind, name, section, begin, end, passage, text,"
                " made_at) VALUES (1, ?, ?, 0, 0, 5, ?, ?, 0)", (kind, name, evil, evil))
        screen = self.open(user, lines=30, columns=120)
        screen.until(r"1 document")
        self.assert_tame(screen)
        screen.keys("Enter")
        screen.until("1/4")
        for keys in ("O", "Tab", "Tab", "j", "G", "t", "Enter", "Tab", "F1", "q", "M", "q", "B",
                     "q", "x", "Escape"):
            screen.keys(keys)
            self.assert_tame(screen)
        self.assert_intact(screen)
        self.leave(screen)

    def test_pages(self):
        """What a pager gets is tame as well."""
        user = self.tiny_home("mamba")
        user.path = user.write("harbour.md", b"# Harbour notes\n\n" + HOSTILE + b"\n")
        self.good(user, "read", user.path, "--quiet")
        script = user.write("pager", "#!/bin/sh\ncat \"$1\" >%s\n" % (user.folder / "paged"))
        script.chmod(0o755)
        user.environment["PAGER"] = str(script)
        screen = self.open_harbour(user)
        screen.keys("|")
        self.wait_for(lambda: (user.folder / "paged").exists(), "the pager")
        screen.settle()
        text = (user.folder / "paged").read_bytes().decode("utf-8")
        self.assertIn("7777", text)
        self.assertIsNone(UNSEEN.search(text.replace("\x1b", "\x00")), text)
        self.leave(screen)


class Typing(Reader):
    def setUp(self):
        self.user = self.read_home(tiny=True)

    def test_pasting(self):
        screen = self.open_harbour(self.user)
        hostile = b"first\nq\r\nQ\r:quit\r\x03\x15\x1b[A\x1bq\x07\x00 last\n"
        # Outside a prompt nothing happens.
        screen.settle()
        before = screen.capture().split("\n")[:-2]
        screen.paste(hostile)
        screen.until("nothing here takes a pasted text")
        self.assertEqual(screen.capture().split("\n")[:-2], before)

        screen.keys("w")
        screen.until("^Note:")
        screen.paste(hostile)
        screen.until("^Note: first")
        screen.settle()
        self.assertFalse(screen.has_ended())
        self.assertEqual(self.database(self.user, "SELECT count(*) FROM note"), [(0,)])
        screen.keys("Enter")
        count = "SELECT text FROM note"
        self.wait_for(lambda: self.database(self.user, count), "the note")
        ((text,),) = self.database(self.user, count)
        self.assertRegex(text, r"^first q Q :quit .*last *$")
        self.assertIsNone(re.search("[\x00-\x1f\x7f]", text), repr(text))
        self.leave(screen)

    def test_long_paste(self):
        """Of more than a line takes, the beginning or nothing; the program goes on."""
        screen = Pty(self, self.user, "harbour")
        screen.until(b"# Harbour notes")
        screen.send("w")
        screen.until(b"Note:")
        data = b"\x1b[200~" + b"words and more " * 100000 + b"\x1b[201~"
        for at in range(0, len(data), 1024):
            screen.send(data[at:at + 1024])
        screen.settle()
        screen.send(b"\x1b")
        time.sleep(0.2)
        screen.send(b"Q")
        self.assertEqual(screen.code(), 0)

    def test_copying(self):
        screen = self.open_harbour(self.user)
        self.command(screen, "goto 2")
        screen.until("2/4")
        screen.keys("j", "j", "y")
        screen.until("sent to the terminal's clipboard")
        self.assertNotIn("copied", screen.capture())
        self.assertRegex(self.copies(screen)[-1], "^The lighthouse on Gull Rock was built")
        screen.keys("v", "j", "j", "y")
        self.wait_for(lambda: len(self.copies(screen)) == 2, "a second copy")
        self.assertIn(" ".join(self.copies(screen)[-1].split()), " ".join(DOCUMENT.split()))
        self.assertIn("Ada Wren", self.copies(screen)[-1])
        self.leave(screen)

    def copies(self, screen):
        return [base64.b64decode(data, validate=True).decode()
                for data in re.findall(rb"\x1b\]52;c;([^\x07\x1b]*)\x07", screen.raw())]

    def test_colours(self):
        colour = re.compile(rb"\x1b\[[0-9;:]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;:m]")
        for environment, expected in (
                ({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True),
                ({"COLORTERM": "truecolor"}, True)):
            with self.subTest(environment):
                screen = Pty(self, self.user, "harbour", environment=environment)
                screen.until(b"Harbour notes")
                screen.send("/heron\r")
                screen.settle()
                self.assertEqual(bool(colour.search(screen.raw())), expected, screen.raw()[:2000])
                screen.send("Q")
                self.assertEqual(screen.code(), 0)

    def test_mouse(self):
        screen = self.open_harbour(self.user, lines=24, columns=100)
        screen.settle()
        for mode in (b"\x1b[?1000h", b"\x1b[?1002h", b"\x1b[?1003h", b"\x1b[?1006h"):
            self.assertNotIn(mode, screen.raw())
        self.command(screen, "mouse on")
        screen.settle()
        self.assertIn(b"\x1b[?1000h\x1b[?1006h", screen.raw())
        lines = screen.capture().split("\n")
        (at,) = [i for i, line in enumerate(lines) if re.search(r"The mill +│", line)]
        screen.text("\x1b[<0;5;%dM\x1b[<0;5;%dm" % (at + 1, at + 1))
        screen.settle()
        screen.text("\x1b[<0;5;%dM\x1b[<0;5;%dm" % (at + 1, at + 1))  # a second click goes there
        screen.until("4/4")
        self.command(screen, "mouse off")
        screen.settle()
        self.assertTrue(screen.raw().rindex(b"\x1b[?1000l") > screen.raw().rindex(b"\x1b[?1000h"))
        self.leave(screen)


class Keeping(Reader):
    def test_removing(self):
        user = self.read_home(tiny=True)
        self.good(user, "read", user.write("other.md", "# Other\n\nNothing happens.\n"), "--quiet")

        def names():
            return sorted(d["name"] for d in self.good(user, "ls", "--json").lines)

        screen = self.open(user)
        screen.until("2 documents")
        screen.keys("D")
        screen.until("goes when you leave")
        screen.until("1 document$")
        self.assertEqual(names(), ["harbour", "other"])
        screen.keys("u")
        screen.until("2 documents")
        screen.until("it is back")
        screen.keys("u")
        screen.until("nothing was removed")
        screen.keys("g", "g", "D")
        screen.until("1 document$")
        gone = screen.until("(harbour|other) goes when").group(1)
        self.assertEqual(names(), ["harbour", "other"])
        screen.keys("q")
        self.assertEqual(screen.code(), 0)
        self.assertEqual(names(), sorted({"harbour", "other"} - {gone}))

    def test_removing_and_killed(self):
        """What was removed is gone only when the person leaves."""
        user = self.read_home(tiny=True)
        screen = Pty(self, user)
        screen.until(b"harbour")
        screen.settle()
        screen.send("D")
        screen.until(b"goes when you leave")
        screen.process.terminate()
        self.assertEqual(screen.code(), harness.INTERRUPTED)
        self.assertEqual(len(self.good(user, "ls", "--json").lines), 1)

    def test_notes(self):
        user = self.read_home(tiny=True)
        screen = self.open_harbour(user)
        self.command(screen, "goto 3")
        screen.until("3/4")
        screen.keys("m", "x")
        screen.until("mark x set")
        screen.keys("j", "j", "b")
        screen.until("bookmark set")
        screen.keys("v", "j")
        self.prompt(screen, "w", "Note:", "ask Ivo about the paint")
        self.wait_for(lambda: len(self.database(user, "SELECT 1 FROM note")) == 3, "three notes")
        self.leave(screen)

        screen = self.open(user, "harbour")
        screen.until("3/4")  # where it was left
        screen.keys("g", "g")
        screen.until("1/4")
        screen.keys("'", "x")
        screen.until("3/4")
        screen.keys("B")
        screen.until("of 3")
        screen.until("ask Ivo about the paint")
        screen.keys("q")
        self.leave(screen)
        self.assertIn("ask Ivo about the paint", self.good(user, "export", "harbour").out)

    def test_programs(self):
        user = self.read_home(tiny=True)
        record = user.folder / "record"
        script = user.write("program", """#!/bin/sh
for word; do printf '%%s\\n' "$word"; done >%(record)s.new
test -t 0 && test -t 1 && echo terminal >>%(record)s.new
stty -a >>%(record)s.new
mv %(record)s.new %(record)s
""" % {"record": record})
        script.chmod(0o755)
        user.environment.update(EDITOR=str(script), PAGER=str(script))
        screen = self.open_harbour(user)
        self.command(screen, "goto 3")
        screen.until("3/4")
        line = int(screen.until(r"line (\d+) +3/4").group(1))
        before = screen.capture()
        screen.keys("E")
        self.wait_for(record.exists, "the editor")
        words = record.read_text().split("\n")
        self.assertEqual(words[:3], ["+%d" % line, str(user.path), "terminal"])
        self.assertNotIn("-icanon", record.read_text())
        screen.settle()
        self.assertEqual(screen.capture(), before)
        record.unlink()
        screen.keys("|")
        self.wait_for(record.exists, "the pager")
        self.assertEqual(record.read_text().split("\n")[1], "terminal")
        screen.settle()
        self.assertEqual(screen.capture(), before)

        user.environment["EDITOR"] = str(user.folder / "nothing there")
        self.leave(screen)
        screen = self.open_harbour(user)
        screen.keys("E")
        screen.until("not found")
        self.leave(screen)

    def test_export(self):
        user = self.read_home(tiny=True)
        screen = self.open_harbour(user)
        screen.keys("x")
        screen.until("^Export to: harbour.md")
        screen.keys("Enter")  # the document itself is there already
        screen.until("harbour.md: File exists")
        self.assertEqual(user.path.read_text(), DOCUMENT)
        self.command(screen, "export notes.md")
        screen.until("written: notes.md")
        self.assertEqual((user.folder / "notes.md").read_text(),
                         self.good(user, "export", "harbour").out)
        self.command(screen, "export %s/x.md" % (user.folder / "absent"))
        screen.until("cannot create .*No such file")
        self.leave(screen)

    def test_keys(self):
        user = self.read_home(tiny=True)
        (user.folder / "config" / "tidemark").mkdir(parents=True)
        config = user.write("config/tidemark/config",
                            "[keys]\nnext-section = <F2> gl\ndown = <C-e>\nquit = ZZ\n")
        screen = self.open_harbour(user)
        screen.keys("F2")
        screen.until("2/4")
        screen.keys("g", "l")
        screen.until("3/4")
        screen.settle()
        before = screen.capture()
        screen.keys("j", "]", "Q")  # no longer keys
        screen.settle()
        self.assertEqual(screen.capture(), before)
        screen.keys("C-e")
        screen.settle()
        self.assertNotEqual(screen.capture(), before)
        screen.keys("F1")
        screen.until(r"<F2> gl +:next-section")
        screen.keys("Z", "Z")
        self.assertEqual(screen.code(), 0)

        for text in ("[keys]\nfly = f\n", "[keys]\ndown = <Nowhere>\n", "[keys]\ndown = g\n",
                     "[keys]\nask = x\nbookmark = x\n", "[reader]\ntheme = pink\n",
                     "[reader]\nmouse = perhaps\n", "[reader]\nwings = 2\n", "[other]\na = b\n",
                     "[keys\n"):
            with self.subTest(text):
                config.write_text(text)
                screen = Pty(self, user, "harbour")
                self.assertEqual(screen.code(), USAGE, screen.raw())
                line = screen.raw().decode()
                self.assertRegex(line, r"^tidemark: [^\r\n]{20,}\r\n$")
                self.assertIn("config", line)
                self.assertNotIn("\x1b", line)

    def test_no_terminal(self):
        user = self.read_home(tiny=True)
        for arguments in ((), ("harbour",), ("open",), (user.path,)):
            with self.subTest(arguments):
                result = user.run(*arguments)
                self.assertEqual(result.code, USAGE, result)
                self.assertEqual(result.out, "", result)
                self.assertNotIn("\x1b", result.err)
                self.assertRegex(result.err, "^tidemark: |[Uu]sage")
        for name in ("nonsense", "dumb", ""):
            with self.subTest(name):
                screen = Pty(self, user, "harbour", environment={"TERM": name})
                self.assertEqual(screen.code(), USAGE, screen.raw())
                self.assertNotIn(b"\x1b", screen.raw())
                self.assertIn(b"TERM", screen.raw())


if __name__ == "__main__":
    harness.main()
