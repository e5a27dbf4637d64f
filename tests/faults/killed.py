"""The process is killed before every change that it makes to a file, in the middle of a
write, or with the power, so that what was not synced is lost: what is left is sound, what
was reported is there, and the command goes on."""

import signal

import faults
import harness
from commands import CHANGING, COMMANDS
from contents import sections_read
from faults import Stage

KILLS = 10  # of each kind, for each command
ROUNDS = 4

WAYS = {
    "before": lambda: {},
    "within a write": lambda: {"FAULTS_TEAR": 1},
    "with the power": lambda: {"FAULTS_CUT": 0},
    "with the power, but some was on the disk": lambda: {
        "FAULTS_CUT": harness.dice.randrange(1, 1 << 31)},
}


class Killed(faults.Test):
    def try_all(self, name):
        stage = Stage(self, **COMMANDS[name])
        changes = stage.whole.changes
        self.assertGreater(changes, 10)
        for way, more in WAYS.items():
            with self.subTest(way):
                stage.each([dict(more(), FAULTS_KILL=n)
                            for n in faults.some(range(1, changes + 1), KILLS)], stage.kill)
        print("%s: killed %d times at %d changes" % (name, stage.count, changes), flush=True)

    def test_again_and_again(self):
        """Killed time after time, a reading comes to its end all the same."""
        stage = Stage(self, **COMMANDS["read"])
        for _ in range(20 * ROUNDS if faults.ALL else ROUNDS):
            with stage.copy() as folder:
                kept = -1
                for _ in range(1000):
                    n = harness.dice.randrange(1, stage.whole.changes)
                    run = stage.run(folder, {"FAULTS_TEAR": 1, "FAULTS_KILL": n})
                    stage.assert_inside(run, folder)
                    left = stage.look(folder, run)
                    done = sections_read(left, stage.reads)
                    self.assertGreaterEqual(done, kept, "a kill lost a section: %s" % run)
                    kept = done
                    if run.code == 0:
                        break
                    self.assertEqual(run.code, -signal.SIGKILL, run)
                self.assertEqual(run.code, 0, "never comes to its end: %s" % run)
                self.assertEqual(stage.look(folder, run), stage.outcome, run)


faults.add_tests(Killed, CHANGING)

if __name__ == "__main__":
    faults.main()
