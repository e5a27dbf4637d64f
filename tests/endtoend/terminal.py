"""What reaches a real terminal: every command that shows text of documents, models or
databases runs in tmux, the bytes that it writes are recorded, and the screen is
captured. Nothing of the hostile text may be obeyed."""

import re
import shlex
import shutil
import sqlite3
import subprocess
import time
import unittest

import harness

# What a terminal would act on: titles, colours, cursor movements, reports, a C1
# control in UTF-8, direction marks, broken UTF-8, backspaces and carriage returns.
HOSTILE = (b"\x1b]0;OWNED\x07\x1b[31mred\x1b[2J\x1b[H\x1b[6n\x1bP+q\x1b\\ \xc2\x9b31m \xc2\x85 "
           b"\xe2\x80\xaereversed\xe2\x80\xac \xe2\x81\xa6isolate\xe2\x81\xa9 \xef\xbb\xbf "
           b"\xff\xfe\x80 \x08\x08\x08over \x0e\x0f \x7f \xed\xa0\x80")

# What tidemark itself may write to a terminal: a line begun anew and cleared, and dim.
OWN = re.compile(rb"\x1b\[K|\x1b\[2m|\x1b\[22m|\x1b\[0m|\r\n|\r|\n|\t")
BAD = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@unittest.skipUnless(shutil.which("tmux"), "no tmux")
class Terminal(harness.Test):
    def setUp(self):
        self.user = self.tiny_home("mamba")
        self.socket = str(self.user.folder / "tmux")
        self.addCleanup(subprocess.run, self.tmux_line("kill-server"),
                        stderr=subprocess.DEVNULL)
        # The server lives as long as a session does, and the others come and go.
        self.tmux("new-session", "-d", "-s", "keep", "sleep 3600")

    def tmux_line(self, *arguments):
        return ["tmux", "-f", "/dev/null", "-S", self.socket, *arguments]

    def tmux(self, *arguments):
        return subprocess.run(self.tmux_line(*arguments), check=True, capture_output=True,
                              env=self.user.environment, timeout=60).stdout

    def show(self, *arguments):
        """Runs tidemark in a terminal: the bytes that it wrote, and the screen."""
        raw, done = self.user.folder / "raw", self.user.folder / "done"
        for path in (raw, done):
            path.unlink(missing_ok=True)
        words = [shlex.quote(str(harness.options.program))]
        words += ["$(printf %s)" % shlex.quote("".join("\\%03o" % byte for byte in word))
                  if isinstance(word, bytes) else shlex.quote(str(word)) for word in arguments]
        script = self.user.write("script", "sleep 0.3\n%s\necho $? >%s.new\nmv %s.new %s\nsleep 60\n" % (
            " ".join(words).replace("$(printf", "\"$(printf").replace("')", "')\""), done, done,
            done))
        self.tmux("new-session", "-d", "-s", "s", "-x", "100", "-y", "50", "sh %s" % script)
        self.tmux("pipe-pane", "-t", "s", "cat >%s" % raw)
        for _ in range(int(harness.PATIENCE / 0.05)):
            if done.exists():
                break
            time.sleep(0.05)
        else:
            self.fail("%s hangs in a terminal" % (arguments,))
        time.sleep(0.2)
        title = self.tmux("display-message", "-p", "-t", "s", "#{pane_title}").decode()
        screen = self.tmux("capture-pane", "-p", "-e", "-S", "-", "-t", "s").decode()
        self.tmux("kill-session", "-t", "s")
        return raw.read_bytes(), screen, title, int(done.read_text())

    def assert_tame(self, *arguments, codes=(0,)):
        raw, screen, title, code = self.show(*arguments)
        where = "%s: %r" % (arguments, raw[-2000:])
        self.assertIn(code, codes, where)
        self.assertGreater(len(raw), 0, where)
        rest = OWN.sub(b"", raw)
        text = rest.decode("utf-8")  # raises on broken UTF-8
        found = BAD.search(text)
        self.assertIsNone(found, where)
        self.assertNotIn("OWNED", title)
        # No colour but dim and its end on the screen.
        self.assertEqual(set(re.findall(r"\x1b\[([0-9;]*)m", screen)) - {"", "0", "2", "22"}, set())
        return screen

    def test_documents(self):
        name = "evil \x1b[31m\u202e.md"
        text = (b"# Title " + HOSTILE + b"\n\nThe lamp " + HOSTILE + b" was lit by Ada Wren. "
                b"The tide rose at noon.\n\n## Other " + HOSTILE + b"\n\nNothing else " + HOSTILE +
                b" happened here today.\n")
        path = self.user.write(name, text)
        self.assert_tame("read", path)
        for arguments in (("ls",), ("show", "1"), ("text", "1"), ("text", "1:2"), ("export", "1"),
                          ("sum", "1"), ("sum", "1:1"), ("verify",), ("eval", path),
                          ("text", "1", "--json"), ("show", "1", "--json"), ("ls", "--json")):
            self.assert_tame(*arguments)
        screen = self.assert_tame("text", "1")
        self.assertIn("\u241b", screen)  # the picture of ESC
        self.assert_tame("ask", "1", "Who lit the lamp " + HOSTILE.decode("utf-8", "replace"),
                         codes=(0, harness.NOT_FOUND))
        self.assert_tame("ask", "1", "Who lit the lamp at noon?", codes=(0, harness.NOT_FOUND))
        self.assert_tame("export", "1")
        self.assert_tame("rm", "1")

    def test_errors(self):
        for arguments in ((b"text", HOSTILE), (b"read", HOSTILE), (b"--" + HOSTILE,),
                          (b"open", b"--script", HOSTILE),
                          (b"ls", b"--kernels", HOSTILE), (b"ls", b"--model", HOSTILE),
                          (b"eval", b"/tmp/" + HOSTILE), (b"restore", HOSTILE),
                          (b"read", b"x", b"--encoding", HOSTILE),
                          (b"model", b"--model", HOSTILE), (b"help", HOSTILE),
                          (b"gc", b"--budget", HOSTILE)):
            self.assert_tame(*arguments, codes=(0, 2, 3, 4, 5))

    def test_a_database_that_lies(self):
        self.good(self.user, "read", self.user.write("book.md", harness.book(2)), "--quiet")
        self.good(self.user, "sum", "book:2", "--quiet")
        self.user.run("ask", "book", "Who carried a brass clock?", "--quiet")
        evil = HOSTILE.decode("utf-8", "replace")
        with sqlite3.connect(self.user.library / "library.db") as db:
            db.execute("UPDATE document SET name = ?, path = ?", (evil, evil))
            db.execute("UPDATE source SET path = '/' || ?, encoding = ?", (evil, evil))
            db.execute("UPDATE section SET title = ?", (evil,))
            db.execute("UPDATE question SET question = ?, answer = ?, scope = ?", (evil,) * 3)
            db.execute("UPDATE summary SET text = ?", (evil,))
            db.execute("UPDATE model SET name = ?, path = ?", (evil, evil))
        db.close()
        with sqlite3.connect(self.user.library / "states.db") as db:
            db.execute("UPDATE state SET numerics = substr(?, 1, 40)", (evil,))
        db.close()
        for arguments in (("ls",), ("show", "1"), ("text", "1"), ("export", "1"), ("sum", "1:2"),
                          ("ask", "1", "Who carried a brass clock?"), ("verify",), ("gc",),
                          ("doctor",), ("rm", "1")):
            self.assert_tame(*arguments, codes=(0, 1, 2, 3, 4, 5, 6))

    def test_raw_is_refused(self):
        self.good(self.user, "read", self.user.write("book.md", harness.book(1)), "--quiet")
        screen = self.assert_tame("text", "book", "--raw", codes=(harness.USAGE,))
        self.assertIn("could make the terminal obey", screen)


if __name__ == "__main__":
    harness.main()
