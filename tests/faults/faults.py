"""What the fault tests share. The program runs under faults.so (fault.h), which makes
the n-th call of a kind fail, kills the process, fills the disk, turns the clock back,
and logs every change to a file. A test prepares a library once (Stage), lets the
command run on a copy of it for each fault, and looks at what is left (Stage.judge).

Random choices come from harness.dice; TEST_FAULTS=all leaves nothing to chance and
tries every call.
"""

import collections
import concurrent.futures
import ctypes
import errno
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "endtoend"))

import harness
import hub
from contents import content, dump, dump_file, ends, sections_read, steady, without_states
from harness import INPUT, MODEL, NOT_FOUND, STORE, SYSTEM, USAGE

ALL = os.environ.get("TEST_FAULTS") == "all"
PATIENCE = 30  # seconds; a faulty run that takes longer hangs

CLASSES = ("allocation", "read", "write", "sync", "name", "open", "map")

# What each class of calls fails with, and the exit codes that may follow.
FAILURES = {
    "allocation": ((errno.ENOMEM,), (SYSTEM,)),
    "read": ((errno.EIO,), (INPUT, MODEL, STORE)),
    "write": ((errno.EIO, errno.ENOSPC), (STORE,)),
    "sync": ((errno.EIO,), (STORE,)),
    "name": ((errno.EIO,), (STORE,)),
    "open": ((errno.EMFILE,), (SYSTEM, USAGE, INPUT, MODEL, STORE)),
    "map": ((errno.ENOMEM,), (SYSTEM, INPUT, MODEL, STORE)),
}


class Report(ctypes.Structure):
    """struct fault_report of fault.h"""
    _fields_ = [("calls", ctypes.c_uint64 * len(CLASSES)), ("failed", ctypes.c_uint64),
                ("changes", ctypes.c_uint64), ("grown", ctypes.c_uint64),
                ("clock_calls", ctypes.c_uint64), ("log_size", ctypes.c_uint64),
                ("log", ctypes.c_char * (1 << 20))]


class Change(collections.namedtuple("Change", "what result path more")):
    @property
    def done(self):
        return self.result == "0"


class Run(harness.Result):
    """What one run under faults.so gave."""

    def __init__(self, arguments, fault, code, out, err, seconds, report):
        super().__init__(arguments, code, out, err, seconds)
        self.fault = fault
        self.calls = dict(zip(CLASSES, report.calls))
        self.failed, self.changes = report.failed, report.changes
        self.grown, self.clock_calls = report.grown, report.clock_calls
        assert report.log_size < ctypes.sizeof(Report) - Report.log.offset, "the log is full"
        log = bytes(report)[Report.log.offset:Report.log.offset + report.log_size]
        self.log = [Change(*line.split("\t")) for line in log.decode("utf-8").splitlines()
                    if line.count("\t") == 3]

    def __str__(self):
        return "%s\nwith %s" % (super().__str__(), self.fault)


def numbers(total, count):
    """Those of calls 1 to total that are to fail: all, or so many: the first, the last,
    before which most is at stake, and some between."""
    if ALL or total <= count:
        return list(range(1, total + 1))
    head, tail = count // 6, count // 2
    between = range(head + 1, total - tail + 1)
    return sorted([*range(1, head + 1), *harness.dice.sample(between, count - head - tail),
                   *range(total - tail + 1, total + 1)])


def some(values, count):
    """All, or so many of them by chance, with both ends."""
    values = list(values)
    if ALL or len(values) <= count:
        return values
    return [values[0], *sorted(harness.dice.sample(values[1:-1], count - 2)), values[-1]]


def parsed(text):
    """The lines of an output, as JSON where they are that."""
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return text.splitlines()


class Stage:
    """A prepared library, a command, and how that command ends when it is left alone.

    prepare  commands that make the library; "append" adds a text to a document
    reads    name of the document that `read` reads
    loses    tables of which the command removes rows; "all": the library is as it was
             before or as it is afterwards, but never half of each
    writes   name of a file with a copy of the library that the command makes
    makes    name of another file that it makes, always with the same bytes
    speaks   True if it prints what it has done so far even when it fails then
    """

    def __init__(self, test, command, prepare=(), reads=None, loses=(), writes=None,
                 makes=None, speaks=False):
        self.test, self.command, self.reads = test, command, reads
        self.loses, self.writes, self.speaks = loses, writes or makes, speaks
        self.makes = makes
        self.home = test.tiny_home("mamba")
        self.home.write("shelf.md", harness.book(3, 2))
        self.home.write("new.md", harness.book(4, 2).replace("Errands", "Journeys"))
        self.lock = threading.Lock()
        self.seen = {}  # what follows from a library
        self.varies = ()  # tables that may differ in the end
        self.count = 0
        self.slowest = 0
        (self.home.folder / "runs").mkdir()
        for arguments in prepare:
            self.prepare(*arguments)
        self.library = self.home.library
        self.library.mkdir(parents=True, exist_ok=True)
        self.original = dump(self.library)
        self.same = content(self.library)
        with self.copy() as folder:
            self.whole = self.run(folder, {})
            self.outcome = dump(folder / "tidemark")
            self.expected_code = self.whole.code
            self.made = (folder / makes).read_bytes() if makes else None
        if self.whole.code not in (0, USAGE, NOT_FOUND):
            raise AssertionError(str(self.whole))
        # Syncs of the log of states.db that are not for a section: states are removed first.
        self.extra = self.puts(self.whole) - sections_read(self.outcome, reads) + \
            sections_read(self.original, reads)
        if reads and reads not in self.names():
            test.assertEqual(self.extra, 0, self.whole)

    def prepare(self, name, *arguments):
        if name == "hub":
            hub.put_model(self.home.folder / arguments[0])
            return
        if name == "append":
            with open(self.home.folder / arguments[0], "a", encoding="utf-8") as file:
                file.write(arguments[1])
            return
        result = self.home.run(*self.fill_in((name, *arguments), None))
        if result.code not in (0, NOT_FOUND):
            raise AssertionError(str(result))

    def names(self):
        return {dict(row)["name"] for row in self.original["document"]}

    def codes(self, kind):
        """Exit codes that may follow when a call of this kind fails. A file that is made
        lies outside the library, which is opened all the same."""
        elsewhere = self.makes and kind in ("write", "sync", "name")
        return FAILURES[kind][1] + ((SYSTEM,) if elsewhere else ())

    # -- running --

    def copy(self):
        return Copy(self)

    def fill_in(self, arguments, folder):
        return [word.format(home=self.home.folder, run=folder) for word in arguments]

    def run(self, folder, fault, arguments=None, out=subprocess.PIPE):
        """The command on the copy of the library in `folder`, under `fault`."""
        arguments = self.fill_in(arguments or self.command, folder)
        report_path = folder / "report"
        report_path.write_bytes(b"")
        os.truncate(report_path, ctypes.sizeof(Report))
        environment = dict(self.home.environment, LD_PRELOAD=shim(), XDG_DATA_HOME=str(folder),
                           FAULTS_REPORT=str(report_path),
                           FAULTS_LIBRARY=str(folder if self.writes else folder / "tidemark"))
        environment.update((name, str(value)) for name, value in fault.items())
        begun = time.monotonic()
        process = subprocess.Popen(
            [harness.options.program, *arguments], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.PIPE, env=environment, cwd=folder)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError("hangs: %s with %s" % (" ".join(arguments), fault)) from None
        with open(report_path, "rb") as file:
            report = Report.from_buffer_copy(file.read())
        return Run(arguments, fault, process.returncode, out or b"", err,
                   time.monotonic() - begun, report)

    def run_in_peace(self, folder):
        environment = dict(self.home.environment, XDG_DATA_HOME=str(folder))
        arguments = self.fill_in(self.command, folder)
        done = subprocess.run([harness.options.program, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, env=environment, cwd=folder, timeout=PATIENCE,
                              check=False)
        return harness.Result(arguments, done.returncode, done.stdout, done.stderr, 0)

    # -- judging one run --

    def comparable(self, text):
        return [line if isinstance(line, str) else steady(line) for line in parsed(
            re.sub(r"/runs/[^/]*/", "/runs/", text))]

    def succeeded(self, run):
        """True if the fault did not show; then all must be as if there had been none."""
        if run.code != self.expected_code or run.code == USAGE and run.err != self.whole.err:
            return False
        self.test.assertEqual(run.err, self.whole.err, run)
        self.test.assertEqual(self.comparable(run.out), self.comparable(self.whole.out), run)
        return True

    def assert_one_line(self, run, codes):
        self.test.assertIn(run.code, codes, run)
        lines = run.err.splitlines()
        self.test.assertEqual(len(lines), 1, run)
        self.test.assertTrue(lines[0].startswith("tidemark: "), run)
        self.test.assertTrue(run.err.endswith("\n"), run)
        self.test.assertGreater(len(lines[0]), len("tidemark: ") + 12, run)
        if not self.speaks:
            self.test.assertEqual(run.out, "", run)
        self.test.assert_harmless(run)

    def assert_inside(self, run, folder):
        """No file outside the library was touched, but for the one that was asked for."""
        library = str(folder / "tidemark")
        for change in run.log:
            path = os.path.normpath(change.path)
            inside = path == library or path.startswith(library + "/") or path == "/dev/null"
            asked = self.writes and os.path.dirname(path) == str(folder) and \
                os.path.basename(path).startswith(self.writes)
            # The folder of a file that was asked for is synced.
            shared = path == str(folder) and change.what in ("mkdir", "sync")
            self.test.assertTrue(inside or asked or shared, "%s\ntouched %s" % (run, change))

    @staticmethod
    def puts(run):
        """How many states came to the disk, each with a sync of the log of states.db."""
        sizes = [32]  # of a log that holds its header alone
        for change in run.log:
            if change.what == "sync" and change.done and change.path.endswith("/states.db-wal") \
                    and int(change.more) > sizes[-1]:
                sizes.append(int(change.more))
        return len(sizes) - 1

    def judge(self, folder, run, ended):
        """Looks at what a faulty run left: `ended` says that it reported success."""
        self.assert_inside(run, folder)
        if self.writes:
            self.judge_file(folder, run, ended)
        key = content(folder / "tidemark")
        with self.lock:
            left = self.seen.get(key)
        if left is None:  # what follows from the same files need not be seen twice
            left = self.judge_what_is_left(folder, run)
            with self.lock:
                self.seen[key] = left
        if ended:
            self.test.assertFalse(self.lacking(left), "%s\nreported as done, but lost" % run)
        if self.reads:
            # Of the sections whose state came to the disk, the last may not be noted as read.
            done = sections_read(left, self.reads) - sections_read(self.original, self.reads)
            self.test.assertGreaterEqual(done, self.puts(run) - self.extra - 1,
                                         "%s\nmore than one section is read again" % run)

    def judge_file(self, folder, run, ended):
        """It is there as a whole or not at all."""
        beside = [path.name for path in folder.iterdir() if path.name.startswith(self.writes)]
        killed, cannot_unlink = run.code < 0, run.fault.get("FAULTS_CLASS") == "name"
        if ended:
            self.test.assertIn(self.writes, beside, run)
        if not killed and not cannot_unlink:
            self.test.assertIn(beside, ([], [self.writes]), "%s\nhalf a file is left" % run)
        if self.makes and self.writes in beside:
            self.test.assertTrue((folder / self.writes).read_bytes() == self.made,
                                 "%s\nleft another file" % run)
        elif self.writes in beside:
            copy = dump_file(folder / self.writes, folder / "third", run)
            self.test.assertEqual(without_states(copy), without_states(self.outcome), run)
        for name in beside:
            (folder / name).unlink()

    def lacking(self, tables):
        """Rows that the undisturbed command leaves and that are not there."""
        return {name: found - tables[name] for name, found in self.outcome.items()
                if found - tables[name]}

    @staticmethod
    def look(folder, note):
        """Checks the library and returns what it holds."""
        library, second = folder / "tidemark", folder / "second"
        if library.exists():
            shutil.copytree(library, second)  # so that looking heals nothing
        try:
            return dump(second)
        except (AssertionError, sqlite3.Error) as problem:
            raise AssertionError("%s\nleft: %s" % (note, problem)) from problem
        finally:
            shutil.rmtree(second, ignore_errors=True)

    def judge_what_is_left(self, folder, run):
        left = self.look(folder, run)
        self.judge_losses(left, run)
        again = self.run_in_peace(folder)
        note = "%s\nafter\n%s" % (again, run)
        gone = self.loses == "all" and without_states(left) == without_states(self.outcome)
        if gone and again.code == INPUT:
            self.test.assertIn("no document", again.err, note)
        else:
            self.test.assertEqual(again.code, self.expected_code, note)
            if not self.loses or self.reads:
                self.test.assertEqual(self.comparable(again.out), self.comparable(self.whole.out),
                                      note)
        if self.reads:
            self.judge_reading(again.json, left, note)
        finished = self.look(folder, note)
        for name in sorted({*finished, *self.outcome}):
            if name in self.varies:
                continue
            if self.loses == "all" and name == "state":  # one that was left alone may stay
                self.test.assertFalse(self.outcome[name] - finished[name], note)
            else:
                self.test.assertEqual(finished[name], self.outcome[name],
                                      "table %s: %s" % (name, note))
        return left

    def judge_losses(self, left, run):
        if self.loses == "all":
            self.test.assertIn(without_states(left), (without_states(self.original),
                                                      without_states(self.outcome)), run)
            return
        for name, before in self.original.items():
            if name in ("reading", "model"):  # whose rows change
                self.test.assertGreaterEqual(len(left[name]), len(before), run)
                continue
            # Of what a command removes, all that it leaves alone is there; what a reading
            # replaces is looked at by judge().
            needed = {row for row in before & self.outcome[name] if not self.is_read(row)} \
                if name in self.loses else before
            self.test.assertFalse(needed - left[name], "%s\nlost of %s" % (run, name))

    def is_read(self, row):
        fields = dict(row)
        return self.reads and self.reads in (fields.get("document"), fields.get("name"),
                                             fields.get("reading", [None])[0])

    def judge_reading(self, result, left, note):
        """It went on where the library says."""
        done = sections_read(left, self.reads)
        tokens = ends(self.outcome, self.reads)
        # Of what was read before, the end may have changed.
        self.test.assertIn(result["resumed_at"],
                           (tokens[done], self.whole.json["resumed_at"]), note)
        self.test.assertEqual(result["tokens"], tokens[-1], note)
        self.test.assertEqual(result["resumed_at"] + result["tokens_read"], tokens[-1], note)

    # -- one run and many --

    def each(self, faults, look):
        """look(fault) for all, on all processors; the failures as one."""
        problems = []
        workers = len(os.sched_getaffinity(0))

        def attempt(fault):
            try:
                look(fault)
            except AssertionError as problem:
                return problem
            except Exception as problem:  # of the test itself; with the fault it is found
                return AssertionError("%r: %s" % (problem, fault))
            return None

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for problem in pool.map(attempt, faults):
                if problem:
                    problems.append(problem)
        self.count += len(faults)
        if problems:
            kinds = collections.defaultdict(list)
            for problem in problems:
                kinds[re.sub(r"/\S*/|[0-9a-f]*\d+[0-9a-f]*", "", str(problem))].append(problem)
            shown = "\n\n".join("%d times, such as: %s" % (len(alike), alike[0])
                                for alike in list(kinds.values())[:12])
            self.test.fail("%d of %d faults\n\n%s" % (len(problems), len(faults), shown))

    def inject(self, fault, codes, words=""):
        """One run with a fault, which shows with one of `codes` and says `words`, or not."""
        with self.copy() as folder:
            run = self.run(folder, fault)
            self.test.assertGreaterEqual(run.code, 0, "killed by a signal: %s" % run)
            ended = self.succeeded(run)
            if not ended:
                self.test.assertGreater(run.failed, 0, "fails without a fault: %s" % run)
                self.assert_one_line(run, codes)
                self.test.assertIn(words, run.err, run)
            self.judge(folder, run, ended)
            self.slowest = max(self.slowest, run.seconds)

    def kill(self, fault):
        """One run that is killed on its way."""
        with self.copy() as folder:
            run = self.run(folder, fault)
            if run.code != -signal.SIGKILL:
                self.test.assertTrue(self.succeeded(run), run)
            reported = bool(run.out) and \
                self.comparable(run.out) == self.comparable(self.whole.out)
            self.test.assertIn(run.err, ("", self.whole.err), run)
            self.judge(folder, run, reported)


class Copy:
    """A folder with a copy of a stage's library, for the time of a `with`."""

    def __init__(self, stage):
        self.stage = stage

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=self.stage.home.folder / "runs"))
        shutil.copytree(self.stage.library, self.folder / "tidemark")
        return self.folder

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def shim():
    return str(pathlib.Path(harness.options.build) / "tests" / "faults" / "faults.so")


class Test(harness.Test):
    maxDiff = 2000

    def setUp(self):
        if harness.options.sanitized:
            self.skipTest("a sanitizer wants the C library to itself")
        if not os.path.exists(shim()):
            self.skipTest("faults.so is not built here")


def add_tests(case, names):
    """A test for each command, which calls try_all() with its name."""
    for name in names:
        setattr(case, "test_" + name, lambda self, name=name: self.try_all(name))


def main():
    # In memory a sync costs nothing; what is synced is seen by faults.so all the same.
    if os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"
    harness.main()
