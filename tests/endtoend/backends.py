"""Which device computes: what is said where a GPU, its module or its driver is missing, old,
broken or full, that the processor goes on where it may, and, where a GPU is there, that what
one backend has read the other answers from."""

import os
import pathlib
import signal
import sqlite3
import unittest

import harness
from harness import INTERRUPTED, SYSTEM, USAGE, book, checkpoints

QUESTION = "Who carried a brass clock?"


def fakes():
    return pathlib.Path(harness.options.build) / "tests" / "endtoend" / "gpu"


def real_module():
    return pathlib.Path(harness.options.program).parent / "tidemark-cuda.so"


def has_gpu():
    return real_module().exists() and os.path.exists("/dev/nvidiactl")


class Missing(harness.Test):
    """Needs no GPU."""

    def setUp(self):
        self.user = self.tiny_home()
        self.path = self.user.write("book.md", book(3))

    def use(self, module, **environment):
        self.user.environment["TIDEMARK_CUDA_MODULE"] = str(module)
        self.user.environment.update(environment)

    def assert_falls_back(self, *words):
        """--backend cuda is refused in one line; auto says why and goes on."""
        result = self.user.run("read", self.path, "--quiet", "--backend", "cuda")
        self.assert_refused(result, SYSTEM)
        for word in words:
            self.assertIn(word, result.err)
        result = self.good(self.user, "read", self.path, "--backend", "auto", "--json")
        self.assert_harmless(result)
        said = [line for line in result.err.splitlines() if "computing on the processor" in line]
        self.assertEqual(len(said), 1, result)
        for word in words:
            self.assertIn(word, said[0])
        self.good(self.user, "rm", "book")

    def test_broken_modules(self):
        whole = (fakes() / "fake-module.so").read_bytes()
        broken = {
            "empty.so": b"",
            "text.so": b"this is no module\n",
            "half.so": whole[:len(whole) // 2],
            "head.so": whole[:100],
            "\x1b[31mred.so": b"escape",
        }
        for name, content in broken.items():
            with self.subTest(module=name):
                self.use(self.user.write(name, content))
                self.assert_falls_back("cannot load")
        self.use(self.user.folder / "absent.so")
        self.assert_falls_back("cannot load", "absent.so")
        self.use(self.user.folder)
        self.assert_falls_back("cannot load")

    def test_foreign_modules(self):
        self.use(fakes() / "libcuda.so.1")
        self.assert_falls_back("is not a module of this program")
        self.use(fakes() / "other-module.so")
        self.assert_falls_back("belongs to another version", "install both anew")

    def test_modules_that_fail(self):
        self.use(fakes() / "fake-module.so", FAKE_MODULE="memory")
        self.assert_falls_back("14.0 GB of the GPU's memory, of which 3.2 GB are free")
        self.use(fakes() / "fake-module.so", FAKE_MODULE="old")
        self.assert_falls_back("this GPU is too old")

    def test_interrupted(self):
        """Who interrupts the loading does not want the processor to begin."""
        self.use(fakes() / "fake-module.so", FAKE_MODULE="interrupted")
        for backend in ("auto", "cuda"):
            result = self.user.run("read", self.path, "--backend", backend)
            self.assertEqual(result.code, INTERRUPTED, result)

    def test_cpu_asks_nobody(self):
        self.use(self.user.folder / "absent.so")
        result = self.good(self.user, "read", self.path, "--backend", "cpu")
        self.assertNotIn("computing on", result.err)

    def test_drivers(self):
        if not real_module().exists():
            self.skipTest("built without nvcc")
        self.use(real_module(), LD_LIBRARY_PATH=str(fakes()), FAKE_DRIVER="11080")
        self.assert_falls_back("the NVIDIA driver is too old (it knows CUDA 11.8): update it")
        self.use(real_module(), FAKE_DRIVER="99000", FAKE_START="999")
        self.assert_falls_back("the GPU failed (looking for a GPU)")
        self.use(real_module(), FAKE_START="100")
        self.assert_refused(
            self.user.run("read", self.path, "--quiet", "--backend", "cuda"), SYSTEM)
        result = self.good(self.user, "read", self.path, "--backend", "auto")
        self.assertIn("no NVIDIA GPU is there", result.err)
        self.good(self.user, "rm", "book")
        result = self.good(self.user, "read", self.path)  # nobody asked for one
        self.assertNotIn("computing on", result.err)


class Exchange(harness.Test):
    """What one backend has read the other answers from."""

    @classmethod
    def setUpClass(cls):
        if not has_gpu():
            raise unittest.SkipTest("no GPU is here")

    def setUp(self):
        self.user = self.tiny_home()
        self.path = self.user.write("book.md", book(9))

    def other(self):
        user = self.home()
        user.environment["TIDEMARK_MODEL"] = str(self.user.model)
        return user

    def read(self, user, *arguments):
        return self.good(user, "read", self.path, "--json", "--quiet", *arguments).json

    def tags(self, user):
        states = sqlite3.connect(user.library / "states.db")
        try:
            return {tag for tag, in states.execute("SELECT numerics FROM state")}
        finally:
            states.close()

    def test_read_here_ask_there(self):
        for reader, asker in (("cpu", "cuda"), ("cuda", "cpu")):
            with self.subTest(reader=reader):
                user = self.other()
                self.read(user, "--backend", reader)
                self.assertTrue(all(t.startswith(reader + "/") for t in self.tags(user)))
                for more in ((), ("--as-of", 5)):
                    asked = user.run("ask", "book", QUESTION, "--backend", asker, "--json", *more)
                    self.assertIn(asked.code, (0, harness.NOT_FOUND), asked)
                    self.assertEqual(asked.json["tokens_reread"] if more else 0, 0)
                    self.assertTrue(asked.json["from_states"] or asked.json["states_made"], asked)
                summed = self.good(user, "sum", "book", "--so-far", 5, "--backend", asker, "--json")
                self.assertEqual(summed.json["tokens_reread"], 0)

    def test_reading_on_needs_mix(self):
        lines = self.path.read_text()
        for reader, other in (("cpu", "cuda"), ("cuda", "cpu")):
            with self.subTest(reader=reader):
                user = self.other()
                self.path.write_text(lines)
                self.read(user, "--backend", reader)
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write(harness.chapter(77))
                refused = user.run("read", self.path, "--backend", other)
                self.assertEqual(refused.code, USAGE, refused)
                self.assertIn("--backend to choose the former", refused.err)
                self.read(user, "--backend", other, "--mix")
                self.assertEqual(len(self.tags(user)), 2)

    def test_stopped_and_resumed(self):
        """The states of a reading that was stopped again and again are those of one in one go."""
        user = self.home(harness.BUNDLED)
        path = user.write("long.md", book(400))
        whole = self.home(harness.BUNDLED)
        self.good(whole, "read", path, "--backend", "cuda", "--quiet", "--keep-every", 0)
        stopped, patience = 0, 0.6
        for _ in range(30):
            process = user.start("read", path, "--backend", "cuda", "--quiet", "--keep-every", 0)
            patience *= 1.2 + 0.1 * harness.dice.random()
            try:
                process.communicate(timeout=patience)
            except harness.subprocess.TimeoutExpired:
                begun = harness.time.monotonic()
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=harness.PATIENCE)
                print("  stopped in %.0f ms" % (1000 * (harness.time.monotonic() - begun)))
            if process.returncode == 0:
                break
            self.assertEqual(process.returncode, INTERRUPTED)
            stopped += 1
        self.assertEqual(process.returncode, 0)
        print("  stopped %d times" % stopped)
        self.assertEqual(checkpoints(user, "long"), checkpoints(whole, "long"))


if __name__ == "__main__":
    harness.main()
