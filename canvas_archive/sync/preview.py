"""``sync --dry-run``: the same lists, the same decisions, nothing written and nothing fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from canvas_archive.errors import CanvasProblem
from canvas_archive.store.summaries import stored_summaries
from canvas_archive.sync import listing, plan
from canvas_archive.sync.ledger import LIST, Ledger
from canvas_archive.sync.listing import Listed
from canvas_archive.sync.owner import check_account
from canvas_archive.sync.plan import ConfirmRemoval, Fetch, UpdateFlags
from canvas_archive.sync.push_report import undone
from canvas_archive.sync.report import Report, ReportedProblem
from canvas_archive.sync.reverts import archived_here, waiting_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from canvas_archive.canvas import CanvasClient
    from canvas_archive.clock import Clock
    from canvas_archive.store import Archive
    from canvas_archive.sync.listing import Mode


def describe(action: plan.Action) -> str:
    """Return one line for a person."""
    if isinstance(action, Fetch):
        return f"fetch {action.conversation_id} ({action.reason})"
    if isinstance(action, ConfirmRemoval):
        return f"ask whether {action.conversation_id} is gone"
    said = [
        f"{name} = {value}"
        for name, value in (
            ("starred", action.starred),
            ("workflow_state", action.workflow_state),
            ("subscribed", action.subscribed),
        )
        if value is not None
    ]
    return f"note on {action.conversation_id}: {', '.join(said)}"


def preview(
    archive: Archive, client: CanvasClient, mode: Mode, clock: Clock, *, retry: bool = False
) -> Report:
    """List what Canvas has and return what a sync would do, as ``report.actions``.

    A list that cannot be read is among the problems of the report, and not in the ledger.

    :calls: GET /api/v1/conversations
    """
    check_account(archive, client)
    known = stored_summaries(archive.db)
    listed = Listed(mode)
    report = Report(mode, dry_run=True, total=len(known))
    ledger = Ledger(archive.db, clock, report, everything=retry)
    actions: dict[int, plan.Action] = {}
    for id_ in ledger.due:
        actions[id_] = Fetch(id_, "retry")
    for scope, per_page in listing.QUICK_SCOPES if mode == "quick" else listing.FULL_SCOPES:
        try:
            for page in listing.pages_of(client, scope, per_page):
                listed.add(page)
                stored = listing.fingerprints_of(page.content, archive.db)
                for row in page.content.conversations:
                    action = plan.judge_row(row, known.get(row.id), stored.get(row.id))
                    if ledger.rests_unchanged(row):
                        action = plan.flags_of_row(row, known.get(row.id))
                    if action is not None:
                        actions.setdefault(row.id, action)
                nothing_new = per_page == 1 or listing.holds_nothing_new(page.content, known, stored, ledger)
                if mode == "quick" and nothing_new:
                    break
        except CanvasProblem as error:
            if not error.item_alone:
                raise
            listed.failed.add(scope)
            report.problems.append(ReportedProblem(LIST, scope, str(error)))
    members = listed.membership()
    everything = members.everything()
    for fetch in plan.fetches_from_ids(everything, known):
        if not ledger.rests(fetch.conversation_id):
            actions.setdefault(fetch.conversation_id, fetch)
    if mode == "quick":
        for flags in plan.flags_from_membership(known, members, skip=actions):
            actions[flags.conversation_id] = flags
    for id_ in plan.removal_candidates(known, everything) if listed.names_everything else ():
        if not ledger.rests(id_):
            actions.setdefault(id_, ConfirmRemoval(id_))
    for action in actions.values():
        if isinstance(action, UpdateFlags):
            report.flags += 1
        elif isinstance(action, ConfirmRemoval):
            report.removed += 1
        elif action.conversation_id in known:
            report.changed += 1
        else:
            report.new += 1
    report.actions = [describe(action) for action in actions.values()]
    report.actions += _undone(archive, clock, actions)
    report.complete = listed.complete
    return report


def _undone(archive: Archive, clock: Clock, actions: Mapping[int, plan.Action]) -> Iterator[str]:
    """Yield a line for each archiving that Canvas has undone: a push sends it once more, a sync does not."""
    yield from waiting_lines(archive.db)
    for found in archived_here(archive.db, clock, "archived"):
        action = actions.get(found.conversation_id)
        if isinstance(action, UpdateFlags) and action.workflow_state == "unread" and not found.again:
            yield f"{undone(found.conversation_id)} The sync queues it for the next 'canvas-archive push'."
