"""The installed program, apart from the source tree, finds what came with it."""

import pathlib
import re
import shutil
import subprocess
import unittest

import harness
from harness import BUNDLED, SAMPLE


class Install(harness.Test):
    @classmethod
    def setUpClass(cls):
        if not BUNDLED.exists():
            raise unittest.SkipTest("no bundled model to install")
        cls.place = harness.Home()
        cls.addClassCleanup(cls.place.remove)
        cls.prefix = cls.place.folder / "prefix"
        done = subprocess.run(
            ["cmake", "--install", harness.options.build, "--prefix", str(cls.prefix)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout)

    def found(self, prefix):
        programs = list(prefix.rglob("bin/tidemark"))
        self.assertEqual(len(programs), 1)
        user = self.home()
        elsewhere = user.folder / "elsewhere"
        elsewhere.mkdir()
        return user, programs[0], elsewhere

    def check(self, prefix):
        user, program, elsewhere = self.found(prefix)
        model = self.good(user, "model", "--json", program=program, cwd=elsewhere).json
        self.assertEqual(model["found_by"], "bundled")
        self.assertTrue(model["path"].startswith(str(prefix)), model["path"])
        user.write("elsewhere/note.md", "# Note\n\nThe ferry leaves at nine.\n")
        read = self.good(user, "read", "note.md", "--json", "--quiet", program=program,
                         cwd=elsewhere).json
        self.assertEqual(read["path"], str(elsewhere / "note.md"))
        self.assertEqual(read["tokens"], read["tokens_read"])
        asked = user.run("ask", "note", "When does the ferry leave?", "--json", program=program,
                         cwd=elsewhere)
        self.assertIn(asked.code, (0, harness.NOT_FOUND), asked)

    def test_runs_where_it_was_installed(self):
        self.check(self.prefix)

    def test_runs_after_a_move(self):
        moved = self.place.folder / "moved here"
        shutil.copytree(self.prefix, moved)
        self.check(moved)

    def test_runs_through_a_link(self):
        user, program, elsewhere = self.found(self.prefix)
        link = elsewhere / "tm"
        link.symlink_to(program)
        model = self.good(user, "model", "--json", program=link, cwd=elsewhere).json
        self.assertTrue(model["path"].startswith(str(self.prefix)), model["path"])

    def test_what_is_installed(self):
        names = {str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*")
                 if path.is_file()}
        for name in ("bin/tidemark", "share/man/man1/tidemark.1",
                     "share/bash-completion/completions/tidemark",
                     "share/zsh/site-functions/_tidemark",
                     "share/fish/vendor_completions.d/tidemark.fish",
                     "share/tidemark/models/" + BUNDLED.name,
                     "share/tidemark/samples/" + SAMPLE.name):
            self.assertIn(name, names)
        for source, name in ((BUNDLED, "models/" + BUNDLED.name),
                             (SAMPLE, "samples/" + SAMPLE.name)):
            installed = pathlib.Path(self.prefix, "share/tidemark", name)
            self.assertEqual(installed.read_bytes(), source.read_bytes())
        program = (self.prefix / "bin/tidemark").stat()
        self.assertEqual(program.st_mode & 0o777, 0o755)
        for shell, name in (("bash", "share/bash-completion/completions/tidemark"),
                            ("zsh", "share/zsh/site-functions/_tidemark"),
                            ("fish", "share/fish/vendor_completions.d/tidemark.fish")):
            printed = self.good(self.home(), "completions", shell).raw_out
            self.assertEqual((self.prefix / name).read_bytes(), printed)

    def test_manual_page(self):
        page = self.prefix / "share/man/man1/tidemark.1"
        if not shutil.which("mandoc"):
            self.skipTest("no mandoc here")
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual((lint.returncode, lint.stdout), (0, b""))
        shown = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=78", str(page)], check=True,
                               stdout=subprocess.PIPE).stdout.decode()
        shown = re.sub(".\b", "", shown)  # letters struck over
        user = self.home()
        commands = re.findall("(?m)^  ([a-z]+) ", self.good(user, "help").out.split("Options")[0])
        self.assertIn("completions", commands)
        for command in commands:
            self.assertRegex(shown, "(?m)^ +tidemark " + command)
            for option in re.findall("--[a-z-]+", self.good(user, "help", command).out):
                self.assertIn(option, shown)


if __name__ == "__main__":
    harness.main()
