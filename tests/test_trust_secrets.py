"""A token is planted wherever one can come from, everything is made to fail, and everything is searched.

It may be in the ``Authorization`` header of a request to Canvas, and where the user put it; nowhere else.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import logging
import os
import pickle
import shlex
import sqlite3
import stat
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from rich.traceback import Traceback

from canvas_archive import credentials, keyrings
from canvas_archive.canvas import Token
from canvas_archive.errors import ArchiveError, CredentialProblem, TokenRefused
from canvas_archive.export.formats import FORMATS
from canvas_archive.sandbox import Sandbox
from canvas_archive.sandbox.faults import Fault
from canvas_archive.secret import Secret
from canvas_archive.store import Archive
from canvas_archive.sync.service import SyncOptions, open_client, sync
from tests.sync_support import Pair
from tests.test_sync_faults import QuickClock
from tests.test_web_serve import serving
from tests.trust_support import TALLY, Ended, Workshop

pty = pytest.importorskip("pty", reason="POSIX terminals")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and permissions"),
    pytest.mark.uncounted,
    pytest.mark.thorough,
]
CORE = "PlantedSecret0f9a7c3e5b1d8462PlantedSecret77aa55cc33ee11bb"
SECRET = f"7~{CORE}"
SHOW, LIST = r"^/api/v1/conversations/\d+", r"^/api/v1/conversations\?"


def forms() -> list[bytes]:
    """Return the token as it could be written down: plain, in UTF-16, in hex, and in base64 at any offset."""
    plain = CORE.encode()
    wide = [CORE.encode("utf-16-le"), plain.hex().encode(), plain.hex().upper().encode()]
    packed = [base64.b64encode(b"x" * at + plain)[4 * at : -4] for at in range(3)]
    # A piece of it is enough to be found, as where a long value was cut.
    return [plain[:24], plain[-24:], *wide, *(one[4:60] for one in packed)]


FORMS = forms()


def leaked(data: bytes | str) -> bool:
    """Return whether the token is in there, in any form."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    return any(form in raw for form in FORMS)


def search(*folders: Path, but: tuple[Path, ...] = ()) -> None:
    """Demand that no file below the folders holds the token, nor any name."""
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            assert not leaked(str(path)), path
            if path.is_file() and path not in but:
                TALLY["secrets: files searched for the token"] += 1
                assert not leaked(path.read_bytes()), path


def told_nothing(text: str, where: str = "") -> None:
    """Demand that a text does not hold the token."""
    TALLY["secrets: outputs searched for the token"] += 1
    assert not leaked(text), where


@pytest.mark.sampled
def test_the_search_finds_what_it_looks_for() -> None:
    for text in (SECRET, f"Bearer {SECRET}", base64.b64encode(f"a:{SECRET}".encode()).decode()):
        assert leaked(text) and leaked(f"xx{text}".encode())
    assert leaked(SECRET.encode().hex()) and leaked(SECRET.encode("utf-16-le")) and leaked(SECRET[:40])
    assert not leaked("an innocent text")


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    """Where commands run, with a umask that would let everybody read everything."""
    before = os.umask(0)
    try:
        made = Workshop()
    finally:
        os.umask(before)
    yield made
    made.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A Canvas whose owner's token is the planted one."""
    with Sandbox(conversations=8, token=SECRET) as running:
        yield running


SOURCES = ("environment", "keyring", "token_command")


class Person:
    """Somebody with a token in one of the places, who runs commands with ``-vv --debug``."""

    def __init__(
        self, sandbox: Sandbox, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.sandbox, self._workshop, self._at, self._monkeypatch = sandbox, workshop, tmp_path, monkeypatch
        self.folder = tmp_path / "archive"
        self.vault = tmp_path / "vault"
        self.vault.mkdir()
        self.spied = tmp_path / "spied"
        monkeypatch.setenv("CANVAS_API_URL", sandbox.url)

    def keep(self, source: str) -> list[str]:
        """Put the token there; return what ``init`` needs to be told."""
        options: list[str] = []
        if source == "environment":
            self._monkeypatch.setenv("CANVAS_API_TOKEN", SECRET)
        elif source == "keyring":
            self._monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.folder_keyring.Keyring")
            self._monkeypatch.setenv("FOLDER_KEYRING", str(self.vault / "keyring.json"))
            self._monkeypatch.setenv("CANVAS_API_TOKEN", SECRET)
            assert self.run("init").status == 0
            self._monkeypatch.delenv("CANVAS_API_TOKEN")
            from tests.folder_keyring import Keyring

            account = f"{self.sandbox.url}#{self.sandbox.user_id}"
            Keyring().set_password(keyrings.SERVICE, account, SECRET)
        else:
            (self.vault / "token").write_text(SECRET + "\n")
            script = self.vault / "tell.py"
            script.write_text(
                "import os, pathlib, sys\n"
                f"pathlib.Path({str(self.spied)!r}).write_text(repr((sys.argv, dict(os.environ))))\n"
                f"print(pathlib.Path({str(self.vault / 'token')!r}).read_text(), end='')\n"
            )
            options = ["--token-command", shlex.join([sys.executable, str(script)])]
        if not self.folder.exists():
            assert self.run("init", *options).status == 0
        return options

    def run(self, *arguments: str, **options: Any) -> Ended:
        """Run a command as loudly as it can be; what it says is searched at once."""
        here = () if arguments[0] == "fleet" else ("--archive", str(self.folder))
        ended = self._workshop.run(*arguments, "-vv", "--debug", *here, scratch=self._at / "run", **options)
        told_nothing(ended.stdout, " ".join(arguments))
        told_nothing(ended.stderr, " ".join(arguments))
        return ended


@pytest.fixture
def person(sandbox: Sandbox, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Somebody who has not yet put the token anywhere."""
    return Person(sandbox, workshop, tmp_path, monkeypatch)


TROUBLES: dict[str, tuple[Fault, ...]] = {
    "401": (Fault("revoke_token", SHOW, after=2),),
    "403": (Fault("status", SHOW, status=403, times=None),),
    "404": (Fault("status", "/users/self", status=404, times=None),),
    "500": (Fault("status", LIST, status=500, times=None),),
    "throttled": (Fault("throttle_429", LIST, times=None, retry_after=600),),
    "redirect to another host": (Fault("foreign_redirect", LIST, times=None),),
    "login page": (Fault("html_login", "/users/self", times=None),),
    "broken off": (Fault("truncate", SHOW, times=None),),
    "reset": (Fault("reset", "/users/self", times=None),),
    "not JSON": (Fault("invalid_json", SHOW, times=None),),
    "wrong types": (Fault("wrong_type", SHOW, times=None),),
}
DEEP = pytest.mark.torture


@pytest.mark.parametrize(
    "source", [SOURCES[0], *(pytest.param(source, marks=DEEP) for source in SOURCES[1:])]
)
def test_whatever_fails_nobody_tells_the_token(person: Person, source: str, tmp_path: Path) -> None:
    """Every trouble, as loudly as it can be told; then everything on the disk is searched."""
    person.keep(source)
    assert person.run("sync", "--patience", "0.02").status == 0
    for faults in TROUBLES.values():
        person.sandbox.faults.clear()
        for fault in faults:
            person.sandbox.faults.add(copy.copy(fault))
        ended = person.run("sync", "--full", "--refetch", "--patience", "0.001")
        person.sandbox.tokens.issue(person.sandbox.user_id, SECRET)
        assert ended.status in (3, 4, 5), ended.stderr
        TALLY["faults: trouble while a token is watched"] += 1
    person.sandbox.faults.clear()
    id_ = str(person.sandbox.school.ids("inbox")[0])
    out = tmp_path / "out"
    for arguments in (
        ("star", id_),
        ("push",),
        ("status",),
        ("doctor",),
        ("verify", "--remote"),
        (
            "export",
            str(out / "all"),
            "--format",
            "jsonl",
            "--format",
            "html",
            "--format",
            "mbox",
            "--bag",
        ),
        ("backup", str(out / "backup")),
        ("restore", str(out / "backup"), str(out / "restored")),
        ("recipients", "a"),
        ("unread-count",),
        ("show", "999999999"),
        ("sql", "SELECT * FROM nowhere"),
        ("search", "from:"),
    ):
        person.run(*arguments)
    # Dead in the middle, with everything open.
    person.run("sync", "--full", "--refetch", die_at=40)
    search(person.folder, out, tmp_path / "run", Path(os.environ["HOME"]))
    assert person.sandbox.leaked_tokens == []
    if person.spied.exists():
        told_nothing(person.spied.read_text(), "the environment of token_command")


@pytest.mark.thorough
def test_token_command_gets_no_token_of_ours(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that the user's environment holds for another Canvas."""
    person.keep("token_command")
    monkeypatch.setenv("CANVAS_API_URL", "https://elsewhere.example")
    monkeypatch.setenv("CANVAS_API_TOKEN", SECRET)
    assert person.run("sync").status == 0
    told_nothing(person.spied.read_text(), "the environment of token_command")


FAILING = (
    "print({!r}); raise SystemExit(3)",
    "print({!r}, flush=True); [None for _ in iter(int, 1)]",
)


@pytest.mark.parametrize("script", FAILING, ids=["status 3", "never ends"])
def test_a_token_command_that_fails_after_it_told_the_token(
    script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "COMMAND_SECONDS", 1.5)
    command = shlex.join([sys.executable, "-c", script.format(SECRET)])
    with pytest.raises(CredentialProblem) as caught:
        credentials.token_from_command(command)
    assert caught.value.__context__ is None
    frames = list(traceback.walk_tb(caught.value.__traceback__))[1:]
    values = [value for frame, _ in frames for name, value in frame.f_locals.items() if name != "command"]
    told_nothing(repr(values) + str(caught.value))


def deeply(error: BaseException) -> str:
    """Return everything a crash report could hold: the chain, its attributes, all values of all frames."""
    written = io.StringIO()
    shown = Traceback.from_exception(
        type(error),
        error,
        error.__traceback__,
        show_locals=True,
        locals_max_string=1000,
        locals_max_length=100,
    )
    Console(file=written, width=400).print(shown)
    parts = [written.getvalue(), *traceback.format_exception(error)]
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None:
            parts += [repr(one), str(one), repr(vars(one)), repr(one.args)]
            waiting += [one.__cause__, one.__context__]
    return "\n".join(parts)


@pytest.mark.parametrize("name", TROUBLES)
def test_crash_reports_with_the_values_of_all_frames_do_not_hold_it(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", SECRET)
    folder = tmp_path / "archive"
    Archive.create(folder, base_url=sandbox.url, user_id=sandbox.user_id, name="Owner").close()
    for fault in TROUBLES[name]:
        sandbox.faults.add(copy.copy(fault))
    try:
        error: BaseException | None = sync(
            folder, SyncOptions(mode="full", patience_minutes=0.1), clock=QuickClock()
        ).error
    except ArchiveError as caught:
        error = caught
    assert error is not None
    told_nothing(deeply(error), name)
    # The program's own log, and those of the libraries under it.
    own = [record for record in caplog.records if not record.name.startswith(("httpcore", "asyncio"))]
    for record in own:
        told_nothing(record.getMessage() + repr(record.__dict__), record.name)


def test_a_defect_in_the_middle_of_a_request_does_not_show_it(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours where the header is at hand: the values of the frames are hidden all the same."""
    monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", SECRET)
    folder = tmp_path / "archive"
    Archive.create(folder, base_url=sandbox.url, user_id=sandbox.user_id, name="Owner").close()

    def defect(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    for place in ("build_request", "send"):
        with monkeypatch.context() as patch:
            patch.setattr(httpx.Client, place, defect)
            with pytest.raises(ZeroDivisionError) as caught:
                sync(folder, SyncOptions(mode="full"))
        told_nothing(deeply(caught.value), place)
        TALLY["faults: trouble while a token is watched"] += 1


@pytest.mark.sampled
def test_text_that_is_no_token_is_not_repeated() -> None:
    for spoilt in (f"{SECRET} {SECRET}", f"{SECRET}\n{SECRET}", f"{SECRET}é"):
        with pytest.raises(TokenRefused) as caught:
            Token(Secret(spoilt))
        own = caught.value.__traceback__
        assert own is not None  # this test's own frame holds it, of course
        told_nothing(deeply(caught.value.with_traceback(own.tb_next)))


def test_https_to_a_server_without_tls(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANVAS_API_TOKEN", SECRET)
    address = person.sandbox.url.replace("http://", "https://")
    monkeypatch.setenv("CANVAS_API_URL", address)
    before = len(person.sandbox.log.api)
    ended = person.run("init", address)
    assert ended.status == 4, ended.stderr
    assert len(person.sandbox.log.api) == before
    TALLY["faults: trouble while a token is watched"] += 1


def test_objects_do_not_show_it_and_are_not_pickled(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_API_URL", sandbox.url)
    monkeypatch.setenv("CANVAS_API_TOKEN", SECRET)
    token = Token(SECRET)
    with Archive.create(
        tmp_path / "archive", base_url=sandbox.url, user_id=sandbox.user_id, name="Owner"
    ) as archive:
        with open_client(archive) as client:
            client.current_user()
            for thing in (token, client, client._transport, client._http, archive, archive.config):
                told_nothing(repr(thing) + f"{thing!s}" + repr(getattr(thing, "__dict__", "")), repr(thing))
                with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError, sqlite3.Error):
                    assert not leaked(pickle.dumps(thing))
    secret = Secret(SECRET)
    told_nothing(repr(secret) + repr([secret]) + repr({"a": secret}) + repr(secret[:30]) + f"{secret!r}")
    assert str(secret) == SECRET and secret == SECRET
    for one in (token, secret):
        for copying in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError):
                copying(one)


@pytest.mark.parametrize("source", ["keyring", pytest.param("environment", marks=DEEP)])
def test_the_web_pages_do_not_hold_it(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    person.keep(source)
    assert person.run("sync").status == 0
    paths = [
        "/", "/mail", "/mail/status", "/mail/settings", "/mail/people", "/mail/nowhere", "/mail/c/1",
        "/archive", "/archive/account", "/archive/sync_runs", "/archive.json?sql=select+1/0&_shape=array",
        "/archive?sql=select+*+from+nowhere", "/-/versions", "/-/plugins", "/-/settings", "/-/metadata",
        "/-/databases", "/-/threads", "/-/actor", "/-/config", "/-/static/x", "/mail/login?token=wrong",
    ]  # fmt: skip
    with serving(person.folder, "--no-login", "--no-open") as (process, address):
        base = address.partition("/mail")[0]
        with httpx.Client(timeout=60) as browser:
            for path in paths:
                answer = browser.get(base + path)
                told_nothing(answer.text + repr(answer.headers.raw), path)
        cmdline = Path(f"/proc/{process.pid}/cmdline")
        if cmdline.exists():
            told_nothing(cmdline.read_text(), "the command line of serve")
            if source == "keyring":
                told_nothing(Path(f"/proc/{process.pid}/environ").read_bytes().decode("latin-1"))
        process.terminate()
        out, err = process.communicate(timeout=30)
    told_nothing(out + err, "what serve prints")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_no_process_carries_it_in_its_arguments_or_environment(person: Person) -> None:
    """The program itself and all its children, watched while they run."""
    person.keep("keyring")
    command = [sys.executable, "-m", "canvas_archive", "sync", "--archive", str(person.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen: set[int] = set()
    ended = threading.Event()

    def family(pid: int) -> Iterator[int]:
        yield pid
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from family(int(child))

    def watch() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError):
                for pid in family(process.pid):
                    seen.add(pid)
                    for name in ("cmdline", "environ"):
                        found.append(leaked(Path(f"/proc/{pid}/{name}").read_bytes()))

    found: list[bool] = []
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    out, err = process.communicate(timeout=120)
    ended.set()
    watcher.join(30)
    assert process.returncode == 0, err
    assert seen and found and not any(found)
    told_nothing(out + err)


def test_python_in_development_mode_with_every_warning(person: Person) -> None:
    person.keep("keyring")
    command = [sys.executable, "-X", "dev", "-W", "always", "-m", "canvas_archive",
               "sync", "-vv", "--debug", "--archive", str(person.folder)]  # fmt: skip
    person.sandbox.faults.add(Fault("revoke_token", SHOW, after=2))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
    assert "Traceback" in done.stderr  # of --debug: it says where, and no values
    told_nothing(done.stdout + done.stderr)


# -- typed in ----------------------------------------------------------------------------------------------


def test_a_typed_token_is_not_echoed_and_goes_to_the_keyring_alone(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.folder_keyring.Keyring")
    monkeypatch.setenv("FOLDER_KEYRING", str(person.vault / "keyring.json"))
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "canvas_archive", "init", "--debug", "--archive", str(person.folder)]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True)
    os.close(terminal)
    said = b""
    while b"Access token" not in said.rpartition(b"New Access Token")[2]:
        said += os.read(main, 4096)
    os.write(main, SECRET.encode() + b"\n")
    with contextlib.suppress(OSError):  # the terminal goes away with its last process
        while piece := os.read(main, 4096):
            said += piece
    os.close(main)
    assert process.wait(60) == 0, said
    told_nothing(said.decode("utf-8", "replace"), "what the terminal showed")
    assert leaked((person.vault / "keyring.json").read_bytes())
    assert (
        f"canvas-archive {person.sandbox.url}#{person.sandbox.user_id}"
        in (person.vault / "keyring.json").read_text()
    )
    assert person.run("sync").status == 0
    search(tmp_path, but=(person.vault / "keyring.json",))


# -- permissions -------------------------------------------------------------------------------------------


def open_to_others(folder: Path) -> list[str]:
    """Return what others of this machine may read, write or enter below a folder."""
    return [
        f"{path} {stat.filemode(path.lstat().st_mode)}"
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and stat.S_IMODE(path.lstat().st_mode) & 0o077
    ]


def test_everything_that_is_made_is_private_whatever_the_umask(
    person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANVAS_API_TOKEN", SECRET)
    made = tmp_path / "made"
    made.mkdir(mode=0o700)
    person.keep("environment")
    id_ = str(person.sandbox.school.ids("inbox")[0])
    formats = [word for name in FORMATS for word in ("--format", name)]
    for arguments in (
        ("sync",),
        ("star", id_),
        ("push",),
        ("index", "--rebuild"),
        ("search", "the", "--save", "mine"),
        ("export", str(made / "one.jsonl"), "--format", "jsonl"),
        ("export", str(made / "all"), *formats),
        ("export", str(made / "bag"), "--format", "jsonl", "--bag"),
        (
            "export",
            str(made / "redacted"),
            "--format",
            "csv",
            "--redact",
            "--redact-names",
            str(made / "key"),
        ),
        ("backup", str(made / "backup")),
        ("backup", str(made / "backup")),
        ("restore", str(made / "backup"), str(made / "restored")),
        ("verify", "--resume"),
    ):
        ended = person.run(*arguments)
        assert ended.status == 0, (arguments, ended.stderr)
    people = tmp_path / "custodians.csv"
    people.write_text(f"user_id\n{person.sandbox.user_id}\n")
    monkeypatch.setenv("CANVAS_API_TOKEN", person.sandbox.admin_token)
    fleet = person.run("fleet", "sync", str(people), "--root", str(made / "fleet"))
    assert fleet.status in (0, 5), fleet.stderr
    exported = person.run(
        "fleet", "export", str(made / "fleet-out"), "--format", "csv", "--root", str(made / "fleet")
    )
    assert exported.status == 0, exported.stderr
    assert open_to_others(person.folder) == []
    assert open_to_others(made) == []
    hidden = [path for path in Path(os.environ["HOME"]).rglob("*") if path.is_file()]
    assert [str(path) for path in hidden if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


# -- doctor ------------------------------------------------------------------------------------------------


def test_doctor_warns_of_what_others_may_read_deep_inside(person: Person, sandbox: Sandbox) -> None:
    person.keep("environment")
    assert person.run("sync").status == 0
    pair = Pair(sandbox, person.folder)
    (digest,) = pair.sql("SELECT sha256 FROM attachments WHERE state = 'stored' LIMIT 1")[0]
    (person.folder / "files" / digest[:2] / digest).chmod(0o644)
    ended = person.run("doctor")
    assert ended.status == 0 and "others may read" in ended.stdout and "chmod -R go=" in ended.stdout


def test_doctor_says_that_a_token_in_the_settings_must_go(person: Person) -> None:
    person.keep("environment")
    with (person.folder / "config.toml").open("a") as file:
        file.write(f'api_token = "{SECRET}"\n')
    ended = person.run("doctor")
    assert ended.status == 2 and "a token does not belong here" in ended.stdout


def test_doctor_says_that_plain_http_is_not_encrypted(person: Person) -> None:
    person.keep("environment")
    assert "is not encrypted" in person.run("doctor").stdout


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (None, ("ok", "does not expire")),
        (400, ("ok", "expires on")),
        (3, ("warn", "canvas-archive login")),
    ],
)
def test_doctor_warns_of_a_token_that_expires_soon(
    person: Person, days: int | None, words: tuple[str, str]
) -> None:
    """Canvas shows how each token begins; nothing of the own one is sent to find it among them."""
    person.keep("environment")
    if days is not None:
        at = datetime.now(timezone.utc) + timedelta(days=days)
        person.sandbox.tokens.limit(SECRET, at.isoformat())
    ended = person.run("doctor")
    (line,) = [line for line in ended.stdout.splitlines() if " expiry " in line]
    assert line.startswith(words[0]) and words[1] in line
    assert not any(leaked(repr(entry)) or CORE[:5] in repr(entry) for entry in person.sandbox.log)


def test_doctor_does_without_where_canvas_does_not_tell(person: Person) -> None:
    person.keep("environment")
    person.sandbox.faults.add(Fault("status", "user_generated_tokens", status=403, times=None))
    ended = person.run("doctor")
    assert ended.status == 0 and "does not tell" in ended.stdout
    other = f"7~{CORE[:5]}AnotherTokenThatBeginsInTheSameWay"
    person.sandbox.tokens.issue(person.sandbox.user_id, other)
    person.sandbox.faults.clear()
    assert "does not tell" in person.run("doctor").stdout
