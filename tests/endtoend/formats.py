"""PDF, EPUB, DOCX, ODT and HTML: the same text and outline whatever it comes in, and one
clear line about what is hostile, damaged or too much."""

import collections
import ctypes
import gzip
import os
import pathlib
import platform
import re
import signal
import stat
import struct
import subprocess
import time
import unicodedata
import zlib

import documents
import harness
from harness import INPUT

DOCUMENTS = pathlib.Path("/usr/share/doc")
POLICY = DOCUMENTS / "debian-policy"
REFERENCE = pathlib.Path("/usr/share/developers-reference")
JAPANESE = DOCUMENTS / "maint-guide-ja"


def has_pdf():
    return (pathlib.Path(harness.options.build) / "extract" / "tidemark-pdf").exists()


def hide_landlock():
    """System calls 444 to 446 are answered as by a kernel that has none of them."""
    steps = ((0x20, 0, 0, 0), (0x35, 0, 2, 444), (0x25, 1, 0, 446), (0x06, 0, 0, 0x50000 | 38),
             (0x06, 0, 0, 0x7fff0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(
            22, 2, ctypes.c_void_p(ctypes.addressof(filters)), 0, 0) != 0:
        raise OSError("no filter can be set")


class Formats(harness.Test):
    def texts(self, user, name):
        return [(row["title"], row["text"]) for row in
                self.good(user, "text", name, "--json").lines]

    def take(self, content, name="document"):
        """Titles and texts of a document's sections."""
        user = self.home()
        path = user.write(name, content)
        self.good(user, "read", "--no-model", "--as", "it", path)
        return self.texts(user, "it")

    def refuse(self, content, *words, environment=()):
        """The document is refused in one line that holds these words."""
        user = self.home()
        user.environment.update(environment)
        path = user.write("document", content)
        result = user.run("read", "--no-model", path)
        self.assertEqual(result.code, INPUT, result)
        lines = [line for line in result.err.splitlines() if line.startswith("tidemark: ")]
        self.assertEqual(len(lines), 1, result)
        for word in words:
            self.assertIn(word, lines[0])
        self.assertIn("document", lines[0])
        self.assertEqual(self.good(user, "ls", "--json").out, "")
        return result


class Agreement(Formats):
    """The same document in all its formats, as Debian's packages have it."""

    def key(self, title):
        """A title without its number, which chapters of a PDF have elsewhere, and without
        punctuation."""
        title = unicodedata.normalize("NFKC", title)
        title = re.sub(r" \(\d+\)$", "", title)
        title = re.sub(r"^(chapter |appendix )?([0-9]+|[A-Z])(\.[0-9]+)*\.? ", "", title,
                       flags=re.I)
        return "".join(c for c in title.lower() if c.isalnum())

    def sections(self, user, name, *paths):
        self.good(user, "read", "--no-model", "--as", name, *paths)
        sections = collections.OrderedDict()
        for title, text in self.texts(user, name):
            words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower())
            sections.setdefault(self.key(title), []).extend(words)
        return sections

    def agreement(self, a, b, titles, length):
        """Of all runs of so many words in the sections of these titles, the part that both
        have. What stands elsewhere in its section, as footnotes do, agrees, too."""
        def runs(sections):
            return collections.Counter(
                tuple(words[i:i + length]) for title in titles
                for words in [sections[title]] for i in range(len(words) - length + 1))
        a, b = runs(a), runs(b)
        return 2 * sum((a & b).values()) / max(sum(a.values()) + sum(b.values()), 1)

    def compare(self, name, a, b, besides):
        """`besides`: titles that only one of the formats has a section for, or fills with a
        table of contents."""
        common = [title for title in a if title in b and title not in besides]
        for title in (*a, *b):
            if len(title) > 1 and title not in besides:
                self.assertIn(title, a, name)
                self.assertIn(title, b, name)
        for length, least in ((1, 0.97), (3, 0.95)):
            found = self.agreement(a, b, common, length)
            print("%s: %d sections, runs of %d words agree in %.2f %%" % (
                name, len(common), length, 100 * found), flush=True)
            self.assertGreaterEqual(found, least, name)

    def unpacked(self, user, path, name):
        return user.write(name, gzip.decompress(path.read_bytes()))

    def chapters(self, folder):
        found = []
        for name in re.findall(r'href="([a-z0-9-]+\.html)', (folder / "index.html").read_text()):
            if name not in ("index.html", "genindex.html", "search.html", *found):
                found.append(name)
        return [folder / name for name in ("index.html", *found)]

    def check(self, sources, besides, text_besides):
        """`sources`: paths by format; EPUB is what the others are compared with."""
        user = self.home()
        epub = self.sections(user, "epub", sources["epub"])
        self.compare("HTML", epub, self.sections(user, "html", *sources["html"]), besides)
        self.compare("text", epub, self.sections(
            user, "txt", self.unpacked(user, sources["txt"], "text")), besides | text_besides)
        if has_pdf():
            pdf = sources["pdf"]
            if pdf.suffix == ".gz":
                pdf = self.unpacked(user, pdf, "pdf")
            self.compare("PDF", epub, self.sections(user, "pdf", pdf), besides)

    def test_policy(self):
        if not (POLICY / "policy.epub").exists():
            self.skipTest("debian-policy is not installed")
        self.check({"epub": POLICY / "policy.epub", "html": self.chapters(POLICY / "policy.html"),
                    "txt": POLICY / "policy.txt.gz", "pdf": POLICY / "policy.pdf.gz"},
                   {"debianpolicymanual", "index"},
                   # A part's name, which the others leave out, and lines of examples that
                   # look like headings where nothing but their place tells what they are.
                   {"appendices", "commandsudowithargumentsneand",
                    "commandfakerootwiththesingleargument",
                    "shsyntaxassumessetesemanticsforerrorhandling", "perl"})

    def test_developers_reference(self):
        if not (REFERENCE / "developers-reference.epub").exists():
            self.skipTest("developers-reference is not installed")
        self.check({"epub": REFERENCE / "developers-reference.epub",
                    "html": self.chapters(REFERENCE),
                    "txt": REFERENCE / "developers-reference.txt.gz",
                    "pdf": REFERENCE / "developers-reference.pdf"},
                   {"debiandevelopersreference", "index"},
                   {"appendix", "askforweeklyreportsofbugsinmypackages",
                    "thisisthedefaultchoicetranslatorsmayputtheirownlanguagehere",
                    "insteadofthedefault", "warningyoumustusetheenglishnameofyourlanguage",
                    "forinstancethefrenchtranslatorwillneedtoputfrenchfrhere", "usingthelocale"})

    def test_japanese(self):
        """Without spaces, characters are compared in the place of words."""
        if not (JAPANESE / "maint-guide.ja.pdf").exists() or not has_pdf():
            self.skipTest("maint-guide-ja is not installed, or PDF cannot be read")
        user = self.home()
        names = ["start", "first", "modify", "dreq", "dother", "build", "checkit", "upload",
                 "update", "advanced"]
        pages = [JAPANESE / "html" / ("%s.ja.html" % name) for name in names]
        counts = []
        for name, paths in (("html", pages), ("pdf", [JAPANESE / "maint-guide.ja.pdf"])):
            self.good(user, "read", "--no-model", "--as", name, *paths)
            text = "".join(text for _, text in self.texts(user, name))
            counts.append(collections.Counter(c for c in text if "\u3040" <= c <= "\u9fff"))
        html, pdf = counts
        found = sum((html & pdf).values()) / sum(html.values())
        print("Japanese: %.2f %% of the HTML's characters are in the PDF" % (100 * found))
        self.assertGreaterEqual(found, 0.97)


class Structure(Formats):
    """Lists, tables, notes and code keep their sense."""

    def test_html(self):
        sections = self.take(
            b"<!-- made by hand --><html><head><title>T</title><script>no</script></head><body>"
            b"<nav>no</nav><h1>1 One</h1><p>A <b>bold</b>\n  word.<ul><li>first<li>second<ol>"
            b"<li>inner</ol></ul><h2>Tables</h2><table><tr><th>Name<th>Age<tr><td>Ann<td>7"
            b"<tr><td><td>8</table>"
            b"<pre>if (x)\n    y;</pre><p hidden>no</p></body></html>")
        self.assertEqual(sections, [
            ("1 One", "1 One\n\nA bold word.\n- first\n- second\n  1. inner\n\n"),
            ("Tables", "Tables\n\nName | Age\nAnn | 7\n| 8\n\nif (x)\n    y;\n")])

    def test_html_in_another_encoding(self):
        text = "<html><head><meta charset=koi8-r></head><body><p>\u041f\u0440\u0438\u043b\u0438\u0432"
        (_, koi8), = self.take(text.encode("koi8-r"))
        (_, wide), = self.take(("\ufeff" + text).encode("utf-16-le"))
        self.assertEqual((koi8, wide), ("\u041f\u0440\u0438\u043b\u0438\u0432\n",) * 2)

    def test_text_with_a_tag_stays_text(self):
        (_, text), = self.take(b" is what a page begins with.\n"
                               b"<p>this stays</p>\n")
        self.assertIn("<p>this stays</p>", text)

    def test_docx(self):
        note = '<w:footnotes xmlns:w="%s"><w:footnote w:id="2">%s</w:footnote></w:footnotes>' % (
            documents.W, documents.paragraph("The note."))
        numbering = (
            '<w:numbering xmlns:w="%s"><w:abstractNum w:abstractNumId="4"><w:lvl w:ilvl="0">'
            '<w:numFmt w:val="decimal"/></w:lvl></w:abstractNum><w:num w:numId="5">'
            '<w:abstractNumId w:val="4"/></w:num></w:numbering>' % documents.W)
        item = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="5"/></w:numPr>'
        cell = "<w:tc>%s</w:tc>"
        body = (documents.paragraph("One", "Kop1") + documents.paragraph("Text.") +
                documents.paragraph("a", extra=item) + documents.paragraph("b", extra=item) +
                "<w:tbl><w:tr>%s%s</w:tr></w:tbl>" % (cell % documents.paragraph("x"),
                                                      cell % documents.paragraph("y")) +
                documents.paragraph("Two", "Mine") +
                '<w:p><w:r><w:t>See</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
                "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>")
        sections = self.take(documents.docx(body, ("word/footnotes.xml", note),
                                            ("word/numbering.xml", numbering)))
        self.assertEqual(sections, [
            ("One", "One\n\nText.\n1. a\n2. b\n\nx | y\n\n"),
            ("Two", "Two\n\nSee[1]\n\n[1] The note.\n")])

    def test_docx_numbers(self):
        """What Word counts by itself: headings, items, notes; and what lies within other parts."""
        def level(number, form, text, start=1):
            return ('<w:lvl w:ilvl="%d"><w:start w:val="%d"/><w:numFmt w:val="%s"/><w:lvlText '
                    'w:val="%s"/></w:lvl>' % (number, start, form, text))
        numbering = '<w:numbering xmlns:w="%s">%s%s%s</w:numbering>' % (
            documents.W,
            '<w:abstractNum w:abstractNumId="1">%s%s</w:abstractNum>' % (
                level(0, "decimal", "%1.", 7), level(1, "decimal", "%1.%2")),
            '<w:abstractNum w:abstractNumId="2">%s%s</w:abstractNum>' % (
                level(0, "lowerLetter", "%1)", 26), level(1, "upperRoman", "(%2)", 4)),
            "".join('<w:num w:numId="%d"><w:abstractNumId w:val="%d"/>%s</w:num>' % each for each in (
                (1, 1, ""), (2, 2, ""), (3, 2, '<w:lvlOverride w:ilvl="0"><w:startOverride '
                                              'w:val="2"/></w:lvlOverride>'))))
        styles = '<w:styles xmlns:w="%s">%s</w:styles>' % (documents.W, "".join(
            '<w:style w:styleId="H%d"><w:name w:val="heading %d"/><w:pPr><w:numPr><w:ilvl '
            'w:val="%d"/><w:numId w:val="1"/></w:numPr></w:pPr></w:style>' % (n, n, n - 1)
            for n in (1, 2)))

        def item(text, number, depth=0):
            return documents.paragraph(text, extra='<w:numPr><w:ilvl w:val="%d"/><w:numId w:val="%d"/>'
                                                   "</w:numPr>" % (depth, number))
        cell = "<w:tc>%s</w:tc>"
        inner = "<w:tbl>%s</w:tbl>" % "".join("<w:tr>%s%s</w:tr>" % tuple(
            cell % documents.paragraph(c) for c in row) for row in ("ab", "cd"))
        reference = '<w:p><w:r><w:t>%s</w:t><w:%snoteReference w:id="%d"/></w:r></w:p>'
        body = (documents.paragraph("First", "H1") + documents.paragraph("Inner", "H2") +
                item("y", 2) + item("deep", 2, 1) + item("z", 2) + item("new", 3) + item("more", 3) +
                documents.paragraph("Second", "H1") + documents.paragraph("Other", "H2") +
                "<w:tbl><w:tr>%s%s</w:tr><w:tr>%s%s</w:tr></w:tbl>" % (
                    cell % documents.paragraph("x"), cell % inner, cell % "<w:p/>",
                    cell % documents.paragraph("y")) +
                reference % ("One", "foot", 12) + reference % ("two", "end", 12) +
                reference % ("three", "foot", 5) +
                "<w:p><w:r><w:t>Box:</w:t><w:pict><w:txbxContent>%s</w:txbxContent></w:pict></w:r>"
                "</w:p>" % documents.paragraph("inside"))
        notes = [("word/%snotes.xml" % kind, '<w:%snotes xmlns:w="%s">%s</w:%snotes>' % (
            kind, documents.W, "".join('<w:%snote w:id="%d">%s</w:%snote>' % (
                kind, number, documents.paragraph(text), kind) for number, text in these), kind))
            for kind, these in (("foot", ((12, "A"), (5, "B"))), ("end", ((12, "C"),)))]
        content = documents.archive(
            ("[Content_Types].xml", documents.TYPES), ("word/styles.xml", styles),
            ("word/document.xml", '<w:document xmlns:w="%s"><w:body>%s</w:body></w:document>' % (
                documents.W, body)), ("word/numbering.xml", numbering), *notes)
        self.assertEqual(self.take(content), [
            ("7. First", "7. First\n\n"),
            ("7.1 Inner", "7.1 Inner\nz) y\n  (IV) deep\naa) z\nb) new\nc) more\n\n"),
            ("8. Second", "8. Second\n\n"),
            ("8.1 Other", "8.1 Other\n\nx | a, b; c, d\n| y\n\nOne[1]\n\ntwo[i]\n\nthree[2]\n\n"
                          "Box: inside\n\n[1] A\n\n[2] B\n\n[i] C\n")])

    def test_odt(self):
        body = ('<text:h text:outline-level="1">One</text:h><text:p>Some<text:s/>text'
                '<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>'
                "The note.</text:p></text:note-body></text:note>.</text:p>"
                '<text:list text:style-name="L"><text:list-item><text:p>a</text:p>'
                "</text:list-item></text:list><table:table><table:table-row><table:table-cell>"
                "<text:p>x</text:p></table:table-cell><table:table-cell><text:p>y</text:p>"
                "</table:table-cell></table:table-row></table:table>")
        style = ('<text:list-style style:name="L"><text:list-level-style-number text:level="1" '
                 'style:num-format="1"/></text:list-style>')
        self.assertEqual(self.take(documents.odt(body, style)), [
            ("One", "One\n\nSome text[1].\n\n[1] The note.\n1. a\n\nx | y\n")])

    def test_epub_navigation_and_files(self):
        page = ('<html xmlns="http://www.w3.org/1999/xhtml"><body><p>%s words that nobody else '
                "says &nbsp;here.</p></body></html>")
        user = self.tiny_home()
        path = user.write("book", documents.epub(
            [("a/one.xhtml", page % "First"), ("two.xhtml", page % "Second")],
            '<li><a href="a/one.xhtml">Part</a><ol><li><a href="two.xhtml">7.3 Chapter</a></li>'
            "</ol></li>"))
        self.good(user, "read", "--as", "it", path)
        outline = self.good(user, "show", "it", "--json").json
        self.assertEqual([(s["title"], s["level"], s["page"]) for s in outline["sections"]],
                         [("Part", 1, 1), ("7.3 Chapter", 2, 2)])
        self.assertEqual(outline["encoding"], "EPUB")

    def test_pdf_layout(self):
        if not has_pdf():
            self.skipTest("PDF cannot be read here")
        left = ["The harbour lies where the", "river meets the sea and no-", "body knows how old "
                "it is. The", "tide turns twice a day and"]
        right = ["takes the boats with it when", "the lines are loose. Nobody", "has ever measured "
                 "it, they", "say at the \u0153uvre of old."]
        pages = []
        for number in range(1, 7):
            lines = [(72, 760, 9, "F1", "A Book of Harbours"), (300, 30, 9, "F1", str(number)),
                     (72, 700, 16, "F2", "%d Harbour number %d" % (number, number))]
            for i in range(4):
                lines.append((72, 660 - 12 * i, 10, "F1", left[i]))
                lines.append((320, 660 - 12 * i, 10, "F1", right[i]))
            pages.append(lines)
        user = self.home()
        path = user.write("columns", documents.Pdf().write(
            pages, [("Harbour number %d" % n, n - 1) for n in range(1, 7)]))
        self.good(user, "read", "--no-model", "--as", "it", path)
        sections = self.texts(user, "it")
        self.assertEqual([title for title, _ in sections],
                         ["%d Harbour number %d" % (n, n) for n in range(1, 7)])
        for _, text in sections:
            self.assertNotIn("A Book of Harbours", text)
            self.assertIn("river meets the sea and nobody knows how old it is. The tide turns twice "
                          "a day and takes the boats with it when the lines are loose.", text)
            self.assertNotRegex(text, r"(?m)^\d$")
        shown = self.good(user, "show", "it", "--json").json["sections"]
        self.assertEqual([s["page"] for s in shown], list(range(1, 7)))

    def test_pdf_table_and_headings_by_size(self):
        if not has_pdf():
            self.skipTest("PDF cannot be read here")
        page = [(72, 720, 18, "F2", "Tides"), (72, 690, 10, "F1", "Heights in the harbour, in "
                "metres, as they were measured by the keeper of")]
        page.append((72, 678, 10, "F1", "the lighthouse in the year before it was closed."))
        for i, row in enumerate((("Place", "High", "Low"), ("Reef", "4.1", "0.9"),
                                 ("Quay", "3.8", "1.2"))):
            page += [(72 + 120 * j, 640 - 14 * i, 10, "F1", cell) for j, cell in enumerate(row)]
        (title, text), = self.take(documents.Pdf().write([page]))
        self.assertEqual(title, "Tides")
        self.assertIn("Place | High | Low\nReef | 4.1 | 0.9\nQuay | 3.8 | 1.2\n", text)


class Citing(Formats):
    """What is quoted is cited by what the document counts."""

    def cite(self, name, content):
        user = self.tiny_home()
        path = user.write(name, content)
        self.good(user, "read", "--as", "it", path)
        result = user.run("ask", "it", "--json", "Dora and six cats?")
        self.assertIn(result.code, (0, harness.NOT_FOUND), result)
        return [quote["cite"] for quote in result.json["quotes"] if quote["verified"]]

    def test_cites(self):
        said = "The keeper of the harbour is called Dora and has six cats."
        pages = [[(72, 720, 16, "F2", "7.%d Harbour %d" % (n, n)), (72, 690, 10, "F1", said if n == 3
                  else "Nobody lives at this place, and nobody ever did so.")] for n in range(1, 6)]
        marks = "/Type /Catalog /Pages 2 0 R"
        pdf = documents.Pdf().write(pages).replace(
            marks.encode(), (marks + " /PageLabels << /Nums [0 << /S /D /St 212 >>] >>").encode())
        chapter = '<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>%s</h1><p>%s</p></body></html>'
        epub = documents.epub([("text/one.xhtml", chapter % ("1 First", "Nobody is here.")),
                               ("text/two.xhtml", chapter % ("7.3 Second", said))])
        word = documents.docx(documents.paragraph("7.3 Second", "Kop1") + documents.paragraph(said))
        mark = "# One\n\n`x`\n\n## 7.3 *Second*\n\nThe **keeper** of the [harbour](x) is called Dora " \
               "and has six cats.\n"
        expected = [("text.md", mark, "line [57], \u00a77.3"), ("word.docx", word, "line [12], \u00a77.3"),
                    ("book.epub", epub, "two.xhtml, \u00a77.3")]
        if has_pdf():
            expected.append(("it.pdf", pdf, "p. 214, \u00a77.3"))
        for name, content, place in expected:
            quotes = self.cite(name, content)
            self.assertTrue(quotes, name)
            for quote in quotes:  # the heading, or what stands under it
                self.assertRegex(quote, "^%s$" % place)


class Hostile(Formats):
    """Made to do harm: each is one clear line, soon."""

    def test_bombs(self):
        body = " " * (64 << 20)
        self.refuse(documents.docx(body), "200 times its size")
        self.refuse(documents.overlapping(400, 1 << 16), "lie over each other")
        self.refuse(documents.epub([("a.xhtml", "<html>" + body + "</html>")]), "")
        entities = "<!DOCTYPE w [<!ENTITY a0 'tide'>%s]>" % "".join(
            "<!ENTITY a%d '%s'>" % (i, "&a%d;" % (i - 1) * 10) for i in range(1, 10))
        self.refuse(documents.docx(documents.paragraph("&a9;"), prolog=entities), "swell")

    def test_depth(self):
        self.refuse(documents.docx("<w:p>" * 100000 + "</w:p>" * 100000), "nested")
        self.refuse(b"<html><body>" + b"<div>" * 20000 + b"deep", "nested")
        self.refuse(documents.epub([("a.xhtml", "<html>" + "<i>" * 5000 + "x")]), "nested")

    def test_headings_without_end(self):
        self.refuse(documents.docx(documents.paragraph("H", "Kop1") * 70000 +
                                   "".join(documents.paragraph("%x" % hash(i))
                                           for i in range(20000))), "headings")

    def test_damage(self):
        book = documents.epub([("a.xhtml", "<html><body><p>x</p></body></html>")])
        self.refuse(book[:-30], "damaged")
        self.refuse(documents.docx("<w:p>"), "damaged", "line")
        self.refuse(documents.archive(("a", "b")), "ZIP archive", "unpack")
        self.refuse(documents.epub([]).replace(b"OEBPS/p.opf", b"OEBPS/q.opf"), "")
        for _ in range(20):
            broken = bytearray(book)
            for _ in range(8):
                broken[harness.dice.randrange(len(broken))] = harness.dice.randrange(256)
            user = self.home()
            result = user.run("read", "--no-model", user.write("b", bytes(broken)))
            self.assertIn(result.code, (0, INPUT), result)

    def test_pdf(self):
        if not has_pdf():
            self.skipTest("PDF cannot be read here")
        pdf = documents.Pdf()
        picture = pdf.stream(b"q 612 0 0 792 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x00 EI Q")
        self.refuse(pdf.write([picture, picture]), "pictures", "ocrmypdf")
        self.refuse(documents.Pdf().write([[]]), "no text")
        self.refuse(b"%PDF-1.7\nnothing of the kind\n", "damaged PDF")
        bomb = zlib.compress(zlib.compress(b" " * (48 << 20)))
        pdf = documents.Pdf()
        page = pdf.stream(bomb, "/Filter [/FlateDecode /FlateDecode]")
        self.refuse(pdf.write([page]), "no text")

    def test_pdf_without_landlock(self):
        """On a kernel that cannot confine what tidemark-pdf opens it opens nothing, and says so
        of a PDF that needs poppler's tables."""
        tables = pathlib.Path("/usr/share/poppler/cMap")
        if not has_pdf() or platform.machine() != "x86_64" or not tables.exists():
            self.skipTest("PDF or poppler's tables are not here, or the filter is of another kind")
        text = "\u6f6e\u304c\u6e80\u3061\u308b"
        plain = documents.Pdf().write([[(72, 700, 10, "F1", "The tide comes in.")]])
        results = []
        for name, content in (("plain", plain), ("japanese", documents.japanese_pdf(text))):
            user = self.home()
            path = user.write(name, content)
            results.append(subprocess.run(
                [harness.options.program, "read", "--no-model", path], env=user.environment,
                preexec_fn=hide_landlock, capture_output=True, text=True, check=False))
        self.assertEqual(results[0].returncode, 0, results[0])
        self.assertEqual(results[1].returncode, INPUT, results[1])
        self.assertIn("Landlock", results[1].stderr)
        self.assertEqual(self.take(documents.japanese_pdf(text)), [(text, text + "\n")])

    def test_pdf_without_its_program(self):
        user = self.home()
        (user.folder / "none").mkdir()
        result = self.refuse(documents.Pdf().write([[(72, 700, 10, "F1", "Text")]]),
                             "tidemark-pdf", "libpoppler-glib-dev",
                             environment={"TIDEMARK_LIBEXEC": str(user.folder / "none")})
        self.assertIn("pdftotext", result.err)


class Program(Formats):
    """Programs that were taken over, in the place of tidemark-extract."""

    BOOK = documents.archive(("a", "b"))

    def fake(self, user, stream=b"", then="", first=""):
        folder = user.folder / "libexec"
        folder.mkdir()
        (folder / "stream").write_bytes(stream)
        program = folder / "tidemark-extract"
        program.write_text("#!/bin/sh\n%s\ncat '%s/stream'\n%s\n" % (first, folder, then))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        user.environment["TIDEMARK_LIBEXEC"] = str(folder)
        return user.write("document", self.BOOK)

    def broken(self, stream, *words, then=""):
        user = self.home()
        path = self.fake(user, stream, then)
        result = user.run("read", "--no-model", path)
        self.assertEqual(result.code, INPUT, result)
        self.assert_harmless(result)
        for word in words:
            self.assertIn(word, result.err)

    def test_lies(self):
        d = documents
        text = (d.TEXT, b"Some text.")
        self.broken(b"", "gave up")
        self.broken(b"#!/bin/sh", "another version")
        self.broken(d.wire(text), "crash (signal 11)", then="kill -SEGV $$")
        self.broken(d.wire(text), "gave up (exit code 7)", then="exit 7")
        self.broken(d.wire(text, (d.END, b"", 0, 0, 7)), "fewer parts")
        self.broken(d.wire(text, (d.TEXT, b"\x1b[2J")), "text that is none")
        self.broken(d.wire(text, (d.TEXT, b"\xff")), "text that is none")
        self.broken(d.wire((d.HEADING, b"T", 99)), "heading of no level")
        self.broken(d.wire((d.PLACE, b"", 1, 0, 5), (d.PLACE, b"", 1, 0, 4)), "out of order")
        self.broken(d.wire((d.FAILED, b"\x1b[31mred\n")), "")
        self.broken(d.wire(text) + b"\x02\0\0\0\xff\xff\xff\xff" + b"\0" * 8, "makes no sense")
        self.broken(d.wire(text, (9, b"")), "makes no sense")
        self.broken(d.wire(*[(d.HEADING, b"T", 1)] * 65538), "more than any document holds")

    def test_silence(self):
        """One that sleeps, before its first word or after, is stopped by the clock."""
        d = documents
        for stream in (b"", d.wire((d.TEXT, b"Some text."))):
            user = self.home()
            user.environment["TIDEMARK_PATIENCE"] = "1"
            path = self.fake(user, stream, then="exec sleep 600")
            result = user.run("read", "--no-model", path)
            self.assertEqual(result.code, INPUT, result)
            self.assertIn("was silent for 1 seconds", result.err)
        user = self.home()
        user.environment["TIDEMARK_PATIENCE"] = "1"
        self.fake(user, then="exec sleep 600")
        result = user.run("read", "--no-model", user.write("text.md", "# One\n\n*Text*\n"))
        self.assertEqual(result.code, INPUT, result)
        self.assertIn("was silent for 1 seconds over its Markdown", result.err)

    def test_lies_about_markdown(self):
        for stream, word in ((b"", "gave up"), (b"\x05\0\0\0", "makes no sense"),
                             (b"\x0e\0\0\0\xff\xff", "gave up")):
            user = self.home()
            self.fake(user, stream)
            path = user.write("text.md", "# One\n\n*Text*\n")
            result = user.run("read", "--no-model", path)
            self.assertEqual(result.code, INPUT, result)
            self.assertIn(word, result.err)
        user = self.home()
        self.fake(user, then="exit 3")  # as where the system lets it not be confined
        result = user.run("read", "--no-model", user.write("text.md", "# One\n\n*Text*\n"))
        self.assertEqual(result.code, INPUT, result)
        self.assertIn("could not be confined", result.err)
        user = self.home()
        self.fake(user, b"\x0e\0\0\0" + b"\xff" * 14)
        path = user.write("text.md", "# One\n\n*Text*\n")
        self.assert_harmless(self.good(user, "read", "--no-model", path))

    def test_crash_in_the_midst(self):
        """tidemark-pdf itself is struck by a signal while it works."""
        if not has_pdf():
            self.skipTest("PDF cannot be read here")
        user = self.home()
        page = [(72, 700 - 12 * i, 10, "F1", "Line %d" % i) for i in range(50)]
        path = user.write("long", documents.Pdf().write([page] * 4000))
        process = user.start("read", "--no-model", path)
        found = []

        def child():
            found[:] = subprocess.run(["ps", "--no-headers", "-o", "pid", "--ppid", str(process.pid)],
                                      stdout=subprocess.PIPE, check=False).stdout.split()
            return found or process.poll() is not None
        self.wait_for(child, "tidemark-pdf")
        os.kill(int(found[0]), signal.SIGABRT)
        err = process.communicate(timeout=harness.PATIENCE)[1].decode()
        self.assertEqual(process.returncode, INPUT, err)
        lines = [line for line in err.splitlines() if line.startswith("tidemark: ")]
        self.assertEqual(len(lines), 1, err)
        self.assertRegex(lines[0], r"at page or part \d+, it makes tidemark-pdf crash \(signal 6\)")
        self.good(user, "verify")

    def test_file_that_changes_or_vanishes_meanwhile(self):
        d = documents
        whole = d.wire((d.TEXT, b"Some text."), (d.END, b"", 0, 0, 1))
        user = self.home()
        path = self.fake(user, whole, first="printf more >>'%s'" % (user.folder / "document"))
        result = user.run("read", "--no-model", path)
        self.assertEqual(result.code, INPUT, result)
        self.assertIn("changed while it was read", result.err)
        user = self.home()
        path = self.fake(user, whole, first="rm '%s'" % (user.folder / "document"))
        self.good(user, "read", "--no-model", path)

    def test_reading_begins_before_the_end(self):
        """The model reads what is there while the rest is still being taken apart."""
        d = documents
        user = self.tiny_home()
        go = user.folder / "go"
        frames = [f for i in range(12) for f in (
            (d.HEADING, b"Part %d" % i, 1), (d.TEXT, b"The tide of day %d comes in. " % i * 2))]
        whole = d.wire(*frames, (d.HEADING, b"Last", 1), (d.TEXT, b"It goes out."),
                       (d.END, b"", 0, 0, 26))
        path = self.fake(user, whole[:-120], first="")
        program = user.folder / "libexec" / "tidemark-extract"
        (user.folder / "rest").write_bytes(whole[-120:])
        program.write_text(program.read_text() + "while [ ! -e '%s' ]; do sleep 0.1; done\n"
                           "cat '%s'\n" % (go, user.folder / "rest"))
        process = user.start("read", "--as", "it", "--json", path)

        def read_so_far(home):
            shown = home.run("show", "it", "--json")
            rows = shown.json["sections"] if shown.code == 0 else []
            return [(row["tokens"], row["checkpoints"][-1]["hash"]) for row in rows
                    if row["tokens"] is not None and row["checkpoints"]]
        self.wait_for(lambda: len(read_so_far(user)) >= 3, "sections that were read early")
        self.assertIsNone(process.poll())
        go.touch()
        out, err = process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, 0, err)
        other = self.tiny_home()
        self.fake(other, whole)
        path = other.write("document", self.BOOK)
        self.good(other, "read", "--as", "it", path)
        self.assertEqual(len(read_so_far(user)), 13)
        self.assertEqual(read_so_far(user), read_so_far(other))

    def test_interrupted(self):
        user = self.home()
        path = self.fake(user, documents.wire((documents.TEXT, b"Text")), then="sleep 600 & wait")
        process = user.start("read", "--no-model", path)
        time.sleep(1)
        process.send_signal(2)
        process.communicate(timeout=harness.PATIENCE)
        self.assertEqual(process.returncode, harness.INTERRUPTED)


class Memory(Formats):
    def test_many_pages(self):
        """A long PDF: the program that takes it apart holds a few pages."""
        if not has_pdf() or harness.options.sanitized:
            self.skipTest("PDF cannot be read here, or sanitizers take memory of their own")
        line = "Line %d of page %d, which says that the tide comes in and goes out again."
        peaks = []
        for count in (300, 1500):
            user = self.home()
            path = user.write("long", documents.Pdf().write(
                [[(72, 700 - 12 * i, 10, "F1", line % (i, page)) for i in range(30)]
                 for page in range(count)]))
            process = user.start("read", "--no-model", "--json", path)
            peak = 0
            while process.poll() is None:
                found = subprocess.run(["ps", "--no-headers", "-o", "rss", "--ppid",
                                        str(process.pid)], stdout=subprocess.PIPE, check=False)
                peak = max([peak, *map(int, found.stdout.split())])
                time.sleep(0.02)
            self.assertEqual(process.wait(), 0, process.stderr.read())
            peaks.append(peak)
            process.communicate()
        print("300 pages: %d KiB, 1500 pages: %d KiB" % tuple(peaks), flush=True)
        self.assertLess(peaks[1], peaks[0] + (24 << 10))


if __name__ == "__main__":
    harness.main()
