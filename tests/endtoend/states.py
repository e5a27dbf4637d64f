"""Which states are kept, and what is read again where there is none."""

import sqlite3

import harness
from harness import NOT_FOUND, book, checkpoints


class States(harness.Test):
    def setUp(self):
        self.user = self.tiny_home()
        self.path = self.user.write("book.md", book(9))

    def read(self, user, *arguments):
        return self.good(user, "read", self.path, "--json", "--quiet", *arguments).json

    def other(self):
        user = self.home()
        user.environment["TIDEMARK_MODEL"] = str(self.user.model)
        return user

    def test_keep_every(self):
        self.read(self.user, "--keep-every", 0)
        every = checkpoints(self.user, "book")
        ends = [points[0][1] for points in every]
        self.assertEqual([len(points) for points in every], [1] * len(every))
        for tokens in (1, 700, 1500, 10**9):
            user = self.other()
            self.read(user, "--keep-every", tokens)
            expected, last = [], 0
            for index, (end, points) in enumerate(zip(ends, every)):
                keep = end - last >= tokens or index == len(every) - 1
                expected.append(points if keep else [])
                last = end if keep else last
            self.assertEqual(checkpoints(user, "book"), expected, tokens)

    def test_as_of_without_a_state(self):
        whole = self.read(self.user)
        few = self.other()
        self.read(few, "--keep-every", whole["tokens"] // 3)
        kept = checkpoints(few, "book")
        all_points = checkpoints(self.user, "book")
        sections = self.good(self.user, "show", "book", "--json").json["sections"]
        for number in range(1, len(kept) + 1):
            question = ("ask", "book", "Who carried a brass clock?", "--as-of", number, "--json")
            expected, asked = self.user.run(*question), few.run(*question)
            self.assertIn(asked.code, (0, NOT_FOUND), asked)
            self.assertEqual(asked.code, expected.code)
            self.assertEqual(expected.json["tokens_reread"], 0)
            for key in ("answer", "confidence", "found", "quotes"):
                self.assertEqual(asked.json[key], expected.json[key], number)
            before = [i for i in range(number) if kept[i]]
            start = before[-1] + 1 if before else 0
            reread = sum(s["tokens"] for s in sections[start:number])
            self.assertEqual(asked.json["tokens_reread"], reread)
            if reread == 0:
                self.assertNotIn("no state", asked.err)
            else:
                self.assertIn("no state is kept at the end of section %d" % number, asked.err)
                self.assertIn("section %d" % (start + 1), asked.err)
            if before:
                source = (asked.json["from_states"] + asked.json["states_made"])[0]
                self.assertEqual(source["kind"], "prefix")
                self.assertIn((source["kind"], source["token"], source["hash"]),
                              (kept[before[-1]][0], all_points[number - 1][0]))
        self.assertEqual(checkpoints(few, "book"), kept)

    def test_so_far_without_a_state(self):
        self.read(self.user)
        few = self.other()
        self.read(few, "--keep-every", 10**9)
        request = ("sum", "book", "--so-far", 4, "--json")
        expected, told = self.good(self.user, *request).json, self.good(few, *request)
        self.assertEqual(told.json["summary"], expected["summary"])
        self.assertGreater(told.json["tokens_reread"], 0)
        self.assertIn("reading on from the beginning", told.err)

    def test_section_states_do_not_depend_on_company(self):
        """Made one by one, or several in one batch: the same states."""
        self.read(self.user)
        one, many = self.other(), self.other()
        for user in (one, many):
            self.read(user)
        for number in range(1, 11):
            one.run("ask", "book:%d" % number, "Who?", "--quiet", "--threads", 1)
        self.good(many, "sum", "book", "--quiet")
        alone = [[p for p in points if p[0] == "section"] for points in checkpoints(one, "book")]
        together = [[p for p in points if p[0] == "section"]
                    for points in checkpoints(many, "book")]
        self.assertTrue(all(alone))
        for index, points in enumerate(together):
            if points:  # a short section is its own summary
                self.assertEqual(points, alone[index])
        self.assertGreater(sum(map(bool, together)), 7)

    def test_kernels(self):
        """Another level's state answers, but reading goes on from it on request only."""
        levels = ("reference", "avx512")
        if self.user.run("model", "--kernels", "avx512").code != 0:
            self.skipTest("one level only runs here")
        half = self.user.write("growing.md", book(4))
        self.good(self.user, "read", half, "--quiet", "--kernels", levels[0])
        asked = self.user.run("ask", "growing", "Who?", "--as-of", 3, "--json", "--kernels",
                              levels[1])
        self.assertIn(asked.code, (0, NOT_FOUND), asked)
        self.assertEqual(asked.json["tokens_reread"], 0)
        half.write_text(book(6))
        refused = self.user.run("read", half, "--quiet", "--kernels", levels[1])
        self.assert_refused(refused, harness.USAGE)
        self.assertIn("--mix", refused.err)
        mixed = self.good(self.user, "read", half, "--json", "--kernels", levels[1], "--mix").json
        self.assertGreater(mixed["resumed_at"], 0)
        self.assertIn("mixed", self.good(self.user, "show", "growing").out)

    def test_kernels_of_another_version(self):
        """Read by the same kernels before their bits changed: no option brings those back."""
        half = self.user.write("growing.md", book(4))
        self.good(self.user, "read", half, "--quiet", "--kernels", "reference")
        with sqlite3.connect(self.user.library / "states.db") as db:
            db.execute("UPDATE state SET numerics = replace(numerics, 'reference.', 'reference.9')")
        db.close()
        half.write_text(book(6))
        refused = self.user.run("read", half, "--quiet", "--kernels", "reference")
        self.assert_refused(refused, harness.USAGE)
        self.assertIn("--mix", refused.err)
        self.assertIn("tidemark rm", refused.err)
        self.assertNotIn("--kernels", refused.err)
        self.good(self.user, "read", half, "--quiet", "--kernels", "reference", "--mix")

    def test_long_document(self):
        """More summaries than are summarized in one go; the second time all are kept."""
        path = self.user.write("long.md", book(40 if harness.options.sanitized else 120, 3))
        self.good(self.user, "read", path, "--quiet", "--keep-every", 2000)
        for way in ((), ("--own-words",)):
            first = self.good(self.user, "sum", "long", "--json", "--quiet", *way).json
            self.assertFalse(first["kept"])
            then = self.good(self.user, "sum", "long", "--json", "--quiet", *way).json
            self.assertEqual(then["summary"], first["summary"])
            self.assertTrue(then["kept"])
            self.assertEqual((then["tokens_generated"], then["tokens_reread"]), (0, 0))

    def test_long_summaries(self):
        """Summaries that are longer than what is summarized together still come to an end."""
        first = self.good(self.user, "read", self.path, "--quiet")
        self.assertEqual(first.err, "")
        self.good(self.user, "sum", "book", "--json", "--quiet", "--own-words",
                  "--max-tokens", 5000)


if __name__ == "__main__":
    harness.main()
