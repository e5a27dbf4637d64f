"""What the end-to-end tests share: a program under test, a home of its own for each
test, and documents. Each test file is run by ctest as

    python3 FILE.py --program tidemark --tiny tests/golden/tiny --build DIR [--sanitized]

and ends with 0, 1, or 77 when everything in it was skipped. Random tests print their
seed and take another one from TEST_SEED.
"""

import argparse
import fcntl
import json
import os
import pathlib
import random
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = SOURCE.parent / "shared" / "golden"
BUNDLED = SOURCE / "models" / "tidemark-73m-v1-q4_k_m.gguf"
SAMPLE = SOURCE / "samples" / "the-book-of-tides.md"

# The program's exit codes, as `tidemark help` lists them.
SYSTEM, USAGE, INPUT, MODEL, STORE, NOT_FOUND, INTERRUPTED = 1, 2, 3, 4, 5, 6, 130

PATIENCE = 300  # seconds for any one command; a hang is a failure

options = None  # of the command line
dice = None  # random.Random


class Result:
    def __init__(self, arguments, code, out, err, seconds):
        self.arguments, self.code, self.seconds = arguments, code, seconds
        self.raw_out, self.raw_err = out, err
        self.out = out.decode("utf-8", "replace")
        self.err = err.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __str__(self):
        return "%s: exit code %d\n--- stdout\n%s--- stderr\n%s---" % (
            " ".join(map(str, self.arguments)), self.code, self.out[-3000:], self.err[-3000:])


def word(argument):
    """Of a command line; bytes pass as they are."""
    return argument if isinstance(argument, bytes) else str(argument)


class Home:
    """Folders for one user, gone afterwards."""

    def __init__(self, model=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tidemark-e2e-"))
        self.model = model
        self.owner = None
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder / "home"),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        if model:
            self.environment["TIDEMARK_MODEL"] = str(model)
        (self.folder / "home").mkdir()

    @property
    def library(self):
        return self.folder / "data" / "tidemark"

    def give_to(self, user):
        """Runs what follows as another user; for root only."""
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, user, user)
        self.owner = user

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def start(self, *arguments, program=None, cwd=None, stdin=subprocess.DEVNULL):
        return subprocess.Popen(
            [str(program or options.program), *map(word, arguments)], stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment,
            cwd=cwd or self.folder, user=self.owner, group=self.owner)

    def run(self, *arguments, program=None, cwd=None, given=None):
        """`given`: bytes for its standard input."""
        begun = time.monotonic()
        process = self.start(*arguments, program=program, cwd=cwd,
                             stdin=subprocess.DEVNULL if given is None else subprocess.PIPE)
        try:
            out, err = process.communicate(input=given, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError("hangs: " + str(Result(arguments, -9, out, err, PATIENCE)))
        return Result(arguments, process.returncode, out, err, time.monotonic() - begun)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Test(unittest.TestCase):
    longMessage = True

    def home(self, model=None):
        home = Home(model)
        self.addCleanup(home.remove)
        return home

    def tiny_home(self, kind="falcon"):
        """A home whose model computes nonsense, but in no time."""
        home = self.home()
        home.model = home.folder / (kind + ".gguf")
        subprocess.run([options.tiny, kind, str(home.model)], check=True)
        home.environment["TIDEMARK_MODEL"] = str(home.model)
        return home

    def good(self, home, *arguments, **rest):
        result = home.run(*arguments, **rest)
        self.assertEqual(result.code, 0, result)
        return result

    def wait_for(self, condition, what):
        for _ in range(int(PATIENCE / 0.05)):
            if condition():
                return
            time.sleep(0.05)
        self.fail("waited in vain for " + what)

    def assert_refused(self, result, code):
        """One line that says so, and nothing else."""
        codes = (code,) if isinstance(code, int) else code
        self.assertIn(result.code, codes, result)
        self.assertEqual(result.out, "", result)
        self.assertTrue(result.err.startswith("tidemark: "), result)
        self.assertEqual(result.err.count("\n"), 1, result)
        self.assertTrue(result.err.endswith("\n"), result)
        self.assertGreater(len(result.err), len("tidemark: \n") + 8, result)
        self.assert_harmless(result)

    def assert_harmless(self, result):
        """Nothing that a terminal would act on."""
        for name, raw in (("stdout", result.raw_out), ("stderr", result.raw_err)):
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                self.fail("%s is not UTF-8 (%s): %r" % (name, error, raw[-500:]))
            found = re.search(
                "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]",
                text)
            if found:
                at = found.start()
                self.fail("%s has the character U+%04X: %r" % (
                    name, ord(found.group()), text[max(0, at - 60):at + 60]))


class Terminal:
    """The program in a terminal. What it writes is in raw()."""

    def __init__(self, test):
        self.test = test

    def settle(self, quiet=0.2):
        """Waits until nothing was written for so long."""
        size, since, begun = -1, 0, time.monotonic()
        while True:
            now = time.monotonic()
            if now - begun > PATIENCE:
                self.test.fail("the screen does not come to rest")
            written = len(self.raw())
            if written != size:
                size, since = written, now
            elif now - since >= quiet and size > 0:
                return
            time.sleep(0.01)


class Tmux(Terminal):
    """In tmux: keys in, screens out. `program`: a shell command in place of tidemark."""

    def __init__(self, test, home, *arguments, lines=24, columns=80, program=None,
                 environment=None):
        super().__init__(test)
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=home.folder))
        self.home = home
        self.environment = {**home.environment, **(environment or {})}
        test.addCleanup(self.end)
        (self.folder / "conf").write_text(
            "set -g default-terminal tmux-256color\nset -g status off\nset -g set-clipboard off\n")
        words = [str(options.program), *map(str, arguments)]
        # A key that comes just when the program has left must not end the script, which has
        # to write down the code first. Its child gets the signals as they are by default.
        (self.folder / "script").write_text("""trap : INT QUIT TSTP
while [ ! -e %(go)s ]; do sleep 0.02; done
cd %(cwd)s
%(program)s
echo $? >%(code)s.new
mv %(code)s.new %(code)s
while :; do sleep 3600; done
""" % {"go": self.folder / "go", "code": self.folder / "code", "cwd": home.folder,
       "program": program or " ".join(map(shlex.quote, words))})
        self.tmux("new-session", "-d", "-s", "s", "-x", columns, "-y", lines,
                  "sh %s" % (self.folder / "script"))
        self.tmux("pipe-pane", "-t", "s", "cat >%s" % (self.folder / "raw"))
        self.test.wait_for((self.folder / "raw").exists, "the recording")
        (self.folder / "go").touch()

    def tmux(self, *arguments):
        line = ["tmux", "-f", self.folder / "conf", "-S", self.folder / "socket", *arguments]
        return subprocess.run(list(map(str, line)), check=True, capture_output=True,
                              env=self.environment, timeout=60).stdout

    def end(self):
        try:
            self.tmux("kill-server")
        except subprocess.CalledProcessError:
            pass

    def raw(self):
        return (self.folder / "raw").read_bytes()

    def keys(self, *names):
        """By tmux's names; an Escape is not joined with what follows."""
        for name in names:
            self.tmux("send-keys", "-t", "s", name)
            if name == "Escape":
                time.sleep(0.1)

    def text(self, text):
        self.tmux("send-keys", "-t", "s", "-l", text)

    def paste(self, text):
        """In brackets, where the program asked for them, and as it is."""
        (self.folder / "paste").write_bytes(text)
        self.tmux("load-buffer", self.folder / "paste", ";",
                  "paste-buffer", "-p", "-r", "-d", "-t", "s")

    def capture(self, *flags):
        return self.tmux("capture-pane", "-p", *flags, "-t", "s").decode()

    def until(self, pattern, seconds=20):
        """Waits for it on the screen; the match."""
        end = time.monotonic() + seconds
        while True:
            screen = self.capture()
            found = re.search(pattern, screen, re.MULTILINE)
            if found:
                return found
            if time.monotonic() > end:
                self.test.fail("no %r on the screen:\n%s" % (pattern, screen))
            time.sleep(0.03)

    def until_gone(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while re.search(pattern, self.capture(), re.MULTILINE):
            if time.monotonic() > end:
                self.test.fail("%r stays on the screen:\n%s" % (pattern, self.capture()))
            time.sleep(0.03)

    def resize(self, lines, columns, *more):
        self.tmux("resize-window", "-t", "s", "-x", columns, "-y", lines, *more)

    def ask(self, form):
        """What tmux knows of the pane, as in "#{alternate_on}"."""
        return self.tmux("display-message", "-p", "-t", "s", form).decode().rstrip("\n")

    def has_ended(self):
        return (self.folder / "code").exists()

    def code(self):
        """Waits for the end; the exit code."""
        end = time.monotonic() + 20
        while not self.has_ended():
            if time.monotonic() > end:
                self.test.fail("does not end:\n" + self.capture())
            time.sleep(0.02)
        return int((self.folder / "code").read_text())


class Pty(Terminal):
    """In a pseudo-terminal of its own: bytes in and out, and when they came."""

    def __init__(self, test, home, *arguments, lines=24, columns=80, environment=None):
        super().__init__(test)
        self.master, self.slave = os.openpty()
        self.resize(lines, columns)
        self.settings = termios.tcgetattr(self.slave)
        self.chunks = []  # (when, bytes)
        self.process = subprocess.Popen(
            [str(options.program), *map(str, arguments)], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, cwd=home.folder, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**home.environment, "TERM": "xterm-256color", **(environment or {})})
        self.closing = False
        self.reader = threading.Thread(target=self.drain, daemon=True)
        self.reader.start()
        test.addCleanup(self.end)

    def drain(self):
        while not self.closing:
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                return
            self.chunks.append((time.monotonic(), piece))

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.closing = True
        self.reader.join()
        os.close(self.master)
        os.close(self.slave)

    def raw(self):
        return b"".join(piece for _, piece in list(self.chunks))

    def send(self, data):
        os.write(self.master, data if isinstance(data, bytes) else data.encode())

    def resize(self, lines, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, data, since=0, seconds=20):
        """Waits for these bytes."""
        end = time.monotonic() + seconds
        while data not in self.raw()[since:]:
            if time.monotonic() > end:
                self.test.fail("never writes %r: %r" % (data, self.raw()[-3000:]))
            time.sleep(0.01)

    def code(self):
        code = self.process.wait(PATIENCE)
        self.settle(0.1)
        return code


def checkpoints(home, document, *arguments):
    """(kind, token, hash) of every checkpoint, by section."""
    shown = home.run("show", document, "--json", *arguments)
    if shown.code != 0:
        raise AssertionError(str(shown))
    return [[(c["kind"], c["token"], c["hash"]) for c in section["checkpoints"]]
            for section in shown.json["sections"]]


PEOPLE = ("Ada Wren", "Tom Hale", "Mara Voss", "Ned Oakes", "Ruth Lind", "Ivo Stark")
PLACES = ("the lighthouse", "the old mill", "the ferry dock", "the glass works", "the salt barn",
          "the north pier")
THINGS = ("a brass clock", "a blue lantern", "a sack of barley", "a broken oar", "a silver whistle",
          "a book of charts")


def chapter(number, sentences=8):
    """A section with a heading; what it says depends on its number alone."""
    own = random.Random(number)
    text = ["## Chapter %d: %s" % (number, own.choice(PLACES)), ""]
    for _ in range(sentences):
        text.append("In the year %d %s carried %s to %s, %d miles away." % (
            1700 + own.randrange(250), own.choice(PEOPLE), own.choice(THINGS), own.choice(PLACES),
            2 + own.randrange(40)))
    return "\n".join(text) + "\n\n"


def book(chapters, sentences=8):
    return "# The Book of Errands\n\n" + "".join(
        chapter(number, sentences) for number in range(1, chapters + 1))


def main():
    global options, dice
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--tiny", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--sanitized", action="store_true")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    seed = int(os.environ.get("TEST_SEED", time.time_ns() % 1000000007))
    print("TEST_SEED=%d" % seed, flush=True)
    dice = random.Random(seed)
    module = sys.modules["__main__"]
    loader = unittest.TestLoader()
    suite = (loader.loadTestsFromNames(options.tests, module) if options.tests
             else loader.loadTestsFromModule(module))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun and len(result.skipped) == result.testsRun else 0)
