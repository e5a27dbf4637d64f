"""The clock goes backwards, before a command or in its middle: nothing comes of it."""

import time

import faults
from commands import COMMANDS
from contents import dump
from faults import Stage

DAY = 86400


class Clock(faults.Test):
    def try_clock(self, stage, fault):
        with stage.copy() as folder:
            run = stage.run(folder, fault)
            self.assertTrue(stage.succeeded(run), run)
            stage.judge(folder, run, not stage.varies)

    def try_all(self, name):
        stage = Stage(self, **COMMANDS[name])
        if stage.loses == ("state",):  # which is kept depends on when it was used
            stage.varies = stage.loses
        now = int(time.time())
        # A second, a year, to 1970, before 1970, far ahead and so later back.
        jumps = (-1, -365 * DAY, -now, -now - 10 * DAY, 50 * 365 * DAY)
        calls = faults.some(range(0, stage.whole.clock_calls + 1), 4)
        chosen = [{"FAULTS_CLOCK": jump, "FAULTS_CLOCK_CALLS": call}
                  for jump in jumps for call in calls]
        stage.each(chosen, lambda fault: self.try_clock(stage, fault))
        print("%s: %d jumps in %d looks at the clock" % (name, stage.count,
                                                         stage.whole.clock_calls), flush=True)

    def test_command_after_command(self):
        """Each a year earlier than the one before, from far ahead to before 1970."""
        stage = Stage(self, **COMMANDS["read_first"])
        commands = (stage.command, ("ask", "new", "Who?", "--max-tokens", "2", "--quiet"),
                    ("sum", "new:2", "--quiet"), ("show", "new"), ("ls",), stage.command)
        year = 40
        with stage.copy() as folder:
            for _ in range(10):
                for arguments in commands:
                    run = stage.run(folder, {"FAULTS_CLOCK": year * 365 * DAY}, arguments)
                    self.assertIn(run.code, (0, 6), run)
                    self.assertEqual(run.err, "", run)
                    year -= 2
            left = dump(folder / "tidemark")
            for table in ("section", "reading", "section_reading"):
                self.assertEqual(left[table], stage.outcome[table])


faults.add_tests(Clock, COMMANDS)

if __name__ == "__main__":
    faults.main()
