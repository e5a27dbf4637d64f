"""The reader's screens against stored ones. tests/screens holds scripts, NAME.script, which
feed keys and save screens; each is run once a size, and what a line `screen NAME` saves
must be tests/screens/NAME.COLUMNSxLINES.txt, character by character and attribute by
attribute. `screens.py --update ...`, or TEST_UPDATE_SCREENS=1 in the environment, stores
them anew."""

import difflib
import os
import re
import shutil
import sqlite3
import struct
import sys

import harness
from chain import DOCUMENT as HARBOUR
from harness import BUNDLED, SOURCE, book

SCREENS = SOURCE / "tests" / "screens"
SIZES = ((20, 5), (80, 24), (200, 60))
UPDATE = "TEST_UPDATE_SCREENS"

# Headings of three levels, a list, a quotation, code, and text enough for several pages.
ISLAND = """# A Guide to Gull Island

Gull Island lies nine miles west of the mainland. It is four miles long and two miles wide, and
two hundred people live there all year. This guide was written for those who come in summer.

## Getting there

The ferry Silver Heron leaves the mainland at eight in the morning and at five in the afternoon.
The crossing takes fifty minutes, and a little more when the wind blows from the south-west.

### Tickets

A ticket costs two shillings for the crossing and three for both ways. Three things travel free:

- dogs that sit
- carts of barley, on Mondays
- the doctor

### The timetable

    mainland   8:00   17:00
    island     9:10   18:15

In winter the ferry lies in the inner harbour, and the mail comes by the tug \\*Ox\\*.

## The lighthouse

The lighthouse stands on the western cape, a hundred and twelve feet above high water. Its lamp was
lit for the first time in 1871. Before that, a fire of driftwood burned on the rock, and many ships
took it for the harbour light of the mainland.

> The lamp has never gone out but once, and that night nobody was at sea.

### The keeper

Tom Hale has kept the lamp for thirty years. He shows visitors the lens on Sundays after two. The
hundred and forty steps are steep, and hale legs are needed for the last twenty of them.

### The foghorn

The foghorn is blown by steam. It can be heard in the harbour, where nobody likes it, and
is tried out on the first day of each month.

## The mill

The mill grinds barley for the whole island. Its wheel was broken by the great flood and mended in a
single week. A hare lives under the floor and has been seen by everybody but the miller.

## Walks

From the harbour a path follows the shore to the western cape. It takes three hours, and there is
no water on the way. The shorter path over the hill takes one hour and passes the mill.

Those who walk at low water may cross the sand to the Little Gull, but must be back before the tide:
the sand is covered within twenty minutes, and there is no boat on the other side.
"""

ESC, C1 = b"\x1b", b"\xc2\x9b"

# Everything that a terminal could act on or count wrongly, without characters that are
# younger than Unicode 12.
HOSTILE = b"\n\n".join((
    b"# Red " + ESC + b"[31malert" + ESC + b"[0m \xe2\x80\xaeesrever\xe2\x80\xac",
    b"Sequences: " + ESC + b"]0;OWNED\x07 " + ESC + b"[2J" + ESC + b"[H " + ESC + b"[6n " + ESC +
    b"P+q" + ESC + b"\\ " + C1 + b"31m red \xc2\x85 \xc2\x90q\xc2\x9c " + ESC + b"[?1049l end.",
    b"Controls: a\x08\x08\x08b \x0e\x0f \x07 \x7f c\x0bd\x0ce, tab:\there, return:\rover.",
    "Directions: \u202ereversed\u202c \u2066isolate\u2069 \u200emark\u200f \u061c, "
    "שלום and سلام.".encode(),
    "Nothing wide: zero\u200bwidth\u200cnon\u200djoiner\u2060word\ufeffmark, soft\u00adhyphen, "
    "a\u2028line and a\u2029paragraph.".encode(),
    "Wide: 漢字かな交じり文, 한국어, ﾊﾝｶｸ, ＦＵＬＬ, 𠀀𠀁.".encode(),
    "Combining: e\u0301a\u0308o\u0302, z\u0335\u0321\u0322\u0327\u0328\u0334\u0336\u0337\u0338"
    "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b\u030cl, "
    "\u0301alone, हिन्दी, ภาษาไทย, ᄒ\u1161\u11ab.".encode(),
    "Emoji: 😀 👍🏽 👩\u200d🚀 👨\u200d👩\u200d👧 🇩🇪 🇫🇷 ❤\ufe0f 1\ufe0f\u20e3 🏴\U000e0067\U000e007f.".encode(),
    b"Broken: \xff\xfe\x80 \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82 \xf0\x9f\x98 "
    b"\xef\xbf\xbf \xf3\xa0\x80\x81 end.",
    b"## " + "漢字の見出し".encode() + b" " + ESC + b"[7mand more",
    b"A word of " + b"many" * 60 + b" letters, and red again.",
    "あ".encode() * 120,
    b"e" + "\u0301".encode() * 200 + b" has two hundred accents.\n",
))
HOSTILE_NAME = "evil \x1b[31m\u202e.md"

# What no screen may hold, whatever a document does.
BAD = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")

# How much a state takes on the disk is the compressor's business.
STATE_SIZE = re.compile(r"(?<=read) +[0-9.,]+ [KM]?i?B")


def text_of(name):
    return (SCREENS / (name + ".script")).read_text()


def saved_by(script):
    return re.findall(r"^screen (\S+)$", script, re.M)


class Reader(harness.Test):

    def setUp(self):
        self.user = self.tiny_home("mamba")
        self.desk = self.user.folder / "desk"
        self.desk.mkdir()
        config = self.user.folder / "config" / "tidemark"
        config.mkdir(parents=True)
        (config / "config").write_text("[reader]\ntheme = mono\n")
        self.put("harbour.md", HARBOUR)
        self.put("island.md", ISLAND)

    def put(self, name, text):
        self.user.write("desk/" + name, text)

    def read(self, *names):
        for name in names:
            self.good(self.user, "read", name, "--quiet", cwd=self.desk)
        self.level()

    def level(self):
        """Gives every token that was read a surprise that no processor rounds differently."""
        with sqlite3.connect(self.user.library / "library.db") as db:
            rows = db.execute("SELECT reading, section, tokens FROM section_reading").fetchall()
            for reading, section, tokens in rows:
                bits = [0.5 + section * 5 % 7 + token // 24 * 5 % 9 for token in range(tokens)]
                kept = struct.pack("<%dH" % tokens, *(int(256 * b) for b in bits))
                db.execute("UPDATE section_reading SET bits = ?, surprise = ? "
                           "WHERE reading = ? AND section = ?", (sum(bits), kept, reading, section))
            db.execute("UPDATE reading SET bits = (SELECT sum(bits) FROM section_reading "
                       "WHERE reading = reading.id)")
        db.close()

    def play(self, name, *arguments):
        """Runs a script once a size, each time from the library as it is now."""
        folder, kept = self.user.folder / "screens", self.user.folder / "kept"
        folder.mkdir()
        if self.user.library.exists():
            shutil.copytree(self.user.library, kept)
        for columns, lines in SIZES:
            size = "%dx%d" % (columns, lines)
            script = self.user.write("script", "size %d %d\n" % (columns, lines) + re.sub(
                r"^screen (\S+)$", r"screen %s/\1.%s.txt" % (folder, size), text_of(name),
                flags=re.M))
            self.good(self.user, "open", "--script", script, *arguments, cwd=self.desk)
            shutil.rmtree(self.user.library)
            if kept.exists():
                shutil.copytree(kept, self.user.library)
        wrong = []
        for saved in saved_by(text_of(name)):
            for columns, lines in SIZES:
                wrong += self.compare(folder / ("%s.%dx%d.txt" % (saved, columns, lines)))
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def compare(self, path):
        stored, text = SCREENS / path.name, path.read_bytes().decode("utf-8")
        text = STATE_SIZE.sub(lambda found: "SIZE".rjust(len(found.group())), text)
        bad = BAD.search(text)
        self.assertIsNone(bad, "%s holds %r" % (path.name, bad))
        if UPDATE in os.environ:
            stored.write_text(text, encoding="utf-8")
        before = stored.read_text(encoding="utf-8") if stored.exists() else ""
        return list(difflib.unified_diff(before.splitlines(), text.splitlines(),
                                         "stored/" + path.name, "now/" + path.name, lineterm=""))


class Plain(Reader):
    """Without the bundled model."""

    def test_stored(self):
        """Every script is played, and every stored screen is one that some script saves."""
        scripts = {path.stem for path in SCREENS.glob("*.script")}
        tests = {name[len("test_"):] for kind in (Plain, Asking) for name in vars(kind)
                 if name.startswith("test_")}
        self.assertEqual(scripts, tests - {"stored"})
        saved = [name for script in scripts for name in saved_by(text_of(script))]
        self.assertEqual(len(saved), len(set(saved)))
        self.assertEqual({path.name for path in SCREENS.glob("*.txt")},
                         {"%s.%dx%d.txt" % (name, *size) for name in saved for size in SIZES})

    def test_first(self):
        self.play("first", "--no-read")

    def test_library(self):
        self.put("errands.md", book(5))
        self.read("harbour.md")
        self.good(self.user, "read", "island.md", "errands.md", "--no-model", "--quiet",
                  cwd=self.desk)
        self.play("library", "--no-read")

    def test_finds(self):
        self.good(self.user, "read", "harbour.md", "island.md", "--no-model", "--quiet",
                  cwd=self.desk)
        self.play("finds", "--no-read")

    def test_document(self):
        self.read("island.md")
        self.play("document", "island")

    def test_outline(self):
        self.read("island.md")
        self.play("outline", "island")

    def test_search(self):
        self.read("island.md")
        self.play("search", "island")

    def test_map(self):
        self.read("island.md")
        self.play("map", "island")

    def test_mouse(self):
        self.read("island.md")
        self.play("mouse", "island")

    def test_notes(self):
        self.read("island.md")
        self.play("notes", "island")

    def test_help(self):
        self.play("help")

    def test_prompt(self):
        self.play("prompt")

    def test_errors(self):
        self.read("harbour.md")
        self.play("errors", "harbour")

    def test_hostile(self):
        self.put(HOSTILE_NAME, HOSTILE)
        self.read(HOSTILE_NAME)
        self.play("hostile", "1")

    def test_resize(self):
        self.read("island.md")
        self.play("resize", "island")


class Asking(Reader):
    """With the bundled model, whose answers to these questions are not in doubt."""

    def setUp(self):
        if not BUNDLED.exists():
            self.skipTest("the bundled model is not here")
        if harness.options.sanitized:
            self.skipTest("takes minutes under sanitizers")
        super().setUp()
        del self.user.environment["TIDEMARK_MODEL"]
        self.read("harbour.md")

    def test_answers(self):
        self.play("answers", "harbour")

    def test_follow(self):
        self.play("follow", "harbour")

    def test_here(self):
        self.play("here", "harbour")

    def test_summaries(self):
        self.play("summaries", "harbour")


if __name__ == "__main__":
    if "--update" in sys.argv:
        sys.argv.remove("--update")
        os.environ[UPDATE] = "1"
    harness.main()
