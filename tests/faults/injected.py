"""The n-th call fails, for n = 1, 2, 3 ... until the command runs to its end, once or
from there on: the exit code is a documented one, one line says what failed, and what is
left is sound: nothing that was there is lost, the command itself then goes on, reads at
most one section again, and ends as if there had been no fault."""

import errno
import time

import faults
from commands import COMMANDS, FIRST, OTHERS
from faults import CLASSES, FAILURES, Stage


def fault(kind, number, persist, n):
    given = {"FAULTS_CLASS": kind, "FAULTS_FIRST": n, "FAULTS_ERRNO": number}
    if persist:
        given["FAULTS_PERSIST"] = 1
    return given


class Injected(faults.Test):
    def try_all(self, name):
        begun = time.monotonic()
        stage = Stage(self, **COMMANDS[name])
        count = 28 if name in FIRST else 12
        told = []
        for kind in CLASSES:
            numbers, codes = FAILURES[kind][0], stage.codes(kind)
            total, before = stage.whole.calls[kind], stage.count
            for number in numbers if faults.ALL else numbers[:1]:
                for persist in (False, True):
                    with self.subTest(kind, errno=errno.errorcode[number], persist=persist):
                        stage.each([fault(kind, number, persist, n)
                                    for n in faults.numbers(total, count)],
                                   lambda given: stage.inject(given, codes))
            if total:
                told.append("%d of %d %ss" % (stage.count - before, total, kind))
        print("%s: %s; %.0f s, the slowest took %.1f s" % (
            name, ", ".join(told), time.monotonic() - begun, stage.slowest), flush=True)

    def test_others(self):
        stage = Stage(self, **COMMANDS["ls"])
        for command in OTHERS:
            with self.subTest(command[0]):
                with stage.copy() as folder:
                    total = stage.run(folder, {}, command).calls["allocation"]
                self.assertGreater(total, 0)
                stage.each([fault("allocation", errno.ENOMEM, persist, n)
                            for persist in (False, True) for n in faults.numbers(total, 10)],
                           lambda given: self.survives(stage, command, given))

    def survives(self, stage, command, given):
        with stage.copy() as folder:
            run = stage.run(folder, given, command)
            self.assertIn(run.code, range(0, 6), run)
            self.assert_harmless(run)
            stage.assert_inside(run, folder)
            if run.code and not run.out:
                self.assertEqual(run.err.count("tidemark: "), 1, run)


faults.add_tests(Injected, COMMANDS)

if __name__ == "__main__":
    faults.main()
