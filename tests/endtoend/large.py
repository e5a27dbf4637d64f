"""Text and outline of very large files are taken in with memory that does not grow.

    TEST_GIGABYTE=1     a gigabyte each, instead of a part of it that fits into CI
"""

import os
import re
import subprocess
import time

import harness

MEBIBYTE = 1 << 20
SIZE = (1024 if os.environ.get("TEST_GIGABYTE") else 40) * MEBIBYTE
MEMORY = 24 * MEBIBYTE  # that the program may take at most, whatever the file's size

WORDS = "The tide that rises in the harbour of %d is the tide that falls on the reef, and so on "


class Large(harness.Test):
    def setUp(self):
        if harness.options.sanitized:
            self.skipTest("sanitizers take memory of their own")

    def fill(self, user, name, piece):
        """`piece` makes the bytes for a number; the file is as long as SIZE."""
        path, size, number = user.folder / name, 0, 0
        with open(path, "wb") as file:
            while size < SIZE:
                block = b"".join(piece(number + i) for i in range(4096))
                number += 4096
                size += file.write(block[:SIZE - size])
        return path

    def peak(self, process):
        """Its memory so far, in bytes; 0 once it has ended. What the kernel counts for a
        child after its end begins with the memory of the process that made it."""
        try:
            status = open("/proc/%d/status" % process.pid).read()
        except OSError:
            return 0
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found.group(1)) * 1024 if found else 0

    def take_in(self, user, *arguments, stdin=subprocess.DEVNULL):
        begun = time.monotonic()
        process = user.start("read", "--no-model", "--quiet", "--json", *arguments, stdin=stdin)
        memory = 0
        while process.poll() is None:
            memory = max(memory, self.peak(process))
            time.sleep(0.01)
        out, err = process.communicate()
        self.assertEqual(process.returncode, 0, err)
        print("%d MiB in %.1f s, %.1f MiB of memory" % (
            SIZE // MEBIBYTE, time.monotonic() - begun, memory / MEBIBYTE), flush=True)
        self.assertGreater(memory, 0)
        self.assertLess(memory, MEMORY)
        return harness.Result(arguments, 0, out, err, 0).json

    def whole(self, user, name):
        return sum(row["bytes"] for row in user.run("ls", "--json").lines if row["name"] == name)

    def test_one_line(self):
        user = self.tiny_home("mamba")
        path = self.fill(user, "line.txt", lambda n: (WORDS % n).encode())
        self.assertGreater(self.take_in(user, path)["sections"], SIZE // 7000)
        self.assertEqual(self.whole(user, "line"), SIZE)

    def test_one_word(self):
        """No blank and no line end anywhere."""
        user = self.tiny_home("mamba")
        path = self.fill(user, "word.txt", lambda n: b"%dx" % n)
        self.assertGreaterEqual(self.take_in(user, path)["sections"], SIZE // 6001)

    def test_paragraphs_and_headings(self):
        user = self.tiny_home("mamba")
        path = self.fill(user, "book.md", lambda n: (
            ("\n## Chapter %d\n\n" % n if n % 64 == 0 else "") + WORDS % n + "\n").encode())
        self.take_in(user, path)
        self.assertEqual(self.whole(user, "book"), SIZE)

    def test_another_encoding_from_standard_input(self):
        user = self.tiny_home("mamba")
        path = self.fill(user, "utf16.txt", lambda n: (
            ("\ufeff" if n == 0 else "") + WORDS % n).encode("utf-16-le"))
        with open(path, "rb") as file:
            self.take_in(user, "-", "--as", "wide", stdin=file)
        self.assertEqual(self.whole(user, "wide"), SIZE)


if __name__ == "__main__":
    harness.main()
