"""Every statement that pages and commands really run finds its way by an index, however large the mailbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from canvas_archive.cli import run
from canvas_archive.sandbox import Sandbox
from canvas_archive.store import Archive, transaction
from tests.plan_support import Allowed, Line, Step, as_if_large, recorded
from tests.push_support import Mail, PushClock
from tests.sync_support import bind
from tests.web_support import NOW, OWNER, Maker, fill, open_visitor

pytestmark = [pytest.mark.uncounted, pytest.mark.sampled]

STATES = ("pending", "pushed", "conflict", "discarded", "gone", "reverted")
LONG = 900_001


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a few hundred conversations with some of everything."""
    folder = tmp_path_factory.mktemp("plans") / "archive"
    with Archive.create(
        folder, base_url="https://school.instructure.com", user_id=OWNER, name="Jules Marchetti"
    ) as archive:
        with transaction(archive.db):
            make = Maker(archive.db, archive.folder)
            fill(make)
            for number in range(300):
                at = NOW - timedelta(days=200 + number)
                make.conversation(
                    910_000 + number,
                    f"Older {number}",
                    [2 + number % 9],
                    [(2 + number % 9, at, "A question"), (OWNER, at + timedelta(hours=1), "An answer")],
                    course=f"course_{105 + number % 2}",
                    state=("read", "archived")[number % 2],
                )
            lines = [(2, NOW - timedelta(days=600 - number), f"Line {number}") for number in range(400)]
            make.conversation(LONG, "The long one", [2], lines)
            archive.db.executemany(
                "INSERT INTO edits (conversation_id, field, base_value, value, made_at, state, settled_at)"
                " VALUES (?, 'starred', '0', '1', '2026-11-01T00:00:00Z', ?, '2026-11-02T00:00:00Z')",
                [(910_000 + number, STATES[number % 6]) for number in range(300)],
            )
        from canvas_archive.search import update_index

        update_index(archive.db, archive.search_dir)
    as_if_large(folder)
    return folder


PAGES = [
    "/mail",
    "/mail/unread",
    "/mail/starred",
    "/mail/archived",
    "/mail/sent",
    "/mail/removed",
    *(
        f"/mail{folder}?{way}=2026-03-01T00:00:00Z~910100"
        for folder in ("", "/unread", "/starred", "/archived", "/sent", "/removed")
        for way in ("before", "after")
    ),
    "/mail/c/800001",
    f"/mail/c/{LONG}",
    f"/mail/c/{LONG}?before=2025-10-01T00:00:00Z~5700",
    f"/mail/c/{LONG}?after=2025-10-01T00:00:00Z~5700",
    f"/mail/c/{LONG}?m=5700",
    f"/mail/c/{LONG}?all=1",
    "/mail/c/800001?in=course:course_106",
    "/mail/c/800001?in=person:8",
    "/mail/c/800001?in=archived",
    "/mail/c/800001.txt",
    "/mail/c/800001.eml",
    "/mail/search?q=question",
    "/mail/search?q=from:chen+is:unread",
    "/mail/people",
    "/mail/people?after=3~4",
    "/mail/people?name=mensah",
    "/mail/people/4",
    "/mail/people/1",
    "/mail/people/4?before=2026-03-01T00:00:00Z~910100",
    "/mail/people/4?when=2026-03",
    "/mail/courses",
    "/mail/courses/course_106",
    "/mail/courses/course_106?before=2026-03-01T00:00:00Z~910100",
    "/mail/courses/course_106?when=2026-03",
    "/mail/timeline",
    "/mail/timeline?when=2026-03",
    "/mail/edits",
    "/mail/status",
    "/mail/files/9001",
    "/archive",
    "/archive/conversations",
    "/archive/conversations?_next=2026-03-01T00~3A00~3A00Z,910100",
    "/archive/conversations/910001",
    "/archive/messages",
    "/archive/messages?conversation_id=800001&_sort=created_at",
    "/archive/messages/5010",
    "/archive/attachments",
    "/archive/edits",
    "/archive/revisions",
    "/archive/revisions?table=conversations&id=800001",
    "/archive/threads",
    "/archive/inbox",
    "/archive/sent",
    "/archive/pending_edits",
]

ALLOWED = [
    Allowed(
        r"^SELECT p\.conversation_id, u\.id.* ORDER BY p\.conversation_id, p\.position$", "sort", "a page's"
    ),
    Allowed(r" FROM account a LEFT JOIN users u ON ", "walk", "one row"),
    Allowed(r"^SELECT \* FROM sync_runs r WHERE finished_at IS NOT NULL AND NOT EXISTS", "walk", "few runs"),
    Allowed(r"^SELECT code, .* FROM contexts x ORDER BY x\.kind", "sort", "courses: some hundreds"),
    Allowed(r"^SELECT count\(\*\) FILTER \(WHERE accepted_at .* FROM problems p", "walk", "problems: few"),
    Allowed(r"^SELECT \(SELECT count\(\*\) FROM attachments a WHERE a\.state", "walk", "files not here: few"),
    Allowed(r" FROM json_each\(:periods\) p ORDER BY p\.key$", "sort", "the bars of a chart"),
    Allowed(r"^WITH RECURSIVE shown .* FROM shown .* ORDER BY ", "sort", "one conversation"),
    Allowed(r"^SELECT user_id FROM conversation_participants WHERE conversation_id = \? ", "sort", "one's"),
    Allowed(
        r"^WITH page AS .* ORDER BY page\.sorted_at DESC, page\.id DESC$", "sort", "the lines of one page"
    ),
    Allowed(
        r"FROM conversation_participants p CROSS JOIN conversations c WHERE p\.user_id", "sort", "to BUSY"
    ),
    Allowed(
        r"FROM \(SELECT conversation_id, max\(created_at\) AS at FROM messages WHERE ", "sort", "a period"
    ),
    Allowed(r"^SELECT u\.id, \(SELECT count\(\*\) .* FROM users u ORDER BY n DESC", "walk+sort", "kept"),
    Allowed(r"^SELECT id(, name, full_name)? FROM users WHERE name LIKE ", "walk", "the middle of a name"),
    Allowed(
        r"^select \[?\w+\]? as value, count\(\*\) as count from \( select ", "walk+sort", "facets: 200 ms"
    ),
    Allowed(r"^select count\(\*\) from \[\w+\]$", "walk", "the list of tables: 5 ms for each"),
    Allowed(r"^SELECT (count\()?DISTINCT message_id\)? FROM index_queue", "walk+sort", "empty after a sync"),
    Allowed(r" FROM media_comments (WHERE state IN|GROUP BY state)", "walk+sort", "recordings are few"),
    Allowed(r" FROM problems ", "sort", "the ledger of what failed"),
    Allowed(r"^SELECT \(SELECT count\(\*\) FROM conversations\), .* FROM users\), ", "walk", "counts people"),
    Allowed(r"^SELECT DISTINCT a\.sha256, .* FROM attachments a ", "sort", "texts still to be read"),
    Allowed(r"FROM users o WHERE coalesce.* FROM users u WHERE u\.id = \?$", "walk", "five names at most"),
]
"""Statements that sort or walk what stays small or is read seldom, and why."""


@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES)
def test_a_page(folder: Path, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(monkeypatch) as recorder:
        visitor = open_visitor(folder)
        try:
            assert visitor.get(page).status_code == 200
        finally:
            visitor.close()
    assert len(recorder.steps) > 1
    faults = recorder.faults(ALLOWED)
    assert not faults, "\n" + "\n".join(faults)


SYNCING = [
    Allowed(
        r"^SELECT id, remote_workflow_state, .* FROM conversations$", "walk", "the states a sync compares"
    ),
    Allowed(
        r"^SELECT e\.\*, l\.digest AS chained_digest FROM edits e ", "walk", "the journal, held to the chain"
    ),
    Allowed(
        r"^SELECT e\.id, e\.conversation_id, e\.origin FROM edits e .* e\.settled_at >= ", "walk", "journal"
    ),
]
"""What a sync reads whole, once, and why that is cheap beside its requests."""

READING_ALL = [
    Allowed(r"^SELECT sha256, min\(stored_size\), .* GROUP BY sha256 ORDER BY sha256$", "sort", "file names"),
    Allowed(
        r"FROM messages m WHERE m\.conversation_id IN \(SELECT value FROM json_each", "sort", "one batch"
    ),
    Allowed(
        r"^INSERT INTO chosen SELECT c\.id, count\(m\.id\) FROM conversations c JOIN ",
        "sort",
        "what was found",
    ),
    Allowed(r"count\(DISTINCT sha256\) FILTER", "sort", "hashes of files alone"),
    Allowed(r"^WITH RECURSIVE carried \(id, conversation_id\) AS ", "sort", "files that are not here"),
    Allowed(r"^SELECT '(conversation|message)', .* temp\.chosen x JOIN ", "sort", "what Canvas has removed"),
    Allowed(r"^SELECT type, name FROM sqlite_master WHERE ", "sort", "the few parts of a schema"),
]
"""What a command that reads everything sorts all the same."""


COMMANDS = [
    ["list"],
    *(["list", "--folder", name] for name in ("unread", "starred", "archived", "sent", "removed")),
    ["show", "800001"],
    ["show", str(LONG), "--json"],
    ["status"],
    ["edits"],
    ["edits", "--json"],
    ["search", "question", "--facets"],
    ["search", "from:chen is:unread has:attachment in:inbox after:2025"],
    ["sql", "SELECT * FROM inbox LIMIT 20"],
    ["sql", "SELECT * FROM pending_edits LIMIT 20"],
    ["star", "910001"],
    ["unstar", "910001"],
    ["archive", "910001"],
    ["index"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command(folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(monkeypatch) as recorder:
        assert run([*command, "--archive", str(folder)]) == 0
    assert recorder.steps
    faults = recorder.faults(ALLOWED)
    assert not faults, "\n" + "\n".join(faults)


WALKS = [
    ["verify"],
    ["index", "--rebuild"],
    ["export", "DEST", "--format", "jsonl", "--allow-incomplete"],
    ["export", "DEST", "--format", "mbox", "--query", "question", "--allow-incomplete"],
]


@pytest.mark.parametrize("command", WALKS, ids=" ".join)
def test_a_command_that_reads_everything_sorts_nothing_large(
    folder: Path, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded(monkeypatch) as recorder:
        arguments = [str(tmp_path / "dest") if word == "DEST" else word for word in command]
        assert run([*arguments, "--archive", str(folder)]) in (0, 5, 8)
    assert recorder.steps
    faults = recorder.faults([*ALLOWED, *READING_ALL], walks=True)
    assert not faults, "\n" + "\n".join(faults)


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mail]:
    """A synced archive and its sandbox."""
    with Sandbox(conversations=60) as sandbox:
        bound = bind(sandbox, tmp_path / "archive", monkeypatch)
        mail = Mail(bound.sandbox, bound.folder)
        mail.clock = PushClock()
        mail.sync(mode="full", index=True)
        as_if_large(mail.folder)
        yield mail


def a_quick_sync(mail: Mail) -> None:
    for ident in mail.sandbox.school.ids("inbox")[:5]:
        mail.sandbox.school.own_reply(ident, "One more line.")
    mail.sync(mode="quick", index=True)


def a_full_sync(mail: Mail) -> None:
    mail.sync(mode="full", index=True)


def a_push(mail: Mail) -> None:
    for ident in mail.sandbox.school.ids("inbox")[:5]:
        mail.set(ident, starred=1, workflow_state="archived")
    mail.push()


@pytest.mark.thorough
@pytest.mark.parametrize("work", [a_quick_sync, a_full_sync, a_push])
def test_syncing_and_pushing(
    mail: Mail, work: Callable[[Mail], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded(monkeypatch) as recorder:
        work(mail)
    assert len(recorder.steps) > 10
    faults = recorder.faults([*ALLOWED, *SYNCING])
    assert not faults, "\n" + "\n".join(faults)


# -- the test itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "index"),
    [
        ("/mail", "conversations_inbox"),
        ("/mail/sent?before=2026-03-01T00:00:00Z~910100", "conversations_sent"),
        ("/mail/removed", "conversations_gone"),
        ("/mail/people/4", "conversation_participants_user"),
        ("/archive/messages", "messages_created"),
        ("/mail/edits", "edits_unsettling"),
        ("/archive/inbox", "conversations_inbox"),
        ("/archive/attachments", "attachments_created"),
    ],
)
def test_without_its_index_a_page_fails(
    folder: Path, tmp_path: Path, page: str, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    copy = tmp_path / "archive"
    shutil.copytree(folder, copy)
    with closing(sqlite3.connect(copy / "archive.db")) as db:
        db.execute(f"DROP INDEX {index}")
    with recorded(monkeypatch) as recorder:
        visitor = open_visitor(copy)
        try:
            visitor.get(page)
        finally:
            visitor.close()
    assert recorder.faults(ALLOWED)


@pytest.mark.parametrize(
    ("sql", "plan", "faults"),
    [
        ("SELECT * FROM messages m WHERE m.body = ?", ["SCAN m"], 1),
        ("SELECT * FROM messages WHERE body = ? LIMIT 5", ["SCAN messages"], 1),
        ("SELECT * FROM messages LIMIT 5", ["SCAN messages"], 0),
        ("SELECT count(*) FROM messages", ["SCAN messages USING COVERING INDEX messages_author"], 0),
        ("SELECT subject FROM conversations", ["SCAN conversations USING INDEX conversations_latest"], 1),
        ("SELECT * FROM account", ["SCAN account"], 0),
        ("SELECT * FROM inbox", ["SCAN c"], 1),
        ("SELECT * FROM x JOIN [messages] AS y", ["SCAN x", "SCAN y"], 1),
        ("SELECT * FROM messages JOIN x ON 1", ["SCAN messages"], 1),
        ("SELECT 1 ORDER BY 1", ["USE TEMP B-TREE FOR ORDER BY"], 1),
        ("SELECT 1 ORDER BY 1", ["USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"], 0),
    ],
)
def test_what_counts_as_a_fault(sql: str, plan: list[str], faults: int) -> None:
    step = Step(sql, tuple(Line(text, for_each=False) for text in plan), "SELECT * FROM conversations c")
    assert len(list(step.faults())) == faults
