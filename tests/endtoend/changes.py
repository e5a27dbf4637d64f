"""A file that has changed since it was read: what comes before the change is not read
again, and the result is that of reading the new file from the start."""

import os

import harness
from harness import book, chapter, checkpoints


class Changes(harness.Test):
    def setUp(self):
        self.user = self.tiny_home()
        self.path = self.user.write("book.md", book(8))
        self.first = self.read(self.user, self.path)
        self.before = checkpoints(self.user, "book")

    def read(self, user, path, *arguments):
        return self.good(user, "read", path, "--json", "--quiet", *arguments).json

    def assert_as_fresh(self, *possible):
        """Reads the changed file: so many sections stay, the rest is as in a new library.
        Where the change is behind a section's end, that section may be read again."""
        fresh = self.home()
        fresh.environment["TIDEMARK_MODEL"] = str(self.user.model)
        again = self.read(self.user, self.path)
        anew = self.read(fresh, self.path)
        self.assertEqual(again["id"], self.first["id"])
        self.assertEqual(again["tokens"], anew["tokens"])
        self.assertEqual(again["bits_per_token"], anew["bits_per_token"])
        self.assertEqual(anew["resumed_at"], 0)
        ends = {self.before[kept - 1][0][1] if kept else 0: kept for kept in possible}
        self.assertIn(again["resumed_at"], ends)
        kept = ends[again["resumed_at"]]
        self.assertEqual(again["resumed_at"] + again["tokens_read"], again["tokens"])
        shown, new = (self.good(user, "show", "book", "--json").json["sections"]
                      for user in (self.user, fresh))
        self.assertEqual(shown, new)
        self.assertEqual([[list(p.values()) for p in s["checkpoints"]] for s in shown[:kept]],
                         [[list(p) for p in points] for points in self.before[:kept]])
        self.assertEqual(len(self.good(self.user, "ls", "--json").lines), 1)
        once_more = self.read(self.user, self.path)
        self.assertEqual((once_more["tokens_read"], once_more["resumed_at"]),
                         (0, once_more["tokens"]))

    def edit(self, old, new):
        text = self.path.read_text()
        self.assertIn(old, text)
        self.path.write_text(text.replace(old, new, 1))

    def test_changed_in_the_middle(self):
        # Section 1 is the title; chapter n is section n + 1.
        self.edit(chapter(5), chapter(5).replace("carried", "stole", 1))
        self.assert_as_fresh(5)

    def test_changed_at_the_start(self):
        self.edit("# The Book of Errands", "# The Book of All Errands")
        self.assert_as_fresh(0)

    def test_changed_at_the_end(self):
        self.edit(chapter(8).rstrip(), chapter(8).rstrip() + " And so it ends.")
        self.assert_as_fresh(8)

    def test_appended(self):
        with open(self.path, "a") as file:
            file.write(chapter(9) + chapter(10))
        self.assert_as_fresh(8, 9)

    def test_section_removed(self):
        self.edit(chapter(4), "")
        self.assert_as_fresh(4)

    def test_section_inserted(self):
        self.edit(chapter(4), chapter(77) + chapter(4))
        self.assert_as_fresh(4)

    def test_cut_short(self):
        self.path.write_text(book(3))
        self.assert_as_fresh(3, 4)

    def test_same_size(self):
        """Only letters differ, and the clock may not: the time tells."""
        self.edit("1", "7")
        os.utime(self.path, ns=(1, 1))
        again = self.read(self.user, self.path)
        self.assertGreater(again["tokens_read"], 0)

    def test_touched(self):
        os.utime(self.path, ns=(10**18, 10**18))
        again = self.read(self.user, self.path)
        self.assertEqual((again["tokens_read"], again["resumed_at"]), (0, again["tokens"]))
        self.assertEqual(checkpoints(self.user, "book"), self.before)

    def test_changed_after_questions(self):
        """Section states and summaries of what changed go, the others stay."""
        for number in (2, 7):
            self.user.run("ask", "book:%d" % number, "Who?", "--quiet")
            self.good(self.user, "sum", "book:%d" % number, "--quiet")
        self.edit(chapter(6), chapter(6).replace("carried", "stole"))
        self.read(self.user, self.path)
        kinds = [[kind for kind, _, _ in points] for points in checkpoints(self.user, "book")]
        self.assertIn("section", kinds[1])
        self.assertNotIn("section", kinds[6])
        kept = self.good(self.user, "sum", "book:2", "--json", "--quiet").json
        made = self.good(self.user, "sum", "book:7", "--json", "--quiet").json
        self.assertEqual((kept["kept"], made["kept"]), (True, False))

    def test_several_files(self):
        other = self.user.write("other.md", "# Other\n\n" + chapter(20) + chapter(21))
        both = self.read(self.user, self.path, other, "--as", "both")
        self.assertNotEqual(both["id"], self.first["id"])
        other.write_text("# Other\n\n" + chapter(20) + chapter(22))
        again = self.read(self.user, self.path, other, "--as", "both")
        self.assertEqual(again["id"], both["id"])
        self.assertGreater(again["resumed_at"], self.first["tokens"])
        self.assertEqual(again["resumed_at"] + again["tokens_read"], again["tokens"])


if __name__ == "__main__":
    harness.main()
