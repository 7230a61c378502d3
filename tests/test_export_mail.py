"""mbox and EML as mail programs see them."""

from __future__ import annotations

import contextlib
import email
import email.policy
import mailbox
import os
import re
import shutil
import subprocess
import threading
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canvas_archive.export.mime import MOST_REFERENCES, display_name, encode_text, header, parameter
from canvas_archive.export.run import Request, export
from tests.export_support import ArchiveBuilder, small_archive


def needs(program: str) -> str:
    """Return where a program is; skip without it, unless this is the continuous integration."""
    path = shutil.which(program)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mail")
    archive = small_archive(folder / "archive")
    export(Request(archive, archive / "archive.db", archive / "files", folder / "out", ("mbox", "eml")))
    return folder / "out"


def load(exported: Path, number: int) -> EmailMessage:
    (path,) = (exported / "eml").rglob(f"*-{number}.eml")
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_headers_say_who_when_and_where(exported: Path) -> None:
    message = load(exported, 1002)
    assert message["Message-ID"] == "<msg.1002@school.example.edu>"
    assert parsedate_to_datetime(message["Date"]).isoformat() == "2026-02-03T09:00:00+00:00"
    assert message["Date"].endswith("+0000")
    assert getaddresses([message["From"]]) == [("Zoë Äöü 王小明 \u202e", "user.3@school.example.edu.invalid")]
    assert [address for _, address in getaddresses([message["To"]])] == [
        "user.1@school.example.edu.invalid",
        "user.7@school.example.edu.invalid",
    ]
    assert message["Subject"] == "Lab report"
    assert message["X-Canvas-Context"] == "course_12"
    assert message["X-Canvas-Context-Name"] == "Biology <101> & Society"
    assert message["X-Canvas-Folders"] == "inbox sent starred"
    assert message["X-Canvas-Starred"] == "true"
    assert load(exported, 1003)["X-Canvas-Generated"] == "true"
    assert load(exported, 1030)["X-Canvas-Removed-At"] == "2026-03-05T00:00:00Z"
    assert load(exported, 1020)["Subject"] is None


def test_replies_name_what_they_follow(exported: Path) -> None:
    assert load(exported, 1000)["In-Reply-To"] is None
    last = load(exported, 1002)
    assert last["In-Reply-To"] == "<msg.1001@school.example.edu>"
    assert last["References"].split() == [f"<msg.{n}@school.example.edu>" for n in (1000, 1003, 1001)]


def test_attachments_come_whole_with_type_and_name(exported: Path) -> None:
    (part,) = load(exported, 1002).iter_attachments()
    assert (part.get_content_type(), part.get_filename()) == ("application/pdf", "report.pdf")
    assert part.get_content() == b"%PDF-1.4 a report" * 99


def test_hostile_names_and_types_are_harmless(exported: Path) -> None:
    message = load(exported, 1010)
    note, first, second = message.iter_attachments()
    assert note.get_content().strip() == "[Attachment: CON.txt, not in the archive: gone]"
    assert (note.get_content_disposition(), note.get_filename()) == ("inline", None)
    assert first.get_content() == b"\x00\xff" * 100
    assert first.get_content_type() == "application/octet-stream"
    assert "/" not in (first.get_filename() or "/") and "\u202e" not in (first.get_filename() or "")
    assert second.get_filename() == "page.html"
    assert message["X-Canvas-Missing-Attachment"] == "CON.txt (gone)"


def test_no_header_can_be_smuggled_in(exported: Path) -> None:
    message = load(exported, 1010)
    assert message["Bcc"] is None and message["X-Evil"] is None and message["X"] is None
    assert message["Subject"] == "Re: =?utf-8?q?trick?= X-Evil: 1"
    ((name, address),) = getaddresses([message["From"]])
    assert address == "user.2@school.example.edu.invalid"
    assert name == '"Quo,ted" <x@evil.example> Bcc: all@evil.example'


def test_forwarded_messages_are_messages(exported: Path) -> None:
    (part,) = load(exported, 1020).iter_attachments()
    assert part.get_content_type() == "message/rfc822"
    inner = part.get_content()
    assert inner["Message-ID"] == "<msg.900@school.example.edu>"
    assert inner.get_body(("plain",)).get_content().splitlines() == ["the forwarded one", "From here on"]
    attached, deeper = inner.iter_attachments()
    assert attached.get_content() == "inner bytes"
    assert deeper.get_content().get_content().splitlines() == ["and one inside it"]


def test_every_file_is_seven_bit_with_short_lines(exported: Path) -> None:
    for path in [*(exported / "eml").rglob("*.eml"), exported / "messages.mbox"]:
        data = path.read_bytes()
        assert data.isascii() and b"\x00" not in data
        assert max(map(len, data.splitlines())) < 998
        if path.suffix == ".eml":
            assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")


def test_a_long_conversation_keeps_its_root(tmp_path: Path) -> None:
    with ArchiveBuilder(tmp_path / "a") as make:
        make.person(1, "Ann")
        make.conversation(1, "Long", count=100)
        for number in range(100):
            make.message(number + 1, 1, 1, "x", at=f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z")
    export(
        Request(tmp_path / "a", tmp_path / "a/archive.db", tmp_path / "a/files", tmp_path / "out", ("eml",))
    )
    references = load(tmp_path / "out", 100)["References"].split()
    assert len(references) == MOST_REFERENCES
    assert references[0] == "<msg.1@school.example.edu>"
    assert references[-1] == "<msg.99@school.example.edu>"


def decoded(headers: str, data: bytes) -> str:
    message = email.message_from_bytes(
        headers.encode() + b"MIME-Version: 1.0\n\n" + data, policy=email.policy.default
    )
    assert isinstance(message, EmailMessage)
    return str(message.get_payload(decode=True).decode("utf-8"))  # type: ignore[union-attr]


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.text(alphabet="From >\r\n=.-\x00é\t x", max_size=200),
        st.lists(st.sampled_from(["From ", ">From x", "x" * 80, "é", " ", "\t", "=", ".", "\r"])).map(
            "\n".join
        ),
    )
)
def test_any_text_comes_back(body: str) -> None:
    headers, data = encode_text(body)
    assert data.isascii() and data.endswith(b"\n")
    assert not re.search(rb"^>*From ", data, re.MULTILINE)
    assert max(map(len, data.split(b"\n"))) < 998
    expected = body.replace("\r\n", "\n").encode("utf-8", "replace").decode("utf-8")
    assert decoded(headers, data).removesuffix("\n") == expected.removesuffix("\n")


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_header_value_stays_in_its_header(value: str) -> None:
    line = header("Subject", value)
    message = email.message_from_string(line + "\nbody", policy=email.policy.default)
    assert message.keys() == ["Subject"]
    assert max(map(len, line.splitlines())) < 998


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120))
def test_any_name_leaves_the_address_alone(name: str) -> None:
    line = f"From: {display_name(name)} <user.1@school.example.edu.invalid>\n"
    message = email.message_from_string(line + "\n", policy=email.policy.default)
    addresses = message["From"].addresses
    assert [address.addr_spec for address in addresses] == ["user.1@school.example.edu.invalid"]


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=100).filter(lambda name: name.isprintable() and name == name.strip()))
def test_any_file_name_comes_back(name: str) -> None:
    line = f"Content-Disposition: attachment{parameter('filename', name)}\n"
    message = email.message_from_string(line + "\n", policy=email.policy.compat32)
    assert message.get_filename() == name
    assert max(map(len, line.splitlines())) < 200


# --- programs we did not write


def test_the_standard_library_opens_the_mbox(exported: Path) -> None:
    box = mailbox.mbox(exported / "messages.mbox", create=False)
    try:
        assert len(box) == 8
        flags = {message["X-Canvas-Message-Id"]: message.get_flags() for message in box}
    finally:
        box.close()
    assert flags["1000"] == "ROF"
    assert flags["1010"] == "O"


def test_notmuch_shows_whole_threads(exported: Path, tmp_path: Path) -> None:
    program = needs("notmuch")
    shutil.copytree(exported / "eml", tmp_path / "mail")
    (tmp_path / "config").write_text(
        f"[database]\npath={tmp_path}/mail\n[user]\nname=x\nprimary_email=x@y.z\n"
    )
    environment = {**os.environ, "NOTMUCH_CONFIG": str(tmp_path / "config")}

    def notmuch(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    notmuch("new")
    assert notmuch("count", "*").strip() == "8"
    assert notmuch("count", "--output=threads", "*").strip() == "5"
    found = notmuch("search", "--output=messages", "thread:{id:msg.1002@school.example.edu}").split()
    assert sorted(found) == [f"id:msg.{n}@school.example.edu" for n in (1000, 1001, 1002, 1003)]
    assert notmuch("count", "attachment:report.pdf").strip() == "1"
    assert "Vielen Dank für die Auskunft!" in notmuch("show", "id:msg.1002@school.example.edu")


MUTT = """
set quit=yes wait_key=no read_inc=0 write_inc=0 mail_check=0 timeout=1 charset=utf-8 weed=no
set folder={home} spoolfile={home}/none record="" pipe_split=no sort=threads
attachments +A */.*
"""


def mutt(box: Path, home: Path, limit: str, *, decoded: bool = False) -> str:
    """Return the messages of a mailbox that mutt's pattern finds, as mutt pipes them to a program.

    mutt needs a terminal; it gets one, and the keys that a person would press.
    """
    program = needs("mutt")
    import pty  # there is none on Windows, nor mutt

    out, rc = home / "piped", home / "muttrc"
    rc.write_text(MUTT.format(home=home) + f"set pipe_decode={'yes' if decoded else 'no'}\n")
    out.unlink(missing_ok=True)
    keys = f"<limit>{limit}<enter><tag-pattern>~A<enter><tag-prefix><pipe-message>cat>{out}<enter><quit>"
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [program, "-n", "-F", str(rc), "-R", "-f", str(box), "-e", f'push "{keys}"'],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "HOME": str(home)},
        start_new_session=True,
    ) as running:
        os.close(theirs)
        limit_on_time = threading.Timer(60, running.kill)
        limit_on_time.start()
        try:
            with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
                while os.read(ours, 65536):
                    pass
        finally:
            limit_on_time.cancel()
            os.close(ours)
    assert running.returncode == 0
    return out.read_text("utf-8")


def ids(piped: str) -> list[str]:
    return sorted(re.findall(r"^X-Canvas-Message-Id: (\d+)$", piped, re.MULTILINE))


def test_mutt_shows_whole_threads(exported: Path, tmp_path: Path) -> None:
    box = exported / "messages.mbox"
    before = box.read_bytes()
    assert len(ids(mutt(box, tmp_path, "~A"))) == 8
    # ~(…) are the threads that hold such a message: mutt has put the four together.
    found = mutt(box, tmp_path, "~(~i msg.1002@school.example.edu)", decoded=True)
    assert ids(found) == ["1000", "1001", "1002", "1003"]
    assert "Vielen Dank für die Auskunft!" in found
    assert ids(mutt(box, tmp_path, "~X1-")) == ["1002", "1010", "1020"]
    assert ids(mutt(box, tmp_path, "~F")) == ["1000", "1001", "1002", "1003"]
    assert ids(mutt(box, tmp_path, "~b milk")) == ["1040"]
    assert box.read_bytes() == before


def test_mutt_shows_the_threads_of_the_sample_mailbox(tmp_path: Path) -> None:
    box = Path(__file__).parent / "golden" / "sample" / "some" / "messages.mbox"
    assert len(ids(mutt(box, tmp_path, "~A"))) == 22
    found = mutt(box, tmp_path, "~(~i msg.261355569@canvas.example.edu)")
    assert len(ids(found)) == 6
    assert set(re.findall(r"^X-Canvas-Conversation-Id: (\d+)$", found, re.MULTILINE)) == {"700131"}
