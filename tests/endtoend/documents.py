"""Documents for tests: made from nothing but Python's standard library."""

import io
import struct
import zipfile
import zlib

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = ('<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
         'content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.'
         'openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>')
STYLES = ('<w:styles xmlns:w="%s"><w:style w:styleId="Kop1"><w:name w:val="heading 1"/></w:style>'
          '<w:style w:styleId="Kop2"><w:name w:val="heading 2"/></w:style>'
          '<w:style w:styleId="Mine"><w:basedOn w:val="Kop2"/></w:style></w:styles>' % W)


def archive(*entries, method=zipfile.ZIP_DEFLATED):
    """A ZIP archive of pairs of a name and its content."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in entries:
            kind = zipfile.ZIP_STORED if name == "mimetype" else method
            file.writestr(zipfile.ZipInfo(name), content, kind)
    return out.getvalue()


def docx(body, *more, prolog=""):
    """`body`: the XML within w:body."""
    document = '<?xml version="1.0"?>%s<w:document xmlns:w="%s"><w:body>%s</w:body></w:document>' % (
        prolog, W, body)
    return archive(("[Content_Types].xml", TYPES), ("word/document.xml", document),
                   ("word/styles.xml", STYLES), *more)


def paragraph(text, style=None, extra=""):
    properties = '<w:pPr>%s%s</w:pPr>' % ('<w:pStyle w:val="%s"/>' % style if style else "", extra)
    return "<w:p>%s<w:r><w:t>%s</w:t></w:r></w:p>" % (properties, text)


def odt(body, styles=""):
    names = " ".join('xmlns:%s="urn:oasis:names:tc:opendocument:xmlns:%s:1.0"' % (n, n)
                     for n in ("office", "text", "table", "style"))
    content = ("<office:document-content %s><office:automatic-styles>%s</office:automatic-styles>"
               "<office:body><office:text>%s</office:text></office:body>"
               "</office:document-content>" % (names, styles, body))
    return archive(("mimetype", "application/vnd.oasis.opendocument.text"),
                   ("content.xml", content))


def epub(chapters, nav="", extra=()):
    """`chapters`: pairs of a file's name and its XHTML."""
    items = "".join('<item id="c%d" href="%s" media-type="application/xhtml+xml"/>' % (i, name)
                    for i, (name, _) in enumerate(chapters))
    spine = "".join('<itemref idref="c%d"/>' % i for i in range(len(chapters)))
    package = ('<package xmlns="http://www.idpf.org/2007/opf"><manifest>%s<item id="nav" '
               'href="nav.xhtml" properties="nav"/></manifest><spine>%s</spine></package>' % (
                   items, spine))
    contents = ('<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/'
                'ops"><body><nav epub:type="toc"><ol>%s</ol></nav></body></html>' % nav)
    return archive(
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", '<container><rootfiles><rootfile full-path="OEBPS/p.opf"/>'
                                   '</rootfiles></container>'),
        ("OEBPS/p.opf", package), ("OEBPS/nav.xhtml", contents), *extra,
        *(("OEBPS/" + name, text) for name, text in chapters))


def overlapping(count, size):
    """An archive whose `count` entries are all the same bytes of it."""
    content = zlib.compress(b"<w>" + b" " * size)[2:-4]
    name = b"word/document.xml"
    checksum = zlib.crc32(b"<w>" + b" " * size)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, checksum, len(content), size + 3,
                        len(name), 0) + name
    out, directory = local + content, b""
    for i in range(count):
        each = name if i == 0 else b"f%d" % i
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, checksum,
                                 len(content), size + 3, len(each), 0, 0, 0, 0, 0, 0) + each
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(out), 0)
    return out + directory + end


def escaped(text):
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


class Pdf:
    """Pages of lines in the fonts that every reader of PDF has."""

    FONTS = {"F1": "Helvetica", "F2": "Helvetica-Bold", "F3": "Courier"}

    def __init__(self):
        self.objects = [None, None]  # catalog and pages come last

    def add(self, body):
        self.objects.append(body if isinstance(body, bytes) else body.encode())
        return len(self.objects)

    def stream(self, content, head=""):
        return self.add(b"<< /Length %d %s >>\nstream\n%s\nendstream" % (
            len(content), head.encode(), content))

    def write(self, pages, outline=()):
        """`pages`: contents, each lines of (x, y, size, font, text), or a content stream's
        object number. `outline`: pairs of a title and a page's index."""
        fonts = " ".join("/%s << /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding "
                         "/WinAnsiEncoding >>" % item for item in self.FONTS.items())
        kids = []
        for page in pages:
            if not isinstance(page, int):
                text = "".join("BT /%s %g Tf %g %g Td (%s) Tj ET\n" % (font, size, x, y, escaped(t))
                               for x, y, size, font, t in page)
                page = self.stream(text.encode("cp1252"))
            kids.append(self.add("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents "
                                 "%d 0 R /Resources << /Font << %s >> >> >>" % (page, fonts)))
        marks = ""
        if outline:
            root = len(self.objects) + len(outline) + 1
            first = len(self.objects) + 1
            for i, (title, page) in enumerate(outline):
                links = "" if i + 1 == len(outline) else "/Next %d 0 R" % (first + i + 1)
                self.add("<< /Title (%s) /Parent %d 0 R /Dest [%d 0 R /XYZ 0 760 0] %s >>" % (
                    escaped(title), root, kids[page], links))
            self.add("<< /First %d 0 R /Last %d 0 R /Count %d >>" % (first, root - 1, len(outline)))
            marks = "/Outlines %d 0 R" % root
        self.objects[0] = ("<< /Type /Catalog /Pages 2 0 R %s >>" % marks).encode()
        self.objects[1] = ("<< /Type /Pages /Count %d /Kids [%s] >>" % (
            len(kids), " ".join("%d 0 R" % kid for kid in kids))).encode()
        return self.assembled()

    def assembled(self):
        out, places = bytearray(b"%PDF-1.4\n"), []
        for number, body in enumerate(self.objects, 1):
            places.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
        out += b"".join(b"%010d 00000 n \n" % place for place in places)
        out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
            len(places) + 1, start)
        return bytes(out)


def wire(*frames, magic=b"TMWIRE1\n"):
    """What tidemark-extract would say: frames of (kind, bytes, level, flags, number)."""
    out = magic
    for frame in frames:
        kind, text, level, flags, number = (*frame, *(b"", 0, 0, 0)[len(frame) - 1:])
        out += struct.pack("<BBBBIQ", kind, level, flags, 0, len(text), number) + text
    return out


HEADING, TEXT, ROW, PLACE, END, FAILED = range(1, 7)


def japanese_pdf(text):
    """A PDF whose characters only poppler's tables can tell: its font is not in it."""
    content = b"BT /F1 12 Tf 72 700 Td <%s> Tj ET" % text.encode("shift_jis").hex().encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /Ryumin-Light /Encoding /90ms-RKSJ-H "
        b"/DescendantFonts [6 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Ryumin-Light /CIDSystemInfo << "
        b"/Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> /FontDescriptor 7 0 R >>",
        b"<< /Type /FontDescriptor /FontName /Ryumin-Light /Flags 6 /FontBBox [0 0 1000 1000] "
        b"/ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>"]
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj %s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF" % (
        len(objects) + 1, table, len(objects) + 1, len(out))
