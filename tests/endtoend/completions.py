"""The shells' completions, in the shells: what they offer, and that no document's name
is ever run."""

import os
import pathlib
import pty
import select
import shutil
import subprocess
import time

import harness

# Whatever a shell would act on, and what a terminal would.
EVIL = "evil $(touch ran)`touch ran`\"';touch ran;&|<>*?[]{}~#! \u00fc"
NAMES = ("plain", "two words", "it's", 'say "hi"', "$(touch ran)", "`touch ran`", "a;touch ran",
         "~root", "*", "#hash", "!bang", "a&b|c>d", "a=b", "with:colon", "{x,y}", "(p)", "[q]",
         " blank ", "\u00dcberblick", EVIL)
# Offered by number: they cannot be typed, or would be taken for something else.
NUMBERED = ("new\nline", "tab\there", "\x1b[31mred", "\u202ebackwards", "back\\slash", "-rf",
            "1999", "\U0001F4DA books")


class Shells(harness.Test):
    @classmethod
    def setUpClass(cls):
        cls.user = harness.Home()
        cls.addClassCleanup(cls.user.remove)
        cls.text = cls.user.write("text.md", "# A title\n\nSome words.\n")
        cls.numbers = {}
        for index, name in enumerate(NAMES + NUMBERED):
            path = cls.user.write("source-%d.md" % index, "# Title\n\nText %d.\n" % index)
            done = cls.user.run("read", "--no-model", "--quiet", "--as=" + name, path)
            if done.code:
                raise AssertionError(str(done))
        for line in cls.user.run("ls", "--json").lines:
            cls.numbers[line["name"]] = str(line["id"])
        cls.expected = sorted(NAMES) + sorted(cls.numbers[name] for name in NUMBERED)
        cls.folder = cls.user.folder / "cwd"
        (cls.folder / "inner folder").mkdir(parents=True)
        (cls.folder / "model file.gguf").write_text("")
        # What a shell runs as tidemark: the real one, or a note of how it was called.
        programs = cls.user.folder / "bin"
        programs.mkdir()
        cls.called = cls.user.folder / "called"
        (programs / "tidemark").write_text(
            "#!/bin/sh\n[ \"$1\" = ls ] && exec '%s' \"$@\"\nprintf '%%s\\0' \"$@\" >'%s'\n" % (
                harness.options.program, cls.called))
        (programs / "tidemark").chmod(0o755)
        cls.environment = dict(cls.user.environment, TERM="dumb",
                               PATH="%s:%s" % (programs, os.environ["PATH"]))

    def setUp(self):
        self.called.unlink(missing_ok=True)

    def tearDown(self):
        self.assertEqual(list(self.user.folder.rglob("ran")), [])

    def script(self, shell):
        if not shutil.which(shell):
            self.skipTest("no %s here" % shell)
        result = self.good(self.user, "completions", shell)
        self.assertEqual(result.err, "")
        built = {"bash": "tidemark", "zsh": "_tidemark", "fish": "tidemark.fish"}[shell]
        path = pathlib.Path(harness.options.build, "completions", built)
        self.assertEqual(path.read_bytes(), result.raw_out)
        return path

    def shell(self, *arguments):
        done = subprocess.run(list(map(str, arguments)), env=self.environment, cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=harness.PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done)
        return done.stdout.decode()

    def typed(self, command, prepare, line):
        """How tidemark was called after these keys in an interactive shell."""
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.folder)
            os.execvpe(command[0], command, self.environment)
        shown = b""

        def press(keys, until):
            nonlocal shown
            if keys:
                os.write(terminal, keys.encode())
            end = time.monotonic() + harness.PATIENCE
            while not until() and time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    shown += os.read(terminal, 4096)

        try:
            press(prepare + "\necho rea''dy\n", lambda: b"ready" in shown)
            press(line + "\n", self.called.exists)
            time.sleep(0.1)
            self.assertTrue(self.called.exists(), shown)
            return self.called.read_bytes().decode().split("\0")[:-1]
        finally:
            os.kill(child, 9)
            os.close(terminal)
            os.waitpid(child, 0)


class Other(harness.Test):
    def test_unknown_shell(self):
        self.assert_refused(self.home().run("completions", "tcsh"), harness.USAGE)


class Bash(Shells):
    def complete(self, *words, index=None):
        """The candidates for the last word, as bash puts them in."""
        script = (". \"$1\"; shift; COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'\n"
                  "COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n"
                  "_tidemark\nprintf '%s\\0' \"${COMPREPLY[@]}\"")
        found = self.shell("bash", "--norc", "-c", script, "bash", self.script("bash"),
                           "tidemark", *words)
        return [] if found == "\0" else found.split("\0")[:-1]

    def test_commands_and_options(self):
        self.assertEqual(self.complete("re"), ["read", "restore"])
        self.assertEqual(self.complete("--quiet", "-l", "dir", "comp"), ["completions"])
        self.assertIn("ask", self.complete("help", ""))
        self.assertEqual(self.complete("completions", ""), ["bash", "zsh", "fish"])
        self.assertEqual(self.complete("ask", "plain", "--re"), ["--reread", "--repetition-penalty"])
        self.assertEqual(self.complete("read", "--f"), ["--follow"])
        self.assertEqual(self.complete("ls", "--f"), [])
        self.assertEqual(self.complete("ls", "--kernels", "r"), ["reference"])
        self.assertEqual(self.complete("ls", "--kernels", "=", "r"), ["reference"])
        self.assertLessEqual({"reference", "avx2", "avx2_int8", "avx512", "vnni", "amx"},
                             set(self.complete("ls", "--kernels", "=")))
        self.assertEqual(self.complete("read", "--", "--f"), [])
        self.assertEqual(self.complete("ask", "plain", "wh"), [])
        self.assertEqual(self.complete("nonsuch", ""), [])
        self.assertEqual(self.complete("op"), ["open"])
        self.assertEqual(self.complete("open", "--no"), ["--no-read"])
        self.assertEqual(self.complete("open", "--script"), ["--script"])
        self.assertEqual(self.complete("ls", "--no"), [])

    def test_documents(self):
        for words in (("show", ""), ("ask", "--lanes", "3", ""), ("rm", "plain", "x", ""),
                      ("open", ""), ("open", "--no-read", "plain", "")):
            found = self.complete(*words)
            self.assertEqual(len(found), len(self.expected), found)
            # What the shell makes of each is the name, and nothing else happens.
            read = self.shell("bash", "--norc", "-c", "printf '%s\\0' " + " ".join(found))
            self.assertEqual(sorted(read.split("\0")[:-1]), sorted(self.expected))

    def test_quoted_words(self):
        self.assertEqual(self.complete("show", "two\\ w"), ["two\\ words"])
        self.assertEqual(self.complete("show", "'two w"), ["two words"])
        self.assertEqual(self.complete("show", "\"two w"), ["two words"])
        self.assertEqual(self.complete("show", "'say"), ['say "hi"'])
        self.assertEqual(self.complete("show", "\"say"), [])
        self.assertEqual(self.complete("show", "'it"), [])
        self.assertEqual(self.complete("show", "\"it"), ["it's"])
        self.assertEqual(self.complete("show", "$'ev"), [])
        self.assertEqual(self.complete("show", "$(touch ran)"), [])
        self.assertEqual(self.complete("show", "`touch ran`"), [])

    def test_colons(self):
        self.assertEqual(self.complete("show", "with", ":", "co"), ["colon"])
        self.assertEqual(self.complete("show", "with", ":"), ["colon"])
        self.assertEqual(self.complete("show", "wi"), ["with:colon"])
        self.assertEqual(self.complete("show", "a", "=", ""), [])
        self.assertEqual(self.complete("show", "a", "="), ["b"])

    def test_library(self):
        other = self.user.folder / "other"
        self.good(self.user, "-l", other, "read", "--no-model", "--quiet", self.text)
        self.assertEqual(self.complete("-l", str(other), "show", ""), ["text"])
        self.assertEqual(self.complete("--library", "=", str(other), "show", ""), ["text"])
        self.assertEqual(self.complete("-l", "$(touch ran)", "show", ""), [])
        broken = self.user.folder / "broken"
        broken.mkdir()
        (broken / "library.db").write_text("not a database")
        self.assertEqual(self.complete("-l", str(broken), "show", ""), [])

    def test_at_the_keyboard(self):
        script = self.script("bash")
        bash = ("bash", "--norc", "--noprofile", "-i")
        prepare = "PS1='> '; . '%s'; bind 'set bell-style none'" % script
        for line, called in (("tidemark show ev\t", ["show", EVIL]),
                             ("tidemark show 'two\t", ["show", "two words"]),
                             ("tidemark show with:c\t", ["show", "with:colon"]),
                             ("tidemark read mod\t", ["read", "model file.gguf"]),
                             ("tidemark open ev\t", ["open", EVIL]),
                             ("tidemark open plain mod\t", ["open", "plain", "model file.gguf"]),
                             ("tidemark open --script mod\t", ["open", "--script",
                                                               "model file.gguf"]),
                             ("tidemark mod\t", ["model"]),
                             ("tidemark ./mod\t", ["./model file.gguf"]),
                             ("tidemark read --model=mod\t x", ["read", "--model=model file.gguf",
                                                                "x"]),
                             ("tidemark -l inn\t show pl\t", ["-l", "inner folder/", "show", "pl"])):
            with self.subTest(line):
                self.called.unlink(missing_ok=True)
                self.assertEqual(self.typed(bash, prepare, line), called)


class Zsh(Shells):
    def test_syntax(self):
        self.shell("zsh", "-f", "-n", self.script("zsh"))

    def test_at_the_keyboard(self):
        script = self.script("zsh")
        prepare = ("PS1='> '; unsetopt beep; fpath=('%s' $fpath); autoload -U compinit;"
                   " compinit -u -D; zstyle ':completion:*' list-prompt ''" % script.parent)
        zsh = ("zsh", "-f", "-i")
        for line, called in (("tidemark show ev\t", ["show", EVIL]),
                             ("tidemark show two\t", ["show", "two words"]),
                             ("tidemark rm plain with\t", ["rm", "plain", "with:colon"]),
                             ("tidemark eva\tmod\t", ["eval", "model file.gguf"]),
                             ("tidemark ope\tev\t", ["open", EVIL]),
                             ("tidemark ./mod\t", ["./model file.gguf"]),
                             ("tidemark open plain mod\t", ["open", "plain", "model file.gguf"]),
                             ("tidemark ask plain --rer\twhy", ["ask", "plain", "--reread", "why"]),
                             ("tidemark completions zs\t", ["completions", "zsh"]),
                             ("tidemark show --kernels=re\tx", ["show", "--kernels=reference", "x"])):
            with self.subTest(line):
                self.called.unlink(missing_ok=True)
                self.assertEqual(self.typed(zsh, prepare, line), called)


class Fish(Shells):
    def complete(self, line):
        found = self.shell("fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
                           self.script("fish"), line)
        return [candidate.split("\t")[0] for candidate in found.splitlines()]

    def test_syntax(self):
        self.shell("fish", "--no-config", "-n", self.script("fish"))

    def test_commands_and_options(self):
        self.assertEqual(self.complete("tidemark re"), ["read", "restore"])
        self.assertEqual(self.complete("tidemark ask plain --rer"), ["--reread"])
        self.assertEqual(self.complete("tidemark ls --rer"), [])
        self.assertEqual(self.complete("tidemark completions "), ["bash", "fish", "zsh"])
        self.assertEqual(self.complete("tidemark ls --kernels=r"), ["--kernels=reference"])
        self.assertEqual(self.complete("tidemark eval mod"), ["model file.gguf"])
        self.assertEqual(self.complete("tidemark open mod"), ["model file.gguf"])
        self.assertEqual(self.complete("tidemark open plain pl"), ["plain"])
        self.assertEqual(self.complete("tidemark open --no"), ["--no-read"])
        self.assertEqual(self.complete("tidemark -l inn"), ["inner folder/"])
        self.assertEqual(self.complete("tidemark ./mod"), ["./model file.gguf"])
        self.assertEqual(self.complete("tidemark mod"), ["model", "model file.gguf"])
        self.assertEqual(self.complete("tidemark ask plain pl"), [])

    def test_documents(self):
        for line in ("tidemark show ", "tidemark ask --lanes 3 ", "tidemark rm plain x "):
            self.assertEqual(sorted(self.complete(line)), sorted(self.expected))


if __name__ == "__main__":
    harness.main()
