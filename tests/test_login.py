"""Signing in: what people paste, where the token is saved, and that every suggestion leads on."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import keyring.errors
import pytest

from canvas_archive.cli.status import advice, read_status
from canvas_archive.clock import SYSTEM
from canvas_archive.credentials import TOKEN_VARIABLE, URL_VARIABLE, save_in_keyring, token_from_command
from canvas_archive.errors import EXIT_INTERRUPTED, CredentialProblem
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive
from tests.folder_keyring import Keyring
from tests.terminal_support import on_screen
from tests.ux_support import say

pytestmark = pytest.mark.sampled

MORE = 5
"""So many suggestions at most lead from any trouble to a sync."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(conversations=2) as running:
        yield running


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system keyring, and the file that it is."""
    place = tmp_path / "keyring.json"
    monkeypatch.setenv("FOLDER_KEYRING", str(place))
    monkeypatch.setattr("keyring.core._keyring_backend", Keyring())
    return place


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an archive will be, named by the variable."""
    monkeypatch.setenv("CANVAS_ARCHIVE", str(tmp_path / "mail"))
    return tmp_path / "mail"


@pytest.fixture
def mail(sandbox: Sandbox, folder: Path) -> Path:
    """An archive of the sandbox's owner, without a token."""
    Archive.create(folder, base_url=sandbox.url, user_id=sandbox.user_id, name="Jules").close()
    return folder


def token_file(sandbox: Sandbox) -> Path:
    """Return the file that a token is saved in."""
    return (
        Path.home()
        / ".config/canvas-archive/tokens"
        / f"{quote(f'{sandbox.url}#{sandbox.user_id}', safe='')}.json"
    )


# -- making an archive -------------------------------------------------------------------------------------


def test_login_takes_the_address_of_any_page_and_makes_the_archive(
    sandbox: Sandbox, folder: Path, ring: Path
) -> None:
    page = f"{sandbox.url.upper()}/courses/7/pages/start?a=b#c"
    code, written = on_screen(("login", page), typed=f"{sandbox.token}\n")
    assert code == 0 and f"{sandbox.url}/profile/settings#access_tokens_holder" in written, written
    assert "Approved Integrations" in written and "The token is in the system keyring." in written
    assert list(json.loads(ring.read_text()).values()) == [sandbox.token]
    assert sandbox.token not in written and say(["sync", "-q"]).code == 0


def test_login_reads_a_pipe_and_asks_for_an_address(sandbox: Sandbox, folder: Path, ring: Path) -> None:
    nowhere = say(["login"], f"{sandbox.token}\n")
    assert nowhere.code == 2 and nowhere.err.rstrip().endswith("login https://school.instructure.com")
    nothing = say(["login", sandbox.url])
    assert nothing.code == 2 and "No token was given" in nothing.err and not folder.exists()
    wrong = say(["login", f"{sandbox.url}/login"], "7~wrongwrong\n")
    assert wrong.code == 3 and wrong.err.rstrip().endswith(f"run: canvas-archive login {sandbox.url}")
    assert not folder.exists()
    assert say(["login", sandbox.url], f"{sandbox.token}\n").code == 0 and folder.exists()


@pytest.mark.parametrize("text", ["mailto:ada@school.edu", "ada@school.edu", "ftp://school.edu", "my school"])
def test_what_is_no_address_is_one_sentence(text: str, folder: Path) -> None:
    said = say(["login", text])
    assert said.code == 2 and len(said.err.splitlines()) == 1 and "@school" not in said.err


def test_a_token_in_the_place_of_the_address_is_not_repeated(sandbox: Sandbox, folder: Path) -> None:
    said = say(["login", sandbox.token])
    assert said.code == 2 and sandbox.token not in said.err


def test_the_page_is_opened_only_with_a_display_and_not_against_the_users_word(
    sandbox: Sandbox, mail: Path, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("canvas_archive.web.opening.open_browser", opened.append)
    monkeypatch.setattr("canvas_archive.web.opening.sys.platform", "linux")
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    assert on_screen(("login",), typed=f"{sandbox.token}\n")[0] == 0 and not opened
    assert on_screen(("login", "--no-browser"), typed=f"{sandbox.token}\n", DISPLAY=":0")[0] == 0
    assert say(["login"], sandbox.token).code == 0 and not opened
    assert on_screen(("login",), typed=f"{sandbox.token}\n", DISPLAY=":0")[0] == 0
    assert opened == [f"{sandbox.url}/profile/settings#access_tokens_holder"]


# -- whose token it is -------------------------------------------------------------------------------------


def test_another_persons_token_and_another_school_are_refused_by_name(
    sandbox: Sandbox, mail: Path, ring: Path
) -> None:
    other = say(["login"], sandbox.admin_token)
    assert other.code == 9 and "Jules" in other.err and "Account Admin" in other.err
    assert other.err.rstrip().endswith("run: canvas-archive login")
    elsewhere = say(["login", "https://other.edu/courses/1"], sandbox.token)
    assert elsewhere.code == 9 and "Jules" in elsewhere.err
    assert elsewhere.err.rstrip().endswith("canvas-archive --archive DIR login https://other.edu")
    assert not ring.exists() and say(["login", f"{sandbox.url}/profile"], sandbox.token).code == 0


# -- the file ----------------------------------------------------------------------------------------------


def test_without_a_keyring_the_token_goes_into_a_file_when_the_user_agrees(
    sandbox: Sandbox, mail: Path
) -> None:
    place = token_file(sandbox)
    refused = say(["login"], sandbox.token)
    assert refused.code == 3 and refused.err.rstrip().endswith("canvas-archive login --token-file-ok")
    code, written = on_screen(("login",), typed=f"{sandbox.token}\nn\n")
    assert code == EXIT_INTERRUPTED and str(place) in written and not place.exists()
    code, written = on_screen(("login",), typed=f"{sandbox.token}\ny\n")
    assert code == 0 and f"The token is in {place}" in written and sandbox.token not in written
    assert say(["sync", "-q"]).code == 0
    assert say(["login", "--token-file-ok"], sandbox.token).code == 0
    if os.name == "posix":
        assert [path.stat().st_mode & 0o777 for path in (place, place.parent)] == [0o600, 0o700]


def test_a_keyring_that_comes_later_takes_the_token_out_of_the_file(
    sandbox: Sandbox, mail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say(["login", "--token-file-ok"], sandbox.token).code == 0
    monkeypatch.setenv("FOLDER_KEYRING", str(tmp_path / "keyring.json"))
    monkeypatch.setattr("keyring.core._keyring_backend", Keyring())
    assert json.loads(say(["token", "status", "--json"]).out)["source"] == "file"
    assert say(["login", "--token-file-ok"], sandbox.token).code == 0
    assert sandbox.token not in token_file(sandbox).read_text()
    assert json.loads(say(["token", "status", "--json"]).out)["source"] == "keyring"


# -- logging out -------------------------------------------------------------------------------------------


def test_logout_removes_the_token_and_says_where_else_one_is(
    sandbox: Sandbox, mail: Path, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say(["login"], sandbox.token).code == 0
    save_in_keyring(sandbox.url, sandbox.admin_token)
    gone = say(["logout"])
    assert (
        gone.code == 0
        and "from the system keyring" in gone.out
        and f"canvas-archive fleet logout {sandbox.url}" in gone.err
    )
    assert f"Canvas accepts the token until you delete it there: {sandbox.url}/profile" in gone.err
    assert say(["fleet", "logout", sandbox.url]).code == 0 and json.loads(ring.read_text()) == {}
    again = say(["logout"])
    assert again.code == 0 and "There was no saved token" in again.out and "Warning" not in again.err
    assert not token_file(sandbox).exists()
    monkeypatch.setenv(TOKEN_VARIABLE, sandbox.token)
    assert f"{TOKEN_VARIABLE} is still set" in say(["logout"]).err


def test_logout_with_a_keyring_that_fails(
    sandbox: Sandbox, mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say(["login", "--token-file-ok"], sandbox.token).code == 0
    monkeypatch.setattr("keyring.core._keyring_backend", Keyring())
    monkeypatch.setattr(Keyring, "get_password", locked)
    said = say(["logout"])
    assert said.code == 3 and "would stay there" in said.err and "access_tokens_holder" in said.err
    assert not token_file(sandbox).exists()


def locked(*_: object) -> None:
    """Be a keyring that nobody unlocks."""
    raise keyring.errors.KeyringLocked("locked")


# -- asking on the way -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["sync", "push", "unread-count"])
def test_a_command_that_needs_a_token_asks_on_a_terminal_and_goes_on(
    command: str, sandbox: Sandbox, mail: Path
) -> None:
    said = say([command])
    assert said.code == 3 and said.err.rstrip().endswith("canvas-archive login")
    code, written = on_screen((command,), typed=f"{sandbox.token}\nn\n")
    assert code == 0 and "There is no access token" in written and "for this command alone" in written
    assert not token_file(sandbox).exists()


@pytest.mark.parametrize("words", ["reply 9", "forward 9 2"])
def test_what_is_sent_at_once_asks_for_a_token_first(words: str, sandbox: Sandbox, mail: Path) -> None:
    sentence = "There is no conversation 9"
    code, written = on_screen((*words.split(), "--body", "x"), typed=f"{sandbox.token}\nn\n")
    assert code == 2 and -1 < written.find("There is no access token") < written.find(sentence)
    code, written = on_screen((*words.split(), "--body", "x", "--queue"))
    assert code == 2 and sentence in written and "access token" not in written


# -- every suggestion leads on -----------------------------------------------------------------------------


def suggested(said: str) -> str:
    """Return the last command that a text suggests."""
    return re.findall(r"canvas-archive (?!DIR)[^\n.'`]*", said)[-1]


def follow(sandbox: Sandbox, begin: list[str], *, terminal: bool) -> list[str]:
    """Run a command and then whatever is suggested, until it works; return what was run.

    The person has the right token at hand, agrees to a file, and unsets the variables they are told to.
    """
    ran = []
    arguments = begin
    for _ in range(MORE):
        ran.append(" ".join(arguments))
        if terminal:
            code, written = on_screen((*arguments,), typed=f"{sandbox.token}\ny\n")
        else:
            said = say(arguments, f"{sandbox.token}\n")
            code, written = said.code, said.out + said.err
        if code == 0 and arguments == begin:
            return ran
        if f"nset {TOKEN_VARIABLE}" in written:
            os.environ.pop(TOKEN_VARIABLE, None)
        arguments = begin if code == 0 and arguments[0] != "token" else shlex.split(suggested(written))[1:]
    pytest.fail(f"this goes in a circle: {ran}\n{written}")


def trouble(case: str, sandbox: Sandbox, mail: Path, patch: pytest.MonkeyPatch) -> None:
    """Bring about one of the troubles with a token."""
    secret = sandbox.tokens.issue(sandbox.user_id) if case in ("expired", "revoked") else "7~wrongwrong"
    if case == "another person's":
        secret = sandbox.admin_token
    if case.startswith("command"):
        command = {"command absent": "no-such-program", "command prints nothing": "true"}.get(
            case, "echo 7~wrongwrong"
        )
        (mail / "config.toml").write_text(f'token_command = "{command}"\nbase_url = "{sandbox.url}"\n')
        assert say(["adopt", "-y"]).code == 0
    elif case.startswith("variable"):
        patch.setenv(TOKEN_VARIABLE, {"variable odd": "a b"}.get(case, secret))
    elif case not in ("none", "empty"):
        assert case in ("wrong", "another person's", "expired", "revoked", "locked keyring", "shared file")
        from canvas_archive.credentials import save_in_file

        save_in_file(sandbox.url, secret, sandbox.user_id)
    if case == "empty":
        patch.setenv(TOKEN_VARIABLE, "  ")
    elif case == "expired":
        sandbox.tokens.expire(secret, "2026-01-01T00:00:00Z")
    elif case == "revoked":
        sandbox.tokens.revoke(secret)
    elif case == "locked keyring":
        patch.setattr("keyring.core._keyring_backend", Keyring())
        patch.setattr(Keyring, "get_password", locked)
        patch.setattr(Keyring, "set_password", locked)
    elif case == "shared file":
        token_file(sandbox).chmod(0o644)


TROUBLES = [
    "none", "empty", "wrong", "another person's", "expired", "revoked", "locked keyring", "shared file",
    "variable wrong", "variable odd", "command absent", "command prints nothing", "command wrong",
]  # fmt: skip


@pytest.mark.sampled
@pytest.mark.parametrize("case", TROUBLES)
def test_whoever_follows_the_suggestions_gets_to_a_sync(
    case: str, sandbox: Sandbox, mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble(case, sandbox, mail, monkeypatch)
    said = say(["sync", "--no-index"])
    assert said.code in (3, 9) and len(said.err.splitlines()) == 1 and "7~wrong" not in said.err, said
    assert follow(sandbox, ["sync", "--no-index"], terminal=False)
    assert say(["logout"]).code in (0, 3)


@pytest.mark.thorough
@pytest.mark.parametrize("case", TROUBLES)
def test_so_does_whoever_answers_at_a_terminal(
    case: str, sandbox: Sandbox, mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble(case, sandbox, mail, monkeypatch)
    assert follow(sandbox, ["sync", "--no-index"], terminal=True)
    assert say(["sync", "-q", "--no-index"]).code == 0


def test_suggestions_name_the_archive(sandbox: Sandbox, mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CANVAS_ARCHIVE")
    said = say(["--archive", str(mail), "sync"])
    assert said.err.rstrip().endswith(f"canvas-archive login --archive {mail}")
    monkeypatch.setenv(URL_VARIABLE, sandbox.url)
    monkeypatch.setenv(TOKEN_VARIABLE, "7~wrongwrong")
    said = say(["--archive", str(mail), "sync"])
    assert said.err.rstrip().endswith(f"canvas-archive login --archive {mail}")


# -- the command that prints it ----------------------------------------------------------------------------


def test_the_command_is_tried_before_it_is_set_and_comments_stay(sandbox: Sandbox, mail: Path) -> None:
    config = mail / "config.toml"
    config.write_text(f'# mine\nbase_url = "{sandbox.url}"\njobs = 2  # few\n')
    (mail.parent / "token").write_text(f"{sandbox.token}\nuser: jules\n")
    command = f"head -n 1 {mail.parent}/token"
    before = config.read_text()
    for bad, code in (("no-such-program", 3), ("true", 3), ("echo 7~wrongwrong", 3), (" ", 2)):
        said = say(["token", "set", "--command", bad])
        assert said.code == code and config.read_text() == before, said
    said = say(["token", "set", "--command", f"echo {sandbox.token}"])
    assert said.code == 3 and "config.toml must not hold one" in said.err and config.read_text() == before
    assert say(["token", "set", "--command", command]).code == 0
    assert "# mine" in config.read_text() and "jobs = 2  # few" in config.read_text()
    assert say(["sync", "-q", "--no-index"]).code == 0
    assert say(["token", "set", "--command", f"cat {mail.parent}/token"]).code == 0
    assert say(["sync", "-q", "--no-index"]).code == 0
    assert config.read_text().count("token_command") == 1
    assert say(["token", "set", "--no-command"]).code == 0 and config.read_text() == before


# -- when it expires ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "words"), [(100, ""), (20, "expires in 19 days"), (0.5, "expires in 0 days"), (-1, "expired on")]
)
def test_status_warns_of_a_token_that_expires(
    days: float, words: str, sandbox: Sandbox, mail: Path, ring: Path
) -> None:
    secret = sandbox.tokens.issue(sandbox.user_id)
    at = datetime.now(timezone.utc) + timedelta(days=days)
    sandbox.tokens.limit(secret, at.isoformat())
    assert say(["login"], secret).code == 0
    shown = say(["status"]).out
    assert f"expires on {at:%Y-%m-%d}" in shown
    assert (f"Next: The access token {words}" in shown) == bool(words)
    assert not words or "canvas-archive login" in shown
    assert json.loads(say(["status", "--json"]).out)["token_expires_at"] is not None
    sandbox.tokens.revoke(secret)


def test_nothing_is_said_of_an_expiry_that_is_not_known(
    sandbox: Sandbox, mail: Path, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = sandbox.tokens.issue(sandbox.user_id)
    sandbox.tokens.limit(secret, "2026-01-01T00:00:00Z")
    assert say(["login"], secret).code == 0 and "expired" in say(["status"]).out
    monkeypatch.setenv(TOKEN_VARIABLE, "another")
    assert "expire" not in say(["status"]).out
    monkeypatch.delenv(TOKEN_VARIABLE)
    assert say(["logout"]).code == 0 and "expire" not in say(["status"]).out
    sandbox.tokens.revoke(secret)


class Late:
    """A clock that is some days ahead."""

    def __init__(self, days: float) -> None:
        self._days = days

    def now(self) -> datetime:
        """Return the moment that many days from now."""
        return datetime.now(timezone.utc) + timedelta(days=self._days)

    monotonic = staticmethod(SYSTEM.monotonic)
    sleep = staticmethod(SYSTEM.sleep)


@pytest.mark.parametrize(("days", "warns"), [(6.9, False), (7.1, True)])
def test_status_warns_of_an_old_last_sync(
    days: float, warns: bool, sandbox: Sandbox, mail: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, sandbox.token)
    assert say(["sync", "-q", "--no-index"]).code == 0
    with Archive.open(mail) as archive:
        steps = advice(read_status(archive, Late(days)))
    assert any(step == "The last sync was 7 days ago. Run: canvas-archive sync" for step in steps) == warns


@pytest.mark.skipif(os.name != "posix", reason="it is for /bin/sh")
def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canvas_archive.credentials.COMMAND_SECONDS", 0.1)
    for command in ("sleep 5", "sleep 5 | cat"):
        with pytest.raises(CredentialProblem, match=r"did not end within .*token set --no-command"):
            token_from_command(command)


# -- fleets ------------------------------------------------------------------------------------------------


def test_a_fleet_has_a_token_of_its_own(sandbox: Sandbox, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(f"user_id,name\n{sandbox.user_id},Jules\n")
    sync = ["fleet", "sync", str(people), "--url", f"{sandbox.url}/", "--root", str(tmp_path / "root")]
    missing = say(sync)
    login = f"canvas-archive fleet login {sandbox.url}"
    assert missing.code == 3 and missing.err.rstrip().endswith(f"run: {login}"), missing
    refused = say(["fleet", "login", sandbox.url], sandbox.admin_token)
    assert refused.code == 3 and refused.err.rstrip().endswith(f"{login} --token-file-ok")
    wrong = say(["fleet", "login", sandbox.url], "7~wrongwrong")
    assert wrong.code == 3 and wrong.err.rstrip().endswith(f"run: {login}")
    assert say(["fleet", "login", f"{sandbox.url}/x", "--token-file-ok"], sandbox.admin_token).code == 0
    done = say(sync)
    assert done.code == 0, done.err
    assert say(["--archive", str(tmp_path / "root" / str(sandbox.user_id)), "sync", "-q"]).code == 0
    assert "Removed the token" in say(["fleet", "logout", sandbox.url]).out and say(sync).code == 3
