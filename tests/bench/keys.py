#!/usr/bin/env python3
"""How long the reader takes from a key to the screen, and to stop what it does.

    python3 tests/bench/keys.py --program build/release/app/tidemark

A long document is opened in a pseudo-terminal, and the cursor moved up and down at random
intervals, first with nothing else to do, then while the model reads. The time of a key
ends with the arrival of the bytes that draw the cursor in its new line; what is drawn of
the reading's progress meanwhile does not count. Then summaries of the whole are stopped
while the reading goes on, by <C-c>, and the reading itself, by R. Prints one JSON object a
line, times in milliseconds.
"""

import argparse
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import select
import signal
import statistics
import struct
import sys
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "endtoend"))
import harness  # noqa: E402

PATIENCE = 20.0  # seconds for any answer
ROOM = 8  # lines in which the cursor walks, so that the text never scrolls
CURSOR = b">"  # drawn where the cursor goes, and nowhere in what else changes


class Reader:
    def __init__(self, home, *arguments):
        environment = {**home.environment, "TERM": "xterm-256color"}
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.execve(arguments[0], list(arguments), environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.line = 0  # of the cursor

    def take(self, seconds):
        """What was written within this time, as soon as something was."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return b""
        return os.read(self.terminal, 65536)

    def drain(self, seconds):
        end, all_of_it = time.monotonic() + seconds, b""
        while time.monotonic() < end:
            all_of_it += self.take(max(0, end - time.monotonic()))
        return all_of_it

    def until(self, data, seconds=PATIENCE):
        """Seconds until these bytes came."""
        begun, seen = time.monotonic(), b""
        while data not in seen:
            if time.monotonic() - begun > seconds:
                raise SystemExit("%r does not come: %r" % (data, seen[-2000:]))
            seen += self.take(0.5)
        return time.monotonic() - begun

    def send(self, keys):
        os.write(self.terminal, keys)

    def step(self, dice):
        down = self.line == 0 or (self.line < ROOM and dice.random() < 0.5)
        self.line += 1 if down else -1
        self.send(b"j" if down else b"k")
        return self.until(CURSOR)

    def leave(self):
        self.send(b"Q")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                self.take(0.1)
            except OSError:
                break
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.terminal)


def told(what, seconds):
    times = sorted(1000 * second for second in seconds)
    print(json.dumps({
        "what": what, "count": len(times), "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(0.95 * (len(times) - 1))], 1), "max_ms": round(times[-1], 1)}),
        flush=True)


def keys(reader, dice, count):
    """Of single keys, at random intervals."""
    times = []
    for _ in range(count):
        reader.drain(dice.uniform(0.02, 0.15))
        times.append(reader.step(dice))
    return times


def stops(reader, dice, count, begin, shown, end, said):
    """From the key that stops what `begin` starts, at a random moment of it, until the screen
    says so."""
    times = []
    while len(times) < count:
        reader.drain(0.3)
        reader.send(begin)
        reader.until(shown)
        seen = reader.drain(dice.uniform(0.02, 0.3))
        reader.send(end)
        begun = time.monotonic()
        while not re.search(said, seen):
            if time.monotonic() - begun > PATIENCE:
                raise SystemExit("%r does not come: %r" % (said, seen[-2000:]))
            seen += reader.take(0.1)
        times.append(time.monotonic() - begun)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--chapters", type=int, default=600,
                        help="of the document, 280 tokens each")
    parser.add_argument("--model")
    options = parser.parse_args()
    dice = random.Random(1)
    home = harness.Home(options.model)
    program = os.path.abspath(options.program)
    document = str(home.write("errands.md", harness.book(options.chapters)))
    try:
        reader = Reader(home, program, "open", "--no-read", document)
        reader.until(b"of Errands")
        reader.drain(1)
        told("key, idle", keys(reader, dice, options.count))
        reader.send(b"R")
        reader.until(b"tokens/s")
        told("key, while reading", keys(reader, dice, options.count))
        told("stop a summary, while reading", stops(
            reader, dice, options.stops, b"gs", b"summarizing", b"\x03", rb"stopped"))
        if not reader.drain(2):
            raise SystemExit("the reading ended before: more --chapters")
        reader.send(b"R")
        told("stop reading", stops(
            reader, dice, options.stops, b"R", b"tokens/s", b"R", rb"read(?!ing)"))
        reader.leave()
    finally:
        home.remove()


if __name__ == "__main__":
    main()
