"""A reading that is killed, interrupted, or computed by another number of threads ends
with the same states as one that was left in peace."""

import json
import re
import shlex
import signal
import time

import harness
from harness import BUNDLED, INTERRUPTED, book, checkpoints

KILLS = 5


class Kill(harness.Test):
    def setUp(self):
        if not BUNDLED.exists():
            self.skipTest("the bundled model is not here")

    @classmethod
    def setUpClass(cls):
        """One quiet run that the others are compared with."""
        if not BUNDLED.exists():
            return
        chapters = 6 if harness.options.sanitized else 12
        cls.text = book(chapters, sentences=6)
        user = harness.Home()
        cls.addClassCleanup(user.remove)
        result = user.run("read", user.write("book.md", cls.text), "--json", "--quiet")
        if result.code != 0:
            raise AssertionError(str(result))
        cls.whole = result.json
        cls.seconds = result.seconds
        cls.expected = checkpoints(user, "book")

    def test_quiet_run(self):
        self.assertEqual(len(self.expected), self.whole["sections"])
        self.assertEqual([len(points) for points in self.expected], [1] * len(self.expected))
        self.assertEqual(self.whole["resumed_at"], 0)

    def test_threads(self):
        for threads in (1, 3):
            user = self.home()
            read = self.good(user, "read", user.write("book.md", self.text), "--json",
                             "--threads", threads).json
            self.assertEqual(checkpoints(user, "book"), self.expected, "%d threads" % threads)
            for key in ("tokens", "tokens_read", "bits_per_token"):
                self.assertEqual(read[key], self.whole[key])

    def progress(self, user):
        """(token of the last state that a reading goes on from, states beyond it).

        A state is written before the library notes what was read up to it: killed in
        between, the reading goes on from the state before, and reads one section again."""
        listed = user.run("ls", "--json")
        self.assertEqual(listed.code, 0, listed)
        if not listed.out:
            return 0, 0
        document = listed.lines[0]
        tokens = [token for section in checkpoints(user, document["id"])
                  for _, token, _ in section]
        kept = [token for token in tokens if token <= document["tokens_read"]]
        return max(kept, default=0), len(tokens) - len(kept)

    def last_token(self, user):
        return self.progress(user)[0]

    def test_killed(self):
        user = self.home()
        path = user.write("book.md", self.text)
        begun_at = 0
        for _ in range(KILLS):
            process = user.start("read", path, "--quiet", "--json")
            time.sleep(harness.dice.uniform(0.02, 0.5 * self.seconds))
            finished = process.poll() is not None
            process.kill()
            out = process.communicate()[0]
            if not finished:
                self.assertEqual(process.returncode, -signal.SIGKILL)
            elif out:
                self.assertEqual(json.loads(out)["resumed_at"], begun_at)
            kept, beyond = self.progress(user)
            self.assertGreaterEqual(kept, begun_at, "a kill lost a state")
            self.assertLessEqual(beyond, 1, "more than one section is to be read again")
            for points, expected in zip(checkpoints(user, "book") if kept else [], self.expected):
                if points:
                    self.assertEqual(points, expected)
            begun_at = kept
        last = self.good(user, "read", path, "--json").json
        self.assertEqual(last["resumed_at"], begun_at)
        self.assertEqual(last["tokens"], self.whole["tokens"])
        self.assertEqual(last["tokens_read"], last["tokens"] - begun_at)
        self.assertEqual(checkpoints(user, "book"), self.expected)

    def test_killed_after_each_state(self):
        """Waits for a state before each kill, so that every start resumes."""
        user = self.home()
        path = user.write("book.md", self.text)
        begun_at = 0
        for _ in range(KILLS):
            if begun_at == self.whole["tokens"]:
                break
            process = user.start("read", path, "--quiet", "--json", "--threads",
                                 harness.dice.choice((1, 2)))
            deadline = time.monotonic() + harness.PATIENCE
            while process.poll() is None and time.monotonic() < deadline:
                if self.last_token(user) > begun_at:
                    break
            process.kill()
            process.communicate()
            kept = self.last_token(user)
            self.assertGreater(kept, begun_at)
            begun_at = kept
        last = self.good(user, "read", path, "--json").json
        self.assertGreater(last["resumed_at"], 0)
        self.assertLess(last["tokens_read"], last["tokens"])
        self.assertEqual(last["resumed_at"] + last["tokens_read"], last["tokens"])
        self.assertEqual(checkpoints(user, "book"), self.expected)

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            user = self.home()
            path = user.write("book.md", self.text)
            after = user.write("after it.txt", "Later.\n")
            process = user.start("--library", user.library, "read", path, after, "--budget", "2G")
            deadline = time.monotonic() + harness.PATIENCE
            while self.last_token(user) == 0 and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(number)
            asked = time.monotonic()
            out, err = process.communicate(timeout=harness.PATIENCE)
            waited = time.monotonic() - asked
            result = harness.Result(("read",), process.returncode, out, err, waited)
            if process.returncode == 0:
                continue  # it was faster than we
            self.assertEqual(process.returncode, INTERRUPTED, result)
            self.assertLess(waited, 10 if harness.options.sanitized else 2)
            last_line = result.err.splitlines()[-1]
            self.assertTrue(last_line.startswith("tidemark: "), result)
            kept = self.last_token(user)
            self.assertIn(str(kept), last_line)
            self.assertGreater(kept, 0)
            words = shlex.split(re.search(r"\((tidemark read .*)\)$", last_line).group(1))
            self.assertEqual(words, ["tidemark", "read", "--budget", str(2 << 30), "--library",
                                     str(user.library), str(path), str(after)], result)
            last = self.good(user, *words[1:], "--json", "--quiet").lines[0]
            self.assertEqual(last["resumed_at"], kept)
            self.assertEqual(last["tokens_read"], last["tokens"] - kept)
            self.assertEqual(checkpoints(user, "book"), self.expected)

    def test_interrupted_answer(self):
        user = self.home()
        path = user.write("book.md", self.text)
        self.good(user, "read", path, "--no-model", "--quiet")
        process = user.start("sum", "book")
        time.sleep(0.4)
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        out, err = process.communicate(timeout=harness.PATIENCE)
        self.assertIn(process.returncode, (0, INTERRUPTED), err)
        self.assertLess(time.monotonic() - asked, 10 if harness.options.sanitized else 2)
        self.assertEqual(user.run("show", "book").code, 0)


if __name__ == "__main__":
    harness.main()
