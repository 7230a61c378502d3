"""The situations a new user meets, and the commands somebody tries in each."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from canvas_archive.clock import SYSTEM
from canvas_archive.sandbox import Sandbox
from canvas_archive.search import update_index
from canvas_archive.store import Archive, Ingest, edits, ingest, migrations, runs
from canvas_archive.store.adoption import state_file
from canvas_archive.store.receipts import ReceiptWriter
from canvas_archive.sync import service
from canvas_archive.sync.progress import SyncProgress
from canvas_archive.sync.service import SyncOptions, sync
from tests.store_support import TickingClock, conversation, create, message

URL = "http://127.0.0.1:9"
"""Nobody listens on the discard port."""


@dataclass(frozen=True)
class Situation:
    """A state of things, and the commands somebody tries in it, one a line.

    ``prepare`` gets an empty folder to work in and makes ``mail`` (or not) in it; its environment is that
    of the commands. It is a context: the situation lasts as long. ``lines`` are shown of each stream.
    """

    title: str
    prepare: Callable[[Path], contextlib.AbstractContextManager[None]]
    text: str
    lines: int = 12
    numbers: bool = True
    """Whether the counts are the same in every run."""

    @property
    def calls(self) -> list[str]:
        """Return the arguments of each call."""
        return [line.strip() for line in self.text.strip().splitlines()]


# -- archives ---------------------------------------------------------------------------------------------


def small(folder: Path) -> Path:
    """Make an archive of three conversations at ``mail``, with its index, as a sync would leave it."""
    mail = folder / "mail"
    with create(mail, base_url=URL) as archive:
        ingest = Ingest(archive.db, TickingClock())
        for number in (1, 2, 3):
            ingest.save_conversation(conversation(number, message(number * 10, f"Exam {number}")))
        update_index(archive.db, archive.search_dir)
    return mail


@contextlib.contextmanager
def nothing(folder: Path) -> Iterator[None]:
    """There is no archive."""
    yield


@contextlib.contextmanager
def three_conversations(folder: Path) -> Iterator[None]:
    """There is an archive; no token, and nobody at its address."""
    small(folder)
    yield


@contextlib.contextmanager
def troubled(folder: Path) -> Iterator[None]:
    """Items failed in earlier syncs: once, twice, and one that somebody accepted."""
    with Archive.open(small(folder), write=True) as archive:
        for kind, item, times in (
            ("conversation", "5", 1),
            ("attachment", "5", 2),
            ("media", "12/m-abc", 3),
            ("list", "inbox/page-2", 2),
        ):
            for _ in range(times):
                runs.record_problem(archive.db, kind, item, "Canvas failed (502). Try again later.", SYSTEM)
        runs.accept_problem(archive.db, "media", "12/m-abc", SYSTEM)
    yield


@contextlib.contextmanager
def empty(folder: Path) -> Iterator[None]:
    """There was an ``init``, and no sync."""
    create(folder / "mail", base_url=URL).close()
    yield


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process is writing."""
    with Archive.open(small(folder), write=True):
        yield


@contextlib.contextmanager
def newer(folder: Path) -> Iterator[None]:
    """A later version of the program made it."""
    with closing(sqlite3.connect(small(folder) / "archive.db")) as db:
        db.execute("PRAGMA user_version = 999")
    yield


@contextlib.contextmanager
def older(folder: Path) -> Iterator[None]:
    """The first version of the program made it."""
    with (
        patch.object(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1]),
        patch.object(ReceiptWriter, "write"),  # it wrote none
        patch.object(ingest, "settle_all_direct"),  # and had no such column
    ):
        create(folder / "mail", base_url=URL).close()
    yield


@contextlib.contextmanager
def foreign(folder: Path) -> Iterator[None]:
    """Somebody else made it."""
    small(folder)
    state_file().unlink()
    yield


@contextlib.contextmanager
def with_a_trigger(folder: Path) -> Iterator[None]:
    """Somebody put a trigger into the database."""
    small(folder)
    with contextlib.closing(sqlite3.connect(folder / "mail" / "archive.db")) as db:
        db.execute("CREATE TRIGGER quiet AFTER INSERT ON messages BEGIN SELECT 1; END")
    yield


@contextlib.contextmanager
def with_a_link(folder: Path) -> Iterator[None]:
    """A link leads out of the archive."""
    small(folder)
    (folder / "mail" / "config.toml").rename(folder / "config.toml")
    (folder / "mail" / "config.toml").symlink_to(folder / "config.toml")
    yield


@contextlib.contextmanager
def damaged(folder: Path) -> Iterator[None]:
    """The database is none, the index is gone."""
    (small(folder) / "archive.db").write_bytes(b"no database " * 1000)
    yield


@contextlib.contextmanager
def wrong_configuration(folder: Path) -> Iterator[None]:
    """Somebody edited config.toml."""
    (small(folder) / "config.toml").write_text("jobs = many\n", encoding="utf-8")
    yield


@contextlib.contextmanager
def not_folders(folder: Path) -> Iterator[None]:
    """``mail`` is a file, ``papers`` is a folder with other things in it."""
    (folder / "mail").write_text("hello", encoding="utf-8")
    (folder / "papers").mkdir()
    (folder / "papers" / "thesis.txt").write_text("…", encoding="utf-8")
    yield


@contextlib.contextmanager
def with_token(folder: Path) -> Iterator[None]:
    """There is a token, and nobody at the archive's address."""
    small(folder)
    os.environ["CANVAS_API_TOKEN"] = "token"
    os.environ["CANVAS_API_URL"] = URL
    yield


@contextlib.contextmanager
def wrong_token(folder: Path) -> Iterator[None]:
    """Canvas is there, and does not know the token."""
    with Sandbox(conversations=5) as sandbox:
        create(folder / "mail", base_url=sandbox.url, user_id=sandbox.user_id).close()
        os.environ["CANVAS_API_URL"], os.environ["CANVAS_API_TOKEN"] = sandbox.url, "mistyped"
        yield


class Stopping(SyncProgress):
    """A person who presses Ctrl-C when half is done."""

    def conversations(self, done: int, total: int) -> None:
        """Stop at the sixth of twelve, or soon after."""
        if done >= 6:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interrupted(folder: Path) -> Iterator[None]:
    """The first sync was stopped in the middle."""
    with Sandbox(conversations=12) as sandbox:
        create(folder / "mail", base_url=sandbox.url, user_id=sandbox.user_id).close()
        os.environ["CANVAS_API_URL"], os.environ["CANVAS_API_TOKEN"] = sandbox.url, sandbox.token
        with contextlib.suppress(KeyboardInterrupt):
            sync(folder / "mail", SyncOptions(jobs=1, attachments=False), Stopping())
        yield


@contextlib.contextmanager
def killed(folder: Path) -> Iterator[None]:
    """The first sync was killed, and could not say so."""
    with contextlib.ExitStack() as rest:
        with patch.object(service, "_finish", lambda *_: None):
            rest.enter_context(interrupted(folder))
        yield


@contextlib.contextmanager
def synced(folder: Path) -> Iterator[None]:
    """A sync has just ended, and an edit waits."""
    with Sandbox(conversations=12) as sandbox:
        create(folder / "mail", base_url=sandbox.url, user_id=sandbox.user_id).close()
        os.environ["CANVAS_API_URL"], os.environ["CANVAS_API_TOKEN"] = sandbox.url, sandbox.token
        sync(folder / "mail", SyncOptions(mode="full", jobs=1))
        with Archive.open(folder / "mail", write=True) as archive:
            number = archive.db.execute("SELECT min(id) FROM conversations WHERE starred = 0").fetchone()[0]
            edits.record_edit(archive.db, number, "starred", True, "cli")
        yield


# -- what is tried ------------------------------------------------------------------------------------------

SITUATIONS = (
    Situation(
        "wrong usage",
        three_conversations,
        """
        snyc
        sync --nonsense
        sync --full --quick
        sync --refetch --quick
        sync -n --push
        list --folder trash
        list --limit none
        list --before tuesday
        list --cursor yesterday
        list --from
        list unread --folder sent
        list bio
        list --csv --json
        list --after 2026 --from nobody
        list --tz UTC
        list -5
        show https://other.example/conversations/1
        show 1 --web
        open 99
        attachments 99
        read 1
        read 1 2 --push
        unread 1
        mark
        mark read
        mark unraed 1
        star 1 -n --push
        push --http
        frobnicate
        inboxx
        cron
        tag 1 important
        uninstall
        forward 1
        help cron
        list extra
        show
        show abc
        show 0
        show 99
        search
        search from:
        search before:tuesday
        search is:blue
        search --sort size exam
        search -i exam
        search label:x
        search form:x
        search exam OR
        search '(exam'
        search --saved nothing
        sql
        sql selec
        sql "DELETE FROM messages"
        sql "SELECT :id"
        sql "SELECT 1; SELECT 2"
        star
        star 99
        star 1 --query exam
        subscribe 1
        edits discrad
        edits discard
        edits discard 5
        push --on-conflict mine
        export
        export out
        export out.xyz
        export out -f pdf
        export out.mbox --redact-key key.csv
        export out.mbox --folder trash
        export out.mbox --after tuesday
        export out.mbox --ids one
        verify nowhere
        verify --jobs 99
        verify --chain-head abc
        backup
        backup mail
        restore
        restore nowhere
        restore papers
        sign
        sign nowhere
        sign papers --key papers/key
        fleet
        fleet bogus
        fleet sync
        fleet sync nowhere.csv --root fleet
        fleet status
        serve --port 99999
        sandbox --port -1
        demo --conversations 0
        help list more
        help nothing
        completion tcsh
        init
        """,
        lines=6,
    ),
    Situation(
        "looking around",
        three_conversations,
        """
        list
        list --limit 1
        list --csv
        list --from 20 --sort oldest
        list --starred
        list trash
        search exam --from 20 --limit 1
        show 1 20
        show latest
        whoami
        archives
        config
        log
        version
        people
        people nobody
        courses
        stats
        attachments
        attachments --save out
        star 1 -n
        star 1
        mark unread 2 3
        undo
        edits
        undo
        undo
        undo
        --archive mail star 2
        --archive mail list --limit 1
        --archive mail push
        """,
        lines=10,
    ),
    Situation(
        "no archive",
        nothing,
        """
        status
        list
        show 1
        search exam
        sql "SELECT count(*) FROM messages"
        edits
        export out.mbox
        sync
        push
        index
        star 1
        send --to chen --body Hello
        index --check
        doctor --offline
        token
        verify
        backup out
        serve
        reply 1 --body Hello
        delete 1 -y
        mark-all-read
        mark-all-read -y
        recipients chen
        unread-count
        batches
        adopt
        rebind http://127.0.0.1:9
        remove-messages 1 2 -y
        add-recipients 1 chen
        whoami
        archives
        size
        log
        people
        undo
        open
        attachments
        """,
    ),
    Situation(
        "an archive without a sync",
        empty,
        """
        status
        list
        show 1
        search exam
        sql "SELECT count(*) FROM messages"
        edits
        export out.mbox
        sync
        push
        index
        star 1
        send --to chen --body Hello
        index --check
        star --query exam
        doctor --offline
        verify
        backup out
        edits --all
        search --list-saved
        list --folder sent
        """,
        lines=16,
    ),
    Situation(
        "a sync that was interrupted",
        interrupted,
        """
        status
        doctor --offline
        sync
        status
        """,
        numbers=False,
    ),
    Situation(
        "a sync that was killed",
        killed,
        """
        status
        doctor --offline
        sync
        status
        """,
        numbers=False,
    ),
    Situation(
        "after a sync",
        synced,
        """
        status
        doctor
        sync
        sync -n
        push -n
        push
        push
        edits --all
        verify --remote
        """,
        lines=20,
    ),
    Situation(
        "another process is writing",
        locked,
        """
        status
        list
        search exam
        sync
        push
        index
        star 1
        send --to chen --body Hello
        token
        login
        login mailto:ada@school.edu
        token status
        logout
        backup out
        """,
    ),
    Situation(
        "made by an older version",
        older,
        """
        status
        list
        sync
        """,
    ),
    Situation(
        "made by a newer version",
        newer,
        """
        status
        list
        sync
        verify
        doctor --offline
        export out.mbox
        """,
    ),
    Situation(
        "made on another machine or by somebody else",
        foreign,
        """
        status
        list
        search exam
        sync
        star 1
        verify
        adopt
        adopt -y
        star 1
        """,
    ),
    Situation(
        "a trigger of somebody else's",
        with_a_trigger,
        """
        list
        star 1
        sync
        verify
        """,
    ),
    Situation(
        "a link in the archive",
        with_a_link,
        """
        list
        sync
        verify
        """,
    ),
    Situation(
        "a damaged archive",
        damaged,
        """
        status
        sync
        verify
        doctor --offline
        backup out
        """,
    ),
    Situation(
        "a wrong configuration",
        wrong_configuration,
        """
        status
        sync
        doctor --offline
        """,
    ),
    Situation(
        "not an archive at all",
        not_folders,
        """
        status
        sync
        init http://127.0.0.1:9
        --archive papers init http://127.0.0.1:9
        --archive papers status
        verify papers
        sign papers
        sign papers --key papers/key
        fleet verify papers
        fleet verify
        """,
    ),
    Situation(
        "no token",
        three_conversations,
        """
        sync
        push
        push -n
        doctor
        unread-count
        recipients chen
        send --to 20 --body Hello
        send --to 20 --subject Hi --body Hello --queue
        edits
        --archive new init http://127.0.0.1:9
        --archive new init http://school.example
        --archive new init ftp://x
        """,
    ),
    Situation(
        "nobody at the address",
        with_token,
        """
        sync --patience 0
        --archive new init http://127.0.0.1:9
        """,
    ),
    Situation(
        "a token that Canvas does not know",
        wrong_token,
        """
        sync
        push
        doctor
        unread-count
        """,
    ),
    Situation(
        "items that failed",
        troubled,
        """
        problems
        problems --all
        problems --all --json
        status
        problems retry 5
        problems retry conversation 6
        problems retry attachment
        problems retry
        problems accept conversation 5 'attachment 5'
        problems accept conversation 5 nonsense
        problems retry recording 12/m-abc
        problems accept all
        problems
        problems retry all
        problems nonsense
        """,
        lines=40,
    ),
    Situation(
        "nobody can be asked",
        three_conversations,
        """
        mark-all-read
        delete 1
        remove-messages 1 10
        reply 1
        send --to 20
        forget
        forget nowhere
        """,
    ),
)
