"""Turns what the archive holds into the records of ``cli.documents``, where their names differ."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from canvas_archive.store.flags import as_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from canvas_archive.export.run import ExportReport
    from canvas_archive.search import FacetValue, Hit
    from canvas_archive.store.acts import Act
    from canvas_archive.store.edits import Edit
    from canvas_archive.store.outbox import Queued
    from canvas_archive.store.runs import Problem
    from canvas_archive.store.threads import Thread, ThreadMessage
    from canvas_archive.sync.push_report import PushReport
    from canvas_archive.sync.report import Report, ReportedProblem


def problem_record(one: Problem | ReportedProblem) -> dict[str, Any]:
    """Return the record of an item that failed; with its times where the archive knows them."""
    given = asdict(one)
    return {**given, "item": one.name, "item_id": given.get("item_id", given.get("id"))}


def sync_record(report: Report) -> dict[str, Any]:
    """Return the record of what a sync did."""
    names = ("mode", "complete", "dry_run", "requests", "bytes", "actions")
    return {
        **{name: getattr(report, name) for name in names},
        "seconds": round(report.seconds, 3),
        "counts": _numbers(report.counts()),
        "problems": map(problem_record, report.problems),
    }


def push_record(report: PushReport) -> dict[str, Any]:
    """Return the record of what a push sent."""
    edits = ("pushed", "already", "conflicts", "gone", "repushed", "reverted", "pending")
    return {
        "dry_run": report.dry_run,
        "calls": report.requests,
        "counts": {
            "edits": {**{name: getattr(report, name) for name in edits}, "undecided": report.asked},
            "messages": {
                "sent": report.sent_messages,
                "recognised": report.recognised,
                "queued": report.queued_messages,
            },
        },
        "notes": report.notes,
        "problems": map(problem_record, report.problems),
    }


def _numbers(counts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in counts.items() if name != "texts"}


def run_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a sync that is over; its counts are numbers alone."""
    return {**row, "counts": _numbers(row["counts"])}


def edit_record(one: Edit, subject: str | None = None) -> dict[str, Any]:
    """Return the record of an edit, with true and false for its flags."""
    values = {"base_value": as_value(one.field, one.base_value), "value": as_value(one.field, one.value)}
    return {**asdict(one), **values, "subject": subject}


def queued_record(one: Queued) -> dict[str, Any]:
    """Return the record of a message in the outbox."""
    draft = one.draft
    return {
        **{
            name: getattr(one, name) for name in ("id", "queued_at", "state", "sent_at", "sent_ids", "detail")
        },
        **{name: getattr(draft, name) for name in ("kind", "conversation_id", "subject", "body")},
        "addresses": draft.recipients,
        "forwarded_message_ids": draft.forwarded,
        "files": [file.name for file in draft.enclosures],
    }


def act_record(one: Act, subject: str | None) -> dict[str, Any]:
    """Return the record of an act on Canvas."""
    return {**asdict(one), "recipient_count": one.recipients, "subject": subject}


def thread_record(thread: Thread, files_dir: Path) -> dict[str, Any]:
    """Return the record of a conversation; its files name their local paths."""
    given = {name: getattr(thread, name) for name in thread.__slots__}
    return {
        **given,
        "messages": [_message(one, files_dir) for one in thread.messages],
        "edits": [{"field": field, "value": as_value(field, value)} for field, value in thread.edits.items()],
    }


def _message(one: ThreadMessage, files_dir: Path) -> dict[str, Any]:
    from canvas_archive.store.blobs import readable_blob

    given = {name: getattr(one, name) for name in one.__slots__}
    for name in ("attachments", "media"):
        given[name] = [
            {
                **asdict(file),
                "path": path_text(readable_blob(files_dir, file.sha256) if file.sha256 else None),
            }
            for file in given[name]
        ]
    given["forwarded"] = [_message(inner, files_dir) for inner in one.forwarded]
    return given


def path_text(path: Path | None) -> str | None:
    """Return a path as JSON has it."""
    return None if path is None else str(path)


def hit_record(hit: Hit) -> dict[str, Any]:
    """Return the record of a message that was found; its snippet is plain text."""
    given = {name: getattr(hit, name) for name in ("message_id", "conversation_id", "subject", "created_at")}
    return {
        **given,
        "author": {"id": hit.author_id, "name": hit.author},
        "context_code": hit.context_code,
        "context_name": hit.course,
        "snippet": hit.snippet.plain,
        "score": round(hit.score, 4),
    }


def facets_record(facets: Mapping[str, tuple[FacetValue, ...]] | None) -> dict[str, Any] | None:
    """Return the record of the facets of a search; the values of people are their ids."""
    if facets is None:
        return None
    values = {name: [asdict(one) for one in found] for name, found in facets.items()}
    return {
        **values,
        "person": [{**one, "value": int(one["value"])} for one in values["person"]],
        "years": [{"year": int(one["value"]), "count": one["count"]} for one in values["year"]],
    }


def export_record(report: ExportReport) -> dict[str, Any]:
    """Return the record of what an export wrote."""
    counts = report.counts.to_json(report.totals)
    explained = counts.pop("explained")
    if report.shared:
        counts["shared_messages"] = report.shared
    return {
        "dest": str(report.dest),
        "formats": report.formats,
        "counts": counts,
        "explained": explained,
        "collection": report.collection.to_json(),
    }


def custodian_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a custodian; what was counted stands together."""
    counted = ("conversations", "new", "messages", "new_messages", "attachments", "problems")
    return {**row, "counts": {name: row[name] for name in counted if name in row}}
