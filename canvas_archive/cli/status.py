"""``canvas-archive status``: what the archive holds, how fresh it is, and what to do next."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    json_option,
    pass_settings,
    print_document,
    styled,
)
from canvas_archive.cli.problems import next_try
from canvas_archive.cli.records import problem_record, run_record
from canvas_archive.cli.terminal import age, count_of, one_line, token_warnings
from canvas_archive.clock import SYSTEM, Clock, iso, parse_iso

if TYPE_CHECKING:
    from datetime import datetime

    from canvas_archive.store import Account, Archive
    from canvas_archive.store.counts import ArchiveCounts
    from canvas_archive.store.runs import Problem

_LABEL = 15
_COLOURS = {"Problem": "red", "Unknown": "red", "Waiting": "magenta"}
"""The lines that a person should see first, by their label."""

SYNC_IS_OLD = timedelta(days=7)

UNFINISHED = ("failed", "interrupted", "running")
"""How a run ended that did not finish; one still ``running`` was killed, when nobody is writing."""


@click.command()
@common_options
@json_option
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show what the archive holds, how fresh it is, what waits and what failed."""
    from canvas_archive.store import Archive

    with Archive.open(settings.folder) as archive:
        current = read_status(archive)
    if as_json:
        print_document("status", current, **_numbers(current))
        return
    for line in _lines(current):
        label, text = line[:_LABEL], one_line(settings.typed(line[_LABEL:]))
        colour = _COLOURS.get(label.strip(), "")
        click.echo(styled(one_line(label), colour) + text if colour else one_line(label) + text)


_SAVED = "SELECT name, query, created_at FROM saved_searches ORDER BY name"


@dataclass(frozen=True, slots=True)
class Status:
    """Everything ``status`` tells; its names are those of the document."""

    archive: str
    account: Account
    counts: ArchiveCounts
    first_message_at: str | None
    last_message_at: str | None
    attachment_bytes: int
    outbox: int
    drafts: int
    unsettled_acts: list[str]
    adopted: bool
    writer_pid: int | None
    last_sync: dict[str, Any] | None
    last_full_sync_at: str | None
    index_waiting: int
    index_missing: bool
    saved_searches: list[dict[str, str]]
    problems: list[Problem]
    resting: int
    accepted: int
    token_expires_at: str | None
    now: datetime


def _numbers(status: Status) -> dict[str, Any]:
    """Return what the document of ``status`` has beside the attributes."""
    counts = status.counts
    return {
        "counts": {
            "conversations": {
                "total": counts.conversations,
                "unread": counts.unread,
                "removed": counts.removed_conversations,
                "unfetched": counts.unfetched,
            },
            "messages": {"total": counts.messages, "removed": counts.removed_messages},
            "people": counts.people,
            "attachments": {**counts.attachments, "bytes": status.attachment_bytes},
            "media": dict(counts.media),
            "edits": {"pending": counts.pending_edits, "undone": counts.undone_edits},
            "outbox": status.outbox,
            "drafts": status.drafts,
            "acts": {"unsettled": len(status.unsettled_acts)},
            "index": {"waiting": status.index_waiting},
            "problems": {
                "open": len(status.problems),
                "resting": status.resting,
                "accepted": status.accepted,
            },
        },
        "problems": map(problem_record, status.problems),
        "last_sync": status.last_sync and run_record(status.last_sync),
    }


def read_status(archive: Archive, clock: Clock = SYSTEM) -> Status:
    """Gather the status from the archive alone; nothing is asked of Canvas."""
    from canvas_archive.store import runs
    from canvas_archive.store.acts import unsettled_acts
    from canvas_archive.store.counts import archive_counts, pending_messages
    from canvas_archive.store.drafts import count_drafts
    from canvas_archive.store.lock import present_writer
    from canvas_archive.token_store import known_expiry

    db, account = archive.db, archive.account
    last = db.execute("SELECT * FROM sync_runs ORDER BY id DESC LIMIT 1").fetchone()
    full = runs.last_complete_full(db)
    writer = present_writer(archive.folder)
    # Two subqueries: each is one step in an index, while min and max together would read all of it.
    first_at, last_at = db.execute(
        "SELECT (SELECT min(created_at) FROM messages), (SELECT max(created_at) FROM messages)"
    ).fetchone()
    resting, accepted = runs.count_untouched(db, (), clock)
    return Status(
        archive=str(archive.folder),
        account=account,
        counts=archive_counts(db),
        first_message_at=first_at,
        last_message_at=last_at,
        attachment_bytes=db.execute("SELECT coalesce(sum(stored_size), 0) FROM attachments").fetchone()[0],
        outbox=db.execute("SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')").fetchone()[0],
        drafts=count_drafts(archive.folder),
        # One that a process is sending right now will be settled by it.
        unsettled_acts=[] if writer else [act.sentence() for act in unsettled_acts(db)],
        adopted=archive.adopted,
        writer_pid=writer.pid if writer else None,
        last_sync=None if last is None else {**dict(last), "counts": json.loads(last["counts"])},
        last_full_sync_at=iso(full) if full else None,
        index_waiting=pending_messages(db),
        index_missing=not any(archive.search_dir.glob("*.toc")),
        saved_searches=[
            dict(zip(("name", "query", "created_at"), row, strict=True)) for row in db.execute(_SAVED)
        ],
        problems=[problem for problem in runs.known_problems(db) if problem.accepted_at is None],
        resting=resting,
        accepted=accepted,
        token_expires_at=known_expiry(
            account.base_url, token_command=archive.config.token_command, user_id=account.user_id
        ),
        now=clock.now(),
    )


def advice(status: Status) -> list[str]:
    """Say what to do next, the most urgent first; nothing when all is well."""
    counts = status.counts
    if not status.adopted:
        return [
            "This archive is only read: it was made elsewhere or by somebody else. If it is yours, or you "
            "trust whoever gave it to you, run 'canvas-archive adopt'; then it can be searched and synced."
        ]
    steps = []
    if status.writer_pid is not None:
        steps.append(
            f"Process {status.writer_pid} is writing to the archive. "
            "Its results appear here when it finishes."
        )
    elif status.last_sync is None:
        steps.append("No messages downloaded yet. Run: canvas-archive sync")
    elif status.last_sync["status"] in UNFINISHED:
        steps.append("The last sync did not finish. To resume it: canvas-archive sync")
    elif status.last_full_sync_at is None or counts.unfetched:
        steps.append("The archive is not complete yet: 'canvas-archive sync --full' fetches the rest.")
    syncing = bool(steps)
    steps += token_warnings(status.token_expires_at, status.now)
    last = (status.last_sync or {}).get("finished_at")
    if not syncing and last is not None and status.now - parse_iso(last) > SYNC_IS_OLD:
        steps.append(f"The last sync was {age(last, status.now)}. Run: canvas-archive sync")
    if status.problems:
        missing = count_of(len(status.problems), "item")
        steps.append(
            f"{missing} could not be fetched: 'canvas-archive problems' says when each is tried again."
        )
    if counts.pending_edits or status.outbox:
        waiting = [count_of(counts.pending_edits, "edit")] * bool(counts.pending_edits)
        waiting += [count_of(status.outbox, "message")] * bool(status.outbox)
        steps.append(
            f"{' and '.join(waiting)} not sent yet: 'canvas-archive push -n' shows what would be sent, "
            "'canvas-archive push' sends it."
        )
    # A sync brings the index up to date, too.
    if counts.messages and not syncing and (status.index_missing or status.index_waiting):
        steps.append("The search index is behind: 'canvas-archive index' brings it up to date.")
    return steps


def _ending(status: Status) -> str:
    """Return how the last run ended, as a person would say it."""
    ended = (status.last_sync or {}).get("status", "")
    if ended == "running":
        return "running" if status.writer_pid is not None else "killed"
    return str(ended)


def _lines(status: Status) -> list[str]:
    counts = status.counts
    account = status.account
    custodian = f", collected by user {account.user_id}" if account.as_user_id else ""
    lines = [
        f"{account.name or 'User'} (user {account.owner_id}) at {account.base_url}{custodian}",
        f"  in {status.archive}",
        f"Conversations  {counts.conversations:,} ({counts.unread:,} unread, "
        f"{counts.removed_conversations:,} gone from Canvas)",
        f"Messages       {counts.messages:,}"
        + (
            f", {status.first_message_at[:10]} to {(status.last_message_at or '')[:10]}"
            if status.first_message_at
            else ""
        ),
        f"People         {counts.people:,}",
    ]
    if counts.attachments:
        states = ", ".join(f"{number:,} {state}" for state, number in sorted(counts.attachments.items()))
        lines.append(f"Attachments    {states} ({status.attachment_bytes / 1_000_000:,.1f} MB)")
    if counts.media:
        states = ", ".join(f"{number:,} {state}" for state, number in sorted(counts.media.items()))
        lines.append(f"Recordings     {states}")
    if status.last_sync is not None:
        last = status.last_sync
        lines.append(
            f"Last sync      {age(last['finished_at'] or last['started_at'], status.now)} "
            f"({last['mode']}, {_ending(status)}, {count_of(last['requests'], 'request')}); "
            f"last full sweep {age(status.last_full_sync_at, status.now)}"
        )
        if last["error"]:
            lines.append(f"               {last['error']}")
    if status.token_expires_at is not None:
        lines.append(f"Token          expires on {status.token_expires_at[:10]}")
    index = "up to date"
    if not status.adopted:
        index = "not used until the archive is adopted"
    elif status.index_missing:
        index = "missing"
    elif status.index_waiting:
        index = f"{status.index_waiting:,} messages behind"
    lines.append(f"Search index   {index}")
    if counts.pending_edits or status.outbox:
        undone = f" ({counts.undone_edits:,} undone on Canvas before)" if counts.undone_edits else ""
        waiting = f"{count_of(counts.pending_edits, 'edit')}{undone}, {count_of(status.outbox, 'message')}"
        lines.append(f"Waiting        {waiting}")
    if status.drafts:
        lines.append(f"Drafts         {count_of(status.drafts, 'draft')} in the pages, not sent by a push")
    lines += [f"Unknown        {sentence}" for sentence in status.unsettled_acts]
    lines += [f"Saved search   {one['name']}: {one['query']}" for one in status.saved_searches]
    for problem in status.problems[:10]:
        lines.append(f"Problem        {problem.name}: {problem.error} ({next_try(problem, status.now)})")
    if len(status.problems) > 10:
        lines.append(f"               and {len(status.problems) - 10:,} more (canvas-archive problems)")
    if status.accepted:
        lines.append(f"Accepted       {count_of(status.accepted, 'item')} (canvas-archive problems --all)")
    lines += [f"Next: {step}" for step in advice(status)]
    return lines
