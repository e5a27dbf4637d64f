"""Documents, names and models full of what a terminal would act on: none of it comes out."""

import json
import struct

import harness
from harness import NOT_FOUND

CONTROLS = ["\x1b[2J\x1b]0;owned\x07", "\x9b31m", "\x85", "\x90q\x9c", "\u202e", "\u2066", "\u2069",
            "\u200b", "\u200f", "\u061c", "\ufeff", "\u2028", "\b\b\b", "\x7f", "\x0e", "\x00"]
BROKEN = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80\x80",
          b"\x9b1m", b"\xc2"]


def hostile_text(dice, size):
    """Words, every control character between them, and bytes that are no UTF-8."""
    out = bytearray()
    while len(out) < size:
        out += dice.choice((b"word", b"lantern", b"harbour", b"\"quoted words of four\"")) + b" "
        if dice.random() < 0.3:
            out += dice.choice(CONTROLS[:-1]).encode() + b" "
        if dice.random() < 0.05:
            out += dice.choice(BROKEN) + b" "
        if dice.random() < 0.05:
            out += b"\n"
    return bytes(out)


def with_long_tokens(content):
    """A model file whose rarer bytes' tokens are 600 bytes 0x80 each."""
    tokens = b"tokenizer.ggml.tokens"
    at = content.index(tokens) + len(tokens)
    kind, item, count = struct.unpack_from("<IIQ", content, at)
    assert (kind, item) == (9, 8)
    at += 16
    out = bytearray(content[:at])
    for i in range(count):
        size = struct.unpack_from("<Q", content, at)[0]
        text = content[at + 8:at + 8 + size]
        at += 8 + size
        if 180 <= i < 256:
            text = "\u0122".encode() * 600
        if i == 255:  # what comes behind stays aligned
            text += b"a" * ((at - len(out) - 8 - len(text)) % 32)
        out += struct.pack("<Q", len(text)) + text
    return bytes(out) + content[at:]


class Hostile(harness.Test):
    def commands(self, user, name, path):
        """Everything that prints of a document; results by command."""
        yield user.run("read", path)
        yield user.run("read", path, "--json")
        yield user.run("ls")
        yield user.run("ls", "--json")
        yield user.run("show", name)
        yield user.run("show", name, "--json")
        for section in (1, 2):
            yield user.run("ask", "%s:%d" % (name, section), "Which lantern?", "--max-tokens", 200)
            yield user.run("ask", "%s:%d" % (name, section), "Which word?", "--json")
        yield user.run("ask", name, "harbour \x1b[31mlantern\u202e", "--reread")
        yield user.run("sum", name)
        yield user.run("sum", name, "--json")
        yield user.run("ask", "%s:\x1b[31mnowhere" % name, "What?")
        yield user.run("model")
        yield user.run("rm", name)

    def check(self, user, path, name):
        for result in self.commands(user, name, path):
            self.assertGreaterEqual(result.code, 0, result)
            self.assertIn(result.code, (0, harness.INPUT, NOT_FOUND), result)
            self.assert_harmless(result)
            if "--json" in result.arguments and result.code == 0:
                for line in result.out.splitlines():
                    json.loads(line)

    def test_text_headings_and_name(self):
        user = self.tiny_home()
        headings = b"".join(b"# T " + control.encode() + b" heading\n\n" +
                            hostile_text(harness.dice, 400) + b"\n\n"
                            for control in CONTROLS[:-1])
        path = user.write("a\x1b[31m\u202ename\x9b\n.md", headings)
        read = user.run("read", path, "--json", "--quiet")
        self.assertEqual(read.code, 0, read)
        self.check(user, path, read.json["id"])

    def test_name_that_is_no_utf8(self):
        user = self.tiny_home()
        folder = bytes(user.folder)
        path = folder + b"/na\xffme\x80.md"
        with open(path, "wb") as file:
            file.write(b"# Title\n\nA lantern and a word.\n\n# Next\n\nAnother harbour.\n")
        read = user.run("read", path, "--json", "--quiet")
        self.assertEqual(read.code, 0, read)
        self.assert_harmless(read)
        self.check(user, path, read.json["id"])

    def test_as_name(self):
        user = self.tiny_home()
        path = user.write("plain.md", "# One\n\nA word.\n\n# Two\n\nA lantern.\n")
        read = user.run("read", path, "--as", "na\x1b[31mme\u202e", "--json", "--quiet")
        self.assertEqual(read.code, 0, read)
        self.check(user, path, read.json["id"])

    def test_missing_file(self):
        user = self.tiny_home()
        for name in ("\x1b[2J.md", "\u202e.md", "\x9b1m", b"\xff\xfe.md", "a\nb.md"):
            self.assert_refused(user.run("read", name, "--quiet"), harness.INPUT)
            self.assert_refused(user.run("show", name), harness.INPUT)
            self.assert_refused(user.run("model", "--model", name), harness.MODEL)

    def test_random_bytes_in_text(self):
        for _ in range(3 if harness.options.sanitized else 10):
            user = self.tiny_home()
            text = bytearray(hostile_text(harness.dice, 3000))
            for _ in range(harness.dice.randrange(60)):
                text[harness.dice.randrange(len(text))] = harness.dice.randrange(1, 256)
            path = user.write("noise.txt", bytes(text))
            read = user.run("read", path, "--quiet", "--json")
            self.assert_harmless(read)
            self.assertIn(read.code, (0, harness.INPUT), read)
            if read.code == 0:
                self.assert_harmless(user.run("show", "noise"))
                self.assert_harmless(user.run("ask", "noise:1", "Which lantern?"))

    def test_model_that_says_controls(self):
        """The small model's words are random bytes."""
        user = self.tiny_home()
        path = user.write("plain.md", harness.book(3))
        self.assertEqual(user.run("read", path, "--quiet").code, 0)
        said = ""
        for seed in range(5 if harness.options.sanitized else 20):
            result = user.run("ask", "plain:2", "Who?", "--temperature", 1, "--seed", seed,
                              "--max-tokens", 300)
            self.assertIn(result.code, (0, NOT_FOUND), result)
            self.assert_harmless(result)
            said += result.out
        self.assertGreater(len(said), 200)

    def test_model_with_endless_characters(self):
        """Words of bytes that go on a character which none of them begins."""
        user = self.tiny_home()
        user.model.write_bytes(with_long_tokens(user.model.read_bytes()))
        path = user.write("plain.md", harness.book(3))
        self.assertEqual(user.run("read", path, "--quiet").code, 0)
        for seed in range(4):
            result = user.run("ask", "plain:2", "Who?", "--temperature", 1, "--seed", seed,
                              "--max-tokens", 20)
            self.assertIn(result.code, (0, NOT_FOUND), result)
            self.assert_harmless(result)

    def test_name_in_the_model_file(self):
        user = self.tiny_home()
        content = user.model.read_bytes()
        text = b"general.name" + struct.pack("<IQ", 8, 11)
        at = content.index(text) + len(text)
        for name in (b"\x1b[31mfalcon"[:11], "\u202e\u202etiny!".encode()[:11], b"\xff\x9b\x85\x80aaaaaaa"):
            path = user.write("named.gguf", content[:at] + name + content[at + 11:])
            for form in ((), ("--json",)):
                result = user.run("model", "--model", path, *form)
                self.assertEqual(result.code, 0, result)
                self.assert_harmless(result)


if __name__ == "__main__":
    harness.main()
