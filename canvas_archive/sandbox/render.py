"""The bytes of sample files, made from their recipes when somebody downloads them.

A recipe is ``kind:part|part|...``. The same recipe always gives the same bytes, on every machine and
Python version: deflated data is stored uncompressed where zlib builds could differ.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from textwrap import wrap
from xml.sax.saxutils import escape

CONTENT_TYPES = {
    "pdf": "application/pdf",
    "png": "image/png",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "csv": "text/csv",
    "txt": "text/plain",
    "md": "text/markdown",
    "ics": "text/calendar",
}


def render_recipe(recipe: str) -> bytes:
    """Return the bytes of a recipe. Raises ValueError for an unknown kind."""
    kind, _, rest = recipe.partition(":")
    if kind not in _RENDERERS:
        raise ValueError(f"unknown kind of sample file {kind!r}; known are {', '.join(sorted(_RENDERERS))}")
    return _RENDERERS[kind](tuple(rest.split("|")))


# ----------------------------------------------------------------- text


def _txt(parts: tuple[str, ...]) -> bytes:
    return ("\n".join(parts) + "\n").encode()


def _md(parts: tuple[str, ...]) -> bytes:
    return (f"# {parts[0]}\n\n" + "\n\n".join(parts[1:]) + "\n").encode()


def _csv(parts: tuple[str, ...]) -> bytes:
    """Rows as given; a last part ``~120`` repeats them, numbered on, up to 120 data rows."""
    header, *rows = parts
    if rows and rows[-1].startswith("~"):
        wanted = int(rows.pop()[1:])
        pattern = [row.split(",") for row in rows]
        rows = [
            ",".join(_counted(cell, number // len(pattern)) for cell in pattern[number % len(pattern)])
            for number in range(wanted)
        ]
    return ("\r\n".join([header, *rows]) + "\r\n").encode()


def _counted(cell: str, round_number: int) -> str:
    return str(int(cell) + (round_number * 7) % 23) if cell.isdigit() else cell


def _ics(parts: tuple[str, ...]) -> bytes:
    summary, start, end, place = parts
    uid = f"{zlib.crc32('|'.join(parts).encode()):08x}@example.edu"
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Example//Calendar//EN", "BEGIN:VEVENT", f"UID:{uid}",
        f"DTSTAMP:{start}", f"DTSTART:{start}", f"DTEND:{end}", f"SUMMARY:{summary}", f"LOCATION:{place}",
        "END:VEVENT", "END:VCALENDAR",
    )  # fmt: skip
    return ("\r\n".join(lines) + "\r\n").encode()


# ----------------------------------------------------------------- PDF


def _pdf(parts: tuple[str, ...]) -> bytes:
    """Return a one-page PDF with a title and paragraphs, uncompressed, in Helvetica."""
    title, *paragraphs = parts
    ops = ["BT", "/F2 16 Tf", "72 770 Td", f"({_pdf_text(title)}) Tj", "/F1 11 Tf", "0 -12 Td", "15 TL"]
    for paragraph in paragraphs:
        ops.append("T*")
        for line in wrap(paragraph, 86) or [""]:
            ops.append(f"({_pdf_text(line)}) Tj T*")
    ops.append("ET")
    stream = "\n".join(ops).encode("cp1252", "replace")
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R "
        b"/Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>",
        font % b"Helvetica",
        font % b"Helvetica-Bold",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    )
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    xref = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, xref)
    return bytes(out)


def _pdf_text(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


# ----------------------------------------------------------------- PNG

_WIDTH, _HEIGHT, _MARGIN = 480, 300, 30
_PAPER, _AXIS, _GRID, _FIRST_COLOUR = range(4)
_PALETTE = (
    (250, 249, 245), (90, 90, 86), (226, 224, 216),
    (45, 90, 122), (93, 138, 111), (168, 107, 94), (196, 160, 82),
)  # fmt: skip


def _png(parts: tuple[str, ...]) -> bytes:
    """Return a bar chart of the comma-separated numbers in the last part; the first part is its title."""
    values = [int(value) for value in parts[-1].split(",")]
    rows = [bytearray(_WIDTH) for _ in range(_HEIGHT)]
    base, top = _HEIGHT - _MARGIN, _MARGIN
    for line in range(5):
        _fill(rows, _MARGIN, top + line * (base - top) // 5, _WIDTH - _MARGIN, 1, _GRID)
    slot = (_WIDTH - 2 * _MARGIN) // len(values)
    for number, value in enumerate(values):
        height = value * (base - top) // max(1, *values)
        left = _MARGIN + number * slot + slot // 6
        colour = _FIRST_COLOUR + number % (len(_PALETTE) - _FIRST_COLOUR)
        _fill(rows, left, base - height, left + slot * 2 // 3, height, colour)
    _fill(rows, _MARGIN, base, _WIDTH - _MARGIN, 2, _AXIS)
    _fill(rows, _MARGIN, top, _MARGIN + 2, base - top, _AXIS)
    # Two pixels to a byte, each an index into the palette.
    raw = b"".join(
        b"\0" + bytes(a << 4 | b for a, b in zip(row[::2], row[1::2], strict=True)) for row in rows
    )
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 4, 3, 0, 0, 0)
    palette = bytes(channel for colour in _PALETTE for channel in colour)
    text = b"Title\0" + parts[0].encode("latin-1", "replace")
    chunks = (
        (b"IHDR", header), (b"PLTE", palette), (b"tEXt", text), (b"IDAT", _stored(raw)), (b"IEND", b""),
    )  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _fill(rows: list[bytearray], left: int, top: int, right: int, height: int, colour: int) -> None:
    for y in range(top, top + height):
        rows[y][left:right] = bytes([colour]) * (right - left)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _stored(raw: bytes) -> bytes:
    """Return a zlib stream without compression, so that its bytes do not depend on the zlib build."""
    blocks = [raw[i : i + 65535] for i in range(0, len(raw), 65535)]
    out = bytearray(b"\x78\x01")
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        out += struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block
    return bytes(out) + struct.pack(">I", zlib.adler32(raw))


# ----------------------------------------------------------------- docx

_RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_DOCX_FIXED = {
    "[Content_Types].xml": f"""{_XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/word/document.xml" ContentType="{_WORD}.document.main+xml"/>
<Override PartName="/word/styles.xml" ContentType="{_WORD}.styles+xml"/></Types>""",
    "_rels/.rels": f"""{_XML}<Relationships xmlns="{_RELS}">
<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>""",
    "word/_rels/document.xml.rels": f"""{_XML}<Relationships xmlns="{_RELS}">
<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>""",
    "word/styles.xml": f"""{_XML}<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:rPr><w:b/></w:rPr></w:style>
</w:styles>""",
}


def _docx(parts: tuple[str, ...]) -> bytes:
    """Return a Word document with a heading and paragraphs."""
    title, *paragraphs = parts
    body = f'<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr>{_run(title)}</w:p>' + "".join(
        f"<w:p>{_run(paragraph)}</w:p>" for paragraph in paragraphs
    )
    document = (
        f'{_XML}<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body>{body}<w:sectPr/></w:body></w:document>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as package:
        for name, text in {**_DOCX_FIXED, "word/document.xml": document}.items():
            info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
            info.create_system = 3
            package.writestr(info, text.encode())
    return out.getvalue()


def _run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


_RENDERERS: dict[str, Callable[[tuple[str, ...]], bytes]] = {
    "txt": _txt,
    "md": _md,
    "csv": _csv,
    "ics": _ics,
    "pdf": _pdf,
    "png": _png,
    "docx": _docx,
}
