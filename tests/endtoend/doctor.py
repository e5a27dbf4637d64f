"""`tidemark doctor` where all is well, and where everything is broken. It changes nothing."""

import os
import pty
import shutil
import socket
import sqlite3
import struct
import subprocess

import harness
from harness import INPUT, MODEL, STORE, USAGE

# What a remedy may begin with, besides a verb.
COMMANDS = ("export", "unset", "stty", "chmod", "tidemark")


def tree(folder):
    """All that can be seen of a folder, reading apart."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        found[str(path)] = (facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ino, content)
    return found


class Doctor(harness.Test):
    def examine(self, user, *arguments, code=0):
        """Every check by its name; the whole home stays as it is."""
        before = tree(user.folder)
        text = user.run("doctor", *arguments)
        result = user.run("doctor", "--json", *arguments)
        self.assertEqual(tree(user.folder), before)
        self.assertEqual((result.code, text.code), (code, code), text)
        for each in (text, result):
            self.assertEqual(each.err, "", each)
            self.assert_harmless(each)
        checks = {}
        for item in result.lines:
            self.assertEqual(set(item), {"check", "status", "found", "remedy"})
            self.assertNotIn(item["check"], checks)
            self.assertIn(item["status"], ("ok", "note", "problem"))
            self.assertTrue(item["found"])
            self.assertEqual(item["remedy"] is None, item["status"] == "ok", item)
            if item["remedy"]:
                first = item["remedy"].split()[0]
                self.assertTrue(first in COMMANDS or first[0].isupper(), item)
            checks[item["check"]] = item
        self.assertEqual(code == 0, not self.of_status(checks, "problem"), text)
        for name in checks:
            self.assertIn(name, text.out)
        return checks

    @staticmethod
    def of_status(checks, status):
        return {name for name, item in checks.items() if item["status"] == status}

    def read(self, user):
        path = user.write("book.md", harness.book(3))
        self.good(user, "read", path, "--quiet")
        return path

    def database(self, content, name="library.db"):
        user = self.tiny_home()
        user.library.mkdir(parents=True, mode=0o700)
        path = user.library / name
        if content is not None:
            path.write_bytes(content)
            path.chmod(0o600)
        return user, path

    def test_all_is_well(self):
        user = self.tiny_home()
        checks = self.examine(user)
        for name in ("terminal", "locale", "encodings", "formats", "processor", "cores", "configuration",
                     "model", "memory", "library folder", "disk", "disk space", "library.db",
                     "states.db", "clock"):
            self.assertIn(name, checks)
        self.assertIn("the first `tidemark read`", checks["library.db"]["found"])
        self.assertFalse(user.library.exists())
        self.read(user)
        checks = self.examine(user)
        for name in ("library folder", "permissions", "library.db", "states.db", "clock", "locale"):
            self.assertEqual(checks[name]["status"], "ok", checks[name])
        self.assertIn("sound", checks["library.db"]["found"])
        self.assertIn("sound", checks["states.db"]["found"])

    def test_everything_is_broken(self):
        user = self.home()
        (user.folder / "data").write_text("a file in place of a folder")
        (user.folder / "config" / "tidemark").mkdir(parents=True)
        (user.folder / "config" / "tidemark" / "config").write_text("\x1b[31m nonsense\n")
        user.environment.update(TIDEMARK_CPU="\x1b]0;x\x07", LC_ALL="nowhere", HOME="",
                                TIDEMARK_MODEL="/nowhere/\x1b[31m\u202emodel.gguf", COLORTERM="\x1b")
        user.environment.pop("TERM", None)
        checks = self.examine(user, code=USAGE)
        self.assertEqual(self.of_status(checks, "problem"),
                         {"configuration", "model", "library folder"})
        self.assertLessEqual({"locale", "processor"}, self.of_status(checks, "note"))

    def test_configuration(self):
        user = self.tiny_home()
        (user.folder / "config" / "tidemark").mkdir(parents=True)
        path = user.folder / "config" / "tidemark" / "config"
        for content in ("modle = x\n", "budget = much\n", "model = a\nmodel = b\n", "[other]\na=b\n"):
            path.write_text(content)
            checks = self.examine(user, code=USAGE)
            self.assertEqual(self.of_status(checks, "problem"), {"configuration"})
            self.assertIn(str(path), checks["configuration"]["found"])
        path.write_text("budget = 1T\n")
        self.assertEqual(self.examine(user)["configuration"]["status"], "ok")
        path.write_text("budget = 8000T\n")
        checks = self.examine(user)
        self.assertEqual(checks["disk space"]["status"], "note")

    def test_model(self):
        user = self.tiny_home()
        sound = user.model.read_bytes()
        for content in (b"", b"GGUF", sound[:5000], b"# a text\n" * 99, bytes(9000)):
            user.model.write_bytes(content)
            checks = self.examine(user, code=MODEL)
            self.assertEqual(self.of_status(checks, "problem"), {"model"})
            self.assertIn(str(user.model), checks["model"]["found"])
        self.examine(user, "--model", "/nowhere.gguf", code=MODEL)
        self.examine(user, "--model", str(user.folder), code=MODEL)

    def test_no_database(self):
        for name in ("library.db", "states.db"):
            for content in (b"hello\n" * 100, bytes(5000), b"x", b"SQLite format 3\0" + bytes(84)
                            + harness.dice.randbytes(4000)):
                user, path = self.database(content, name)
                checks = self.examine(user, code=STORE)
                self.assertEqual(self.of_status(checks, "problem"), {name}, checks)
                self.assertIn(str(path), checks[name]["found"])
            user, path = self.database(b"", name)
            self.assertEqual(self.examine(user)[name]["status"], "ok")
            user, path = self.database(None, name)
            path.mkdir(mode=0o700)
            self.examine(user, code=STORE)

    def test_foreign_database(self):
        for name in ("library.db", "states.db"):
            user, path = self.database(None, name)
            with sqlite3.connect(path) as connection:
                connection.execute("CREATE TABLE accounts (name TEXT)")
            connection.close()
            path.chmod(0o600)
            self.assertIn("another program", self.examine(user, code=STORE)[name]["found"])

    def test_damaged_database(self):
        for name in ("library.db", "states.db"):
            user = self.tiny_home()
            self.read(user)
            path = user.library / name
            sound = path.read_bytes()
            for content in (sound[:len(sound) // 2],
                            sound[:9000] + harness.dice.randbytes(20000) + sound[29000:]):
                path.write_bytes(content)
                checks = self.examine(user, code=STORE)
                self.assertEqual(self.of_status(checks, "problem"), {name})
            newer = bytearray(sound)
            newer[60:64] = struct.pack(">I", 99)  # user_version
            path.write_bytes(newer)
            self.assertIn("newer", self.examine(user, code=STORE)[name]["found"])

    def test_database_of_an_earlier_version(self):
        old = harness.SOURCE / "tests" / "migrations" / "library-1.db"
        if not old.exists():
            self.skipTest("no library of version 0.1.0 here")
        user, _ = self.database(old.read_bytes())
        checks = self.examine(user)
        self.assertEqual(checks["library.db"]["status"], "note")
        self.assertIn("layout 1", checks["library.db"]["found"])

    def test_database_in_use(self):
        """Another process has it open, and writes are in the log alone."""
        user = self.tiny_home()
        self.read(user)
        connection = sqlite3.connect(user.library / "library.db")
        self.addCleanup(connection.close)
        connection.execute("UPDATE document SET added_at = 4102444800")
        connection.commit()
        self.assertGreater((user.library / "library.db-wal").stat().st_size, 0)
        checks = self.examine(user)
        self.assertEqual(checks["library.db"]["status"], "ok", checks["library.db"])
        self.assertEqual(checks["clock"]["status"], "note")
        self.assertIn("2100-01-01", checks["clock"]["found"])

    def test_log_of_a_killed_process(self):
        user = self.tiny_home()
        self.read(user)
        connection = sqlite3.connect(user.library / "library.db")
        connection.execute("UPDATE document SET added_at = 4102444800")
        connection.commit()
        copy, whole = self.tiny_home(), self.tiny_home()
        shutil.copytree(user.library, whole.library)
        copy.library.mkdir(parents=True, mode=0o700)
        for name in ("library.db", "library.db-wal", "states.db"):
            shutil.copy2(user.library / name, copy.library)
        connection.close()
        checks = self.examine(whole)
        self.assertEqual(checks["library.db"]["status"], "ok")
        self.assertIn("2100-01-01", checks["clock"]["found"])
        # Without the index of the log that lay beside it, it cannot be read unchanged.
        self.assertEqual(self.examine(copy)["library.db"]["status"], "note")
        self.good(copy, "ls")
        checks = self.examine(copy)
        self.assertEqual(checks["library.db"]["status"], "ok")
        self.assertEqual(checks["clock"]["status"], "note")

    def test_hostile_paths(self):
        user = self.tiny_home()
        library = user.folder / "a?b#c%41 \x1b[31m\u202e"
        path = user.write("book.md", harness.book(1))
        self.good(user, "read", path, "--no-model", "--quiet", "-l", library)
        checks = self.examine(user, "-l", library)
        self.assertEqual(checks["library.db"]["status"], "ok")

    def test_folder(self):
        user = self.tiny_home()
        file = user.write("file", "text")
        for folder in (file, file / "below", file / "far" / "below"):
            self.examine(user, "-l", folder, code=STORE)
        loop = user.folder / "loop"
        loop.symlink_to(loop)
        self.examine(user, "-l", loop, code=STORE)
        self.read(user)
        user.library.chmod(0o755)
        checks = self.examine(user)
        self.assertEqual(checks["permissions"]["status"], "note")
        self.assertIn("0755", checks["permissions"]["found"])
        user.library.chmod(0o700)
        (user.library / "states.db").chmod(0o640)
        self.assertIn("states.db (mode 0640)", self.examine(user)["permissions"]["found"])

    def test_folder_that_may_not_be_used(self):
        user = self.tiny_home()
        self.read(user)
        user.library.chmod(0o500)
        if os.geteuid() == 0:  # may write everywhere
            user.give_to(65534)
            try:
                user.run("--version")
            except PermissionError:
                self.skipTest("only root may run the program here")
        checks = self.examine(user, code=STORE)
        self.assertIn("library folder", self.of_status(checks, "problem"))
        user.library.chmod(0)
        checks = self.examine_unseen(user)
        self.assertIn("library.db", self.of_status(checks, "problem"))

    def examine_unseen(self, user):
        result = user.run("doctor", "--json")
        self.assertEqual(result.code, STORE, result)
        return {item["check"]: item for item in result.lines}

    def test_nothing_that_is_no_file_is_opened(self):
        user, path = self.database(None)
        os.mkfifo(path)  # opening it would wait for a writer
        self.examine_unseen(user)
        path.unlink()
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(path.parent)
            server.bind(path.name)
            self.examine_unseen(user)
        os.chdir("/")

    def test_processor(self):
        user = self.tiny_home()
        checks = self.examine(user, "--kernels", "nonsuch", code=USAGE)
        self.assertEqual(self.of_status(checks, "problem"), {"processor"})
        user.environment["TIDEMARK_CPU"] = "nonsuch"
        self.assertIn("changes nothing", self.examine(user)["processor"]["found"])
        user.environment["TIDEMARK_CPU"] = "reference"
        self.assertIn("reference", self.examine(user)["processor"]["found"])

    def test_terminal(self):
        def seen(environment, rows, columns):
            user = self.tiny_home()
            user.environment.pop("TERM", None)
            user.environment.update(environment)
            script = ("stty rows %d cols %d; exec '%s' doctor --json"
                      % (rows, columns, harness.options.program))
            main, other = pty.openpty()
            process = subprocess.Popen(["sh", "-c", script], stdin=other, stdout=subprocess.PIPE,
                                       stderr=other, env=user.environment)
            os.close(other)
            out, _ = process.communicate(timeout=harness.PATIENCE)
            os.close(main)
            return harness.Result((), process.returncode, out, b"", 0).lines[0]

        self.assertEqual(seen({"TERM": "xterm"}, 24, 80)["status"], "ok")
        self.assertEqual(seen({}, 24, 80)["remedy"], "export TERM=xterm-256color")
        self.assertEqual(seen({"TERM": "xterm"}, 4, 80)["status"], "note")
        self.assertEqual(seen({"TERM": "xterm"}, 24, 19)["status"], "note")
        self.assertEqual(seen({"TERM": "xterm"}, 0, 0)["status"], "note")

    def test_locale(self):
        user = self.tiny_home()
        for environment in ({"LC_ALL": "C"}, {"LC_ALL": "", "LC_CTYPE": "C", "LANG": "C.UTF-8"}):
            user.environment.update(environment)
            locale = self.examine(user)["locale"]
            self.assertEqual((locale["status"], locale["remedy"]),
                             ("note", "export LC_ALL=C.UTF-8"))
        user.environment.update(LC_ALL="", LC_CTYPE="", LANG="C.UTF-8")
        self.assertEqual(self.examine(user)["locale"]["status"], "ok")

    def test_arguments(self):
        self.assert_refused(self.home().run("doctor", "me"), (USAGE, INPUT))


if __name__ == "__main__":
    harness.main()
