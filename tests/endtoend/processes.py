"""Two processes and one library: one reads a document at a time, the others are told
who, and asking goes on meanwhile."""

import os
import re
import signal
import time

import harness
from harness import STORE, book, checkpoints


class Processes(harness.Test):
    def holder(self, user, path):
        """A process that has read the file and holds on to it."""
        process = user.start("read", "--follow", "--quiet", path)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.wait_for(lambda: any(row["sections_read"] and row["sections_read"] == row["sections"]
                                  for row in user.run("ls", "--json").lines), "the reading")
        return process

    def test_a_second_is_told_who_reads(self):
        user = self.tiny_home("mamba")
        path = user.write("book.md", book(3))
        process = self.holder(user, path)
        for arguments in (("read", path), ("read", path, "--no-model"), ("rm", "book")):
            refused = user.run(*arguments, "--quiet")
            self.assert_refused(refused, STORE)
            self.assertIn("process %d " % process.pid, refused.err)
            self.assertRegex(refused.err, r"since \d{4}-\d\d-\d\d \d\d:\d\d")
        asked = user.run("ask", "book", "Who carried a brass clock?", "--quiet")
        self.assertIn(asked.code, (0, harness.NOT_FOUND), asked)
        self.good(user, "sum", "book:2", "--quiet")
        self.good(user, "backup", user.folder / "copy.db")
        refused = user.run("restore", user.folder / "copy.db", "--force")
        self.assert_refused(refused, STORE)
        self.assertIn("process %d " % process.pid, refused.err)
        other = user.write("other.md", book(2))
        self.good(user, "read", other, "--quiet")
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.good(user, "read", path, "--quiet")
        self.good(user, "rm", "book", "--quiet")

    def test_the_same_new_file_twice_at_once(self):
        user = self.tiny_home("mamba")
        path = user.write("book.md", book(30))
        processes = [user.start("read", path, "--quiet") for _ in range(4)]
        results = [(p.communicate(timeout=harness.PATIENCE), p.returncode) for p in processes]
        codes = sorted(code for _, code in results)
        self.assertEqual(codes[0], 0, results)
        for (out, err), code in results:
            self.assertIn(code, (0, STORE), err)
            if code == STORE:
                self.assertIn(b"is being read by process", err)
        rows = self.good(user, "ls", "--json").lines
        self.assertEqual([(row["name"], row["sections_read"]) for row in rows], [("book", 31)])
        self.assertEqual(self.good(user, "verify", "--json", "--quiet").lines[-1]["problems"], 0)

    def test_many_at_once(self):
        """Readers of different documents, questions and upkeep beside each other."""
        user = self.tiny_home("mamba")
        self.good(user, "read", user.write("known.md", book(6)), "--quiet")
        before = checkpoints(user, "known")
        count = 2 if harness.options.sanitized else 4
        readers = [user.start("read", user.write("new%d.md" % i, book(12 + i)), "--quiet")
                   for i in range(count)]
        askers = [user.start("ask", "known:%d" % (i + 2), "Who?", "--quiet") for i in range(count)]
        keepers = [user.start(*words, "--quiet") for words in
                   (("gc",), ("verify",), ("backup", user.folder / "copy.db"))]
        for process in readers + askers + keepers:
            out, err = process.communicate(timeout=harness.PATIENCE)
            allowed = (0, harness.NOT_FOUND) if process in askers else (0,)
            self.assertIn(process.returncode, allowed, (process.args, out, err))
        rows = self.good(user, "ls", "--json").lines
        self.assertEqual(sorted(row["sections_read"] for row in rows),
                         sorted([7] + [13 + i for i in range(count)]))
        prefixes = [[p for p in points if p[0] == "prefix"] for points in checkpoints(user, "known")]
        self.assertEqual(prefixes, [[p for p in points if p[0] == "prefix"] for points in before])
        shown = self.good(user, "export", "known").out
        self.assertEqual(len(re.findall(r"^### Who\?", shown, re.M)), count)

    def test_lock_file_is_private(self):
        user = self.tiny_home("mamba")
        self.good(user, "read", user.write("book.md", book(1)), "--quiet")
        for path in user.library.iterdir():
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, path)


if __name__ == "__main__":
    harness.main()
