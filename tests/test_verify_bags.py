"""Bags from anywhere: what the standard and its drafts allow is accepted, and nothing else."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import unicodedata
from pathlib import Path

import bagit
import pytest

from canvas_archive.cli import run
from canvas_archive.export.bag_check import check_bag
from canvas_archive.export.manifest import walk
from tests.export_support import small_archive
from tests.test_export_bag import pack

HELLO = b"hello\n"


def digest(data: bytes, algorithm: str = "sha256") -> str:
    return hashlib.new(algorithm, data).hexdigest()


def make(
    folder: Path,
    *,
    version: str = "1.0",
    encoding: str = "UTF-8",
    files: dict[str, bytes] | None = None,
    lines: str | None = None,
    algorithm: str = "sha256",
    more: dict[str, bytes] | None = None,
) -> Path:
    """Write a bag; ``lines`` replace those of its manifest, ``more`` are files beside the payload."""
    payload = {"data/hello.txt": HELLO} if files is None else files
    if lines is None:
        lines = "".join(f"{digest(data, algorithm)}  {path}\n" for path, data in payload.items())
    declaration = f"BagIt-Version: {version}\nTag-File-Character-Encoding: {encoding}\n"
    written = {
        "bagit.txt": declaration.encode(),
        f"manifest-{algorithm}.txt": lines.encode(encoding if encoding != "odd" else "utf-8"),
        **payload,
        **(more or {}),
    }
    for path, data in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def problems(folder: Path) -> list[str]:
    return [item for check in check_bag(folder) if not check.ok for item in check.items]


def accepted_by_the_reference(folder: Path) -> bool:
    try:
        return bool(bagit.Bag(str(folder)).validate())
    except bagit.BagError:
        return False


LINE = f"{digest(HELLO)}  data/hello.txt\n"
MD5 = digest(HELLO, "md5")

VALID: dict[str, dict[str, object]] = {
    "one algorithm": {},
    "sha512 alone": {"algorithm": "sha512"},
    "sha224": {"algorithm": "sha224"},
    "md5 of an old bag": {"algorithm": "md5", "version": "0.93"},
    "0.94": {"version": "0.94"},
    "0.95": {"version": "0.95", "more": {"package-info.txt": b"Payload-Oxum: 6.1\n"}},
    "0.96": {"version": "0.96", "more": {"bag-info.txt": b"Payload-Oxum: 6.1\n"}},
    "one blank": {"lines": f"{digest(HELLO)} data/hello.txt\n"},
    "a tabulator": {"lines": f"{digest(HELLO)}\tdata/hello.txt\n"},
    "an asterisk": {"version": "0.97", "algorithm": "md5", "lines": f"{MD5} *data/hello.txt\n"},
    "CRLF": {"lines": LINE.replace("\n", "\r\n")},
    "no end of line": {"lines": LINE.rstrip("\n")},
    "capitals": {"lines": LINE.replace(digest(HELLO), digest(HELLO).upper())},
    "a leading dot": {"version": "0.97", "lines": LINE.replace("data/", "./data/")},
    "UTF-16": {"version": "0.97", "encoding": "UTF-16"},
    "ISO-8859-1": {"version": "0.97", "encoding": "ISO-8859-1"},
    "blanks in a name": {"files": {"data/two words.txt": HELLO}},
    "an escape that is none yet": {"version": "0.97", "files": {"data/%7Ea.txt": HELLO}},
    "an escaped percent sign": {
        "files": {"data/100%.txt": HELLO},
        "lines": LINE.replace("hello", "100%25"),
    },
    "a bag in a bag": {"files": {"data/bagit.txt": b"x", "data/data/a": b"y", "data/manifest-md5.txt": b"z"}},
    "listed twice, in a draft": {"version": "0.97", "lines": LINE * 2},
    "a description said twice": {"more": {"bag-info.txt": b"Test-Tag: 1\nTest-Tag :   2\n"}},
    "fetched files that are here": {
        "version": "0.97",
        "more": {"fetch.txt": b"http://localhost/hello.txt - data/hello.txt\n"},
    },
    "an empty payload": {"files": {"data/.keep": b""}},
}


@pytest.mark.parametrize("how", VALID.values(), ids=VALID)
def test_valid_bags_are_accepted(tmp_path: Path, how: dict[str, object]) -> None:
    assert problems(make(tmp_path, **how)) == []  # type: ignore[arg-type]


OTHER = "0" * 64
INVALID: dict[str, tuple[dict[str, object], str]] = {
    "a changed file": ({"lines": LINE.replace(digest(HELLO), OTHER)}, "data/hello.txt: changed"),
    "a missing file": ({"lines": LINE + f"{OTHER}  data/none\n"}, "data/none: missing"),
    "a file too many": ({"more": {"data/extra": b""}}, "data/extra: not in manifest-sha256.txt"),
    "a manifest that lists less": (
        {"more": {"manifest-md5.txt": b"", "tagmanifest-md5.txt": b""}},
        "data/hello.txt: not in manifest-md5.txt",
    ),
    "listed twice": ({"lines": LINE * 2}, "data/hello.txt: listed twice"),
    "listed twice in a draft, differently": (
        {"version": "0.97", "lines": LINE + LINE.replace(digest(HELLO), OTHER)},
        "data/hello.txt: listed twice, with different hashes",
    ),
    "an unknown version": ({"version": "1.1"}, "bagit.txt: version 1.1 is not one of 0.93 to 1.0"),
    "no version": ({"version": ".97"}, "bagit.txt: not the two lines"),
    "one digit": ({"version": "0.9"}, "bagit.txt: version 0.9 is not one of"),
    "a blank before the colon": (
        {"more": {"bagit.txt": b"BagIt-Version : 1.0\nTag-File-Character-Encoding : UTF-8\n"}},
        "bagit.txt: not the two lines",
    ),
    "a byte order mark": (
        {"more": {"bagit.txt": b"\xef\xbb\xbfBagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"}},
        "bagit.txt: not the two lines",
    ),
    "no encoding": ({"more": {"bagit.txt": b"BagIt-Version: 1.0\n"}}, "bagit.txt: not the two lines"),
    "no such encoding": ({"encoding": "odd"}, "bagit.txt: the encoding odd is not one"),
    "a codec that unpacks": (
        {"more": {"bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: bz2\n"}},
        "bagit.txt: the encoding bz2 is not one",
    ),
    "not in its encoding": (
        {"version": "0.97", "more": {"manifest-sha256.txt": b"\xff\xfe\xff"}},
        "manifest-sha256.txt: 'utf-8' codec can't decode",
    ),
    "dots that lead out": ({"lines": LINE + f"{OTHER}  ../outside\n"}, "line 2 of manifest-sha256.txt names"),
    "dots inside": ({"lines": LINE + f"{OTHER}  data/../bagit.txt\n"}, "line 2 of manifest-sha256.txt names"),
    "an absolute path": ({"lines": LINE + f"{OTHER}  /etc/passwd\n"}, "line 2 of manifest-sha256.txt names"),
    "somebody's home": ({"lines": LINE + f"{OTHER}  ~root/x\n"}, "line 2 of manifest-sha256.txt names"),
    "a tag file in it": ({"lines": LINE + f"{OTHER}  bagit.txt\n"}, "line 2 of manifest-sha256.txt names"),
    "a short hash": ({"lines": LINE.replace(digest(HELLO), "abc")}, "line 1 of manifest-sha256.txt is not"),
    "nonsense": ({"lines": "nonsense\n"}, "line 1 of manifest-sha256.txt is not a hash and a path"),
    "an endless line": ({"lines": LINE + "x" * 70_000}, "manifest-sha256.txt: line 2 is longer than"),
    "an unknown algorithm": ({"more": {"manifest-crc32.txt": b""}}, "manifest-crc32.txt: its algorithm"),
    "a length of no bytes": (
        {"more": {"manifest-shake_128.txt": b""}},
        "manifest-shake_128.txt: its algorithm",
    ),
    "to be fetched": (
        {
            "lines": LINE + f"{OTHER}  data/far\n",
            "more": {"fetch.txt": b"https://example.org/far 7 data/far\n"},
        },
        "data/far: to be fetched first",
    ),
    "a fetch that leads out": (
        {"more": {"fetch.txt": b"http://localhost/x - ../../README.md\n"}},
        "line 1 of fetch.txt names no file of the payload",
    ),
    "another size": (
        {"more": {"bag-info.txt": b"Payload-Oxum: 7.1\n"}},
        "bag-info.txt: Payload-Oxum is 7.1; there are 6 bytes in 1 files",
    ),
    "a changed tag file": (
        {
            "more": {
                "bag-info.txt": b"Contact: A\n",
                "tagmanifest-md5.txt": f"{digest(b'x', 'md5')} bag-info.txt".encode(),
            }
        },
        "bag-info.txt: changed (its MD5 is not the recorded one)",
    ),
    "a missing tag file": (
        {"more": {"tagmanifest-md5.txt": f"{MD5} bag-info.txt\n".encode()}},
        "bag-info.txt: missing",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize(("how", "sentence"), INVALID.values(), ids=INVALID)
def test_invalid_bags_are_rejected(tmp_path: Path, how: dict[str, object], sentence: str) -> None:
    found = problems(make(tmp_path, **how))  # type: ignore[arg-type]
    assert any(item.startswith(sentence) for item in found), found


def test_no_manifest_and_no_payload(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "manifest-sha256.txt").unlink()
    assert problems(tmp_path) == ["there is no payload manifest (manifest-….txt)"]
    make(tmp_path)
    (tmp_path / "data" / "hello.txt").unlink()
    (tmp_path / "data").rmdir()
    assert problems(tmp_path)[-1] == "data/hello.txt: missing"


@pytest.mark.skipif(os.name == "nt", reason="there are no FIFOs")
@pytest.mark.parametrize("kind", ["link", "fifo", "device"])
@pytest.mark.parametrize("name", ["bagit.txt", "manifest-sha256.txt", "data/hello.txt", "fetch.txt", "data"])
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: str, name: str) -> None:
    bag = make(tmp_path / "bag")
    path = bag / name
    if path.exists():
        path.rename(tmp_path / "elsewhere")
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "elsewhere" if kind == "link" else "/dev/zero")
    assert problems(bag) != []


def test_a_name_in_another_unicode_form_is_the_same_name(tmp_path: Path) -> None:
    composed = unicodedata.normalize("NFC", "data/Núñez.txt")
    decomposed = unicodedata.normalize("NFD", composed)
    bag = make(tmp_path / "bag", files={decomposed: HELLO}, lines=f"{digest(HELLO)}  {composed}\n")
    *_, last = check_bag(bag)
    assert problems(bag) == [] and last.detail == f"{composed} is written in another Unicode form here"
    both = make(tmp_path / "both", files={decomposed: HELLO, composed: b"another\n"})
    assert problems(both) == []
    (both / decomposed).write_bytes(b"changed")
    assert problems(both) == [f"{decomposed}: changed (its SHA-256 is not the recorded one)"]


def test_a_tag_file_that_no_manifest_lists_is_said(tmp_path: Path) -> None:
    tags = f"{digest(b'Contact: A')}  bag-info.txt\n".encode()
    more = {"bag-info.txt": b"Contact: A", "tagmanifest-sha256.txt": tags, "notes/added.txt": b"new"}
    *_, last = check_bag(make(tmp_path, more=more))
    assert last.ok and last.detail.startswith("3 files beside the payload are in no tag manifest: bagit.txt")


@pytest.mark.thorough
def test_many_lines_are_counted_and_not_kept(tmp_path: Path) -> None:
    lines = "".join(f"{OTHER}  data/{number}\n" for number in range(5_000))
    found = problems(make(tmp_path, lines=LINE + lines))
    assert len(found) == 1_001 and found[-1] == "and 4,000 more"


def test_a_bag_of_ours_that_the_reference_program_has_touched_stays_valid(tmp_path: Path) -> None:
    bag = pack(small_archive(tmp_path / "archive"), tmp_path / "bag", "jsonl")
    touched = bagit.Bag(str(bag))
    touched.info["Bag-Group-Identifier"] = "case 17"
    touched.save()
    assert run(["-q", "verify", str(bag)]) == 0
    (bag / "data" / "gaps.csv").write_bytes(b"changed")
    assert run(["-q", "verify", str(bag)]) == 8


@pytest.mark.parametrize("how", [VALID["sha512 alone"], INVALID["a changed file"][0]], ids=["valid", "not"])
def test_the_reference_program_judges_alike(tmp_path: Path, how: dict[str, object]) -> None:
    bag = make(tmp_path, **how)  # type: ignore[arg-type]
    assert accepted_by_the_reference(bag) is (problems(bag) == [])


@pytest.mark.skipif(os.name == "nt", reason="paths are shorter there")
def test_folders_of_any_depth_are_walked(tmp_path: Path) -> None:
    folder = make(tmp_path) / "data" / "/".join("d" * 200)
    folder.mkdir(parents=True)
    (folder / "x").write_bytes(b"")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        found = list(walk(tmp_path / "data"))
    finally:
        sys.setrecursionlimit(limit)
    assert found == [f"{'d/' * 200}x", "hello.txt"]


@pytest.mark.parametrize("name", ["export.json", "conversations.jsonl", "eml", "messages.csv", "attachments"])
@pytest.mark.parametrize("target", ["/dev/zero", "/"])
def test_what_an_export_has_is_not_read_through_a_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, target: str
) -> None:
    bag = make(tmp_path)
    (bag / "data" / "export.json").write_text('{"type": "canvas-archive export", "counts": {}}')
    (bag / "data" / name).unlink(missing_ok=True)
    (bag / "data" / name).symlink_to(target)
    assert run(["verify", str(bag)]) == 8
    assert f"data/{name}: not in manifest-sha256.txt" in capsys.readouterr().out


def test_an_interruption_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("canvas_archive.export.bag_check.hash_files", interrupted)
    assert run(["verify", str(make(tmp_path))]) == 130
    assert "Interrupted" in capsys.readouterr().err
