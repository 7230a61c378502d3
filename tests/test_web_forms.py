"""Posted forms with files: hostile and broken ones end with a sentence, and leave nothing on the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from canvas_archive.errors import BadInput
from canvas_archive.web import forms
from canvas_archive.web.forms import PostedForm, read_form, upload_name


class FakeRequest:
    """A request whose body arrives in pieces; ``None`` is a client that stops sending."""

    def __init__(self, pieces: list[bytes | None], content_type: str, length: str | None = None) -> None:
        self.headers = {"content-type": content_type}
        if length is not None:
            self.headers["content-length"] = length
        self._pieces = pieces

    async def receive(self) -> dict[str, Any]:
        if not self._pieces:
            return {"type": "http.disconnect"}
        piece = self._pieces.pop(0)
        if piece is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}


def part(name: str, value: bytes, file: str | None = None, more: bytes = b"") -> bytes:
    about = f'form-data; name="{name}"' + ("" if file is None else f'; filename="{file}"')
    return b"--B\r\nContent-Disposition: " + about.encode() + b"\r\n" + more + b"\r\n" + value + b"\r\n"


END = b"--B--\r\n"


def read(
    folder: Path,
    *pieces: bytes | None,
    kind: str = "multipart/form-data; boundary=B",
    admits: bool = True,
    length: str | None = None,
) -> PostedForm:
    request = FakeRequest(list(pieces), kind, length)
    return asyncio.run(read_form(request, lambda form: admits, lambda: folder))


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_form_is_read_whatever_pieces_it_comes_in(tmp_path: Path, step: int) -> None:
    body = (
        part("csrf", b"t")
        + part("body", "Grüße\r\n--B\r\nno".encode()[:9])
        + part("file", b"\r\n--", "a.txt")
    )
    body += part("file", b"", "") + part("body", b"two") + END + b"after the end"
    form = read(tmp_path, *(body[at : at + step] for at in range(0, len(body), step)))
    assert form.all("body") == ["Grüße\r\n", "two"] and form.one("csrf") == "t"
    (file,) = form.files
    assert (file.name, file.size, file.path.read_bytes()) == ("a.txt", 4, b"\r\n--")
    assert file.path.stat().st_mode & 0o077 == 0
    form.close()
    assert list(tmp_path.iterdir()) == []


HOSTILE = {
    "cut off": (part("a", b"x") + part("file", b"half", "a.txt")[:-8],),
    "nothing": (b"",),
    "no boundary in it": (b"x" * 5000,),
    "another boundary": (part("a", b"x").replace(b"--B", b"--C") + END,),
    "no name": (b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END,),
    "no disposition": (b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END,),
    "a header without end": (b"--B\r\nContent-Disposition: " + b"x" * 9000,),
    "many headers": (part("a", b"x", more=b"X-A: b\r\n" * 5000) + END,),
    "large headers": (
        part("a", b"x", more=b"".join(b"X-%d: %s\r\n" % (n, b"b" * 3000) for n in range(5))) + END,
    ),
    "ten thousand fields": (b"".join(part(f"f{n}", b"") for n in range(10_000)) + END,),
    "fields without end": (part("a", b"x" * 400_000), part("b", b"x" * 400_000), END),
    "an endless file": (part("file", b"x" * 4000, "a.bin")[:-2], b"x" * 4000, b"x" * 4000),
    "files together": (*(part("file", b"x" * 2900, f"{n}.bin") for n in range(4)), END),
    "an endless file without a name": (part("file", b"x" * 8000, "") + END,),
    "too many files": (b"".join(part("file", b"x", f"{n}.txt") for n in range(21)) + END,),
    "a client that goes away": (part("file", b"x", "a.txt"),),
    "a client that stops": (part("file", b"x", "a.txt"), None),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_form_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(forms, "PART_SECONDS", 0.2)
    monkeypatch.setattr(forms, "MOST_FILE", 3000)
    monkeypatch.setattr(forms, "MOST_TOGETHER", 8000)
    with pytest.raises(BadInput):
        read(tmp_path, *HOSTILE[name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'b' * 71}",
        f"multipart/form-data; boundary={'b' * 70_000}",
    ],
)
def test_a_boundary_that_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadInput):
        read(tmp_path, part("a", b"x") + END, kind=kind)


def test_a_form_that_says_it_is_huge_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="200 MB"):
        read(tmp_path, None, length="99999999999")


def test_files_of_a_form_that_is_not_admitted_are_not_written(tmp_path: Path) -> None:
    form = read(tmp_path, part("a", b"x"), part("file", b"x", "a.txt"), None, admits=False)
    assert form.files == [] and form.one("a") == "x" and list(tmp_path.iterdir()) == []


def test_a_form_that_takes_no_files_says_so() -> None:
    request = FakeRequest([part("a", b"x") + END], "multipart/form-data; boundary=B")
    with pytest.raises(BadInput, match="takes no files"):
        asyncio.run(read_form(request, lambda form: True, None))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("plan.txt", "plan.txt"),
        ("C:\\Users\\me\\plan.txt", "plan.txt"),
        ("../../.ssh/id_rsa", "id_rsa"),
        ("..", "file"),
        ("", "file"),
        ("a\x00b\x1b[31m.txt", "a_b_[31m.txt"),
        ("annexe\u202efdp.exe", "annexefdp.exe"),
        ("a%0D%0Ab%22.txt", "a__b_.txt"),
        ("x" * 500 + ".pdf", "x" * 196 + ".pdf"),
        ("schöne Grüße 你好.pdf", "schöne Grüße 你好.pdf"),
    ],
)
def test_a_name_is_only_a_name(given: str, name: str) -> None:
    assert upload_name(given) == name
