"""A full disk, a disk that can only be read, a folder of somebody else."""

import os
import shutil
import subprocess

import faults
import harness
from commands import CHANGING, COMMANDS
from contents import content, dump
from faults import Stage
from harness import INPUT, STORE, SYSTEM

SIZES = 10  # tried, for each command


class Full(faults.Test):
    def try_all(self, name):
        """Of all the bytes that the library would grow by, so many find room."""
        stage = Stage(self, **COMMANDS[name])
        grown = stage.whole.grown
        self.assertGreater(grown, 0)
        step = 4000 if faults.ALL else 1
        sizes = faults.some(range(0, grown, step), SIZES)
        stage.each([{"FAULTS_FULL": size} for size in sizes],
                   lambda fault: stage.inject(fault, (STORE,), "space"))
        with stage.copy() as folder:
            run = stage.run(folder, {"FAULTS_FULL": 2 * grown})
            self.assertTrue(stage.succeeded(run), run)
        print("%s: %d sizes up to %d bytes" % (name, stage.count, grown), flush=True)

    def test_for_real(self):
        stage = Stage(self, **COMMANDS["read_first"])
        library = stage.home.folder / "small" / "tidemark"
        library.mkdir(parents=True)
        if not mount(library, "size=300k"):
            self.skipTest("no file system can be mounted here")
        try:
            run = stage.run(library.parent, {})
            stage.assert_one_line(run, (STORE,))
            self.assertIn("space", run.err)
            stage.assert_inside(run, library.parent)
            for command in (("ls",), ("ls", "--json"), ("show", "1")):
                listed = stage.run(library.parent, {}, (*command, "--quiet"))
                self.assertIn(listed.code, (0, INPUT, STORE), listed)
                self.assertEqual(listed.err.count("\n"), 0 if listed.code == 0 else 1, listed)
            dump(library)  # checks both databases
            self.assertTrue(mount(library, "remount,size=50m"))
            again = stage.run(library.parent, {})
            self.assertEqual(again.code, 0, again)
            self.assertEqual(dump(library), stage.outcome, again)
        finally:
            subprocess.run(["umount", str(library)], check=True)

    def test_standard_output(self):
        """An answer that cannot be printed is kept all the same."""
        for name, code in (("ask", SYSTEM), ("sum", SYSTEM), ("read", SYSTEM), ("ls", SYSTEM)):
            stage = Stage(self, **COMMANDS[name])
            with self.subTest(name), stage.copy() as folder, open("/dev/full", "w") as full:
                run = stage.run(folder, {}, out=full)
                stage.assert_one_line(run, (code,))
                self.assertIn("standard output", run.err)
                self.assertFalse(stage.lacking(dump(folder / "tidemark")), run)


def mount(folder, how):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


class ReadOnly(faults.Test):
    def refused(self, stage, folder, run):
        stage.assert_one_line(run, (STORE,))
        self.assertEqual(content(folder / "tidemark"), stage.same, run)

    def test_disk(self):
        for name in COMMANDS:
            if name == "usage":
                continue
            stage = Stage(self, **COMMANDS[name])
            with self.subTest(name), stage.copy() as folder:
                run = stage.run(folder, {"FAULTS_READONLY": 1})
                self.refused(stage, folder, run)
                self.assertFalse([change for change in run.log if change.done], run)
            with self.subTest(name, empty=True), stage.copy() as folder:
                shutil.rmtree(folder / "tidemark")
                run = stage.run(folder, {"FAULTS_READONLY": 1})
                self.refused_without_library(stage, folder, run)

    def refused_without_library(self, stage, folder, run):
        stage.assert_one_line(run, (STORE,))
        self.assertFalse((folder / "tidemark").exists(), run)

    def test_folder(self):
        """Nobody but root is stopped by the bits of a file, so another user is tried."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        for name in ("read", "ask", "sum", "rm", "ls", "show"):
            for folder_mode, file_mode in ((0o555, 0o444), (0o555, 0o644), (0o755, 0o444)):
                with self.subTest(name, folder=oct(folder_mode), files=oct(file_mode)):
                    self.try_folder(name, folder_mode, file_mode)

    def try_folder(self, name, folder_mode, file_mode):
        stage = Stage(self, **COMMANDS[name])
        stage.home.give_to(65534)
        os.chmod(stage.library, folder_mode)
        for path in stage.library.iterdir():
            path.chmod(file_mode)
        try:
            run = stage.home.run(*stage.fill_in(stage.command, None))
        except PermissionError:
            self.skipTest("only root may run the program here")
        stage.assert_one_line(run, (STORE,))
        self.assertEqual(content(stage.library), stage.same, run)
        os.chmod(stage.library, 0o700)
        for path in stage.library.iterdir():
            path.chmod(0o600)
        again = stage.home.run(*stage.fill_in(stage.command, None))
        self.assertEqual(again.code, stage.expected_code, again)
        self.assertEqual(dump(stage.library), stage.outcome, again)


faults.add_tests(Full, CHANGING)

if __name__ == "__main__":
    faults.main()
