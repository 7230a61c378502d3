"""``canvas-archive problems``: what could not be fetched, and when a sync tries it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.records import problem_record
from canvas_archive.cli.terminal import count_of, local_time, one_line
from canvas_archive.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from canvas_archive.store import Archive
    from canvas_archive.store.runs import Problem

ALL = "all"
KINDS = frozenset({"conversation", "attachment", "recording", "list"})


@click.group(invoke_without_command=True)
@common_options
@click.option("--all", "everything", is_flag=True, help="Also the items that were accepted as missing.")
@json_option
@pass_settings
@click.pass_context
def problems(ctx: click.Context, settings: Settings, everything: bool, as_json: bool) -> None:
    """List what could not be fetched, since when, why, and when a sync tries it again.

    An item that fails is tried again by the next sync. After that it rests for an hour, a day, and then a
    week at a time. A conversation that gets a new message is tried at once.
    """
    if ctx.invoked_subcommand is not None:
        return
    from canvas_archive.store import Archive
    from canvas_archive.store.runs import known_problems

    with Archive.open(settings.folder) as archive:
        found = [one for one in known_problems(archive.db) if everything or one.accepted_at is None]
    if as_json:
        print_document("problems", problems=map(problem_record, found), total=len(found))
        return
    for problem in found:
        click.echo(f"{one_line(problem.name)}: {one_line(problem.error)}")
        failed = f"failed {count_of(problem.attempts, 'time')}" if problem.attempts else "not tried"
        click.echo(f"  {failed} since {local_time(problem.first_at)}; {next_try(problem, SYSTEM.now())}")
    if not found:
        settings.note("Nothing is missing." if everything else "There are no problems.")


def next_try(problem: Problem, now: datetime) -> str:
    """Say when an item is tried again."""
    if problem.accepted_at is not None:
        return f"accepted {local_time(problem.accepted_at)}"
    if not problem.rests_at(now):
        return "next try at the next sync"
    if problem.is_list:
        return "tried at every sync"
    return f"next try {local_time(problem.next_at)}"


@problems.command()
@common_options
@click.argument("items", metavar="ITEM...", nargs=-1, required=True)
@json_option
@pass_settings
def retry(settings: Settings, items: tuple[str, ...], as_json: bool) -> None:
    """Let the next sync try items again, whenever they were due.

    Items are those that 'canvas-archive problems' prints, such as: conversation 700012. 'all' means all that
    are not accepted. 'sync --retry' does the same for one sync.
    """
    from canvas_archive.store import runs

    chosen = _change(
        settings, items, lambda archive, one: runs.retry_problem(archive.db, one.kind, one.item_id)
    )
    if as_json:
        print_document("problems", problems=map(problem_record, chosen), total=len(chosen))
    else:
        settings.note(f"{count_of(len(chosen), 'item')}: the next sync tries again.")


@problems.command()
@common_options
@click.argument("items", metavar="ITEM...", nargs=-1, required=True)
@json_option
@pass_settings
def accept(settings: Settings, items: tuple[str, ...], as_json: bool) -> None:
    """Accept that items are missing: no sync tries them again.

    They stay in the record, in 'canvas-archive problems --all' and among the gaps of every export. Items are
    those that 'canvas-archive problems' prints, such as: attachment 512. 'all' means all.
    """
    from canvas_archive.store import runs

    chosen = _change(
        settings, items, lambda archive, one: runs.accept_problem(archive.db, one.kind, one.item_id, SYSTEM)
    )
    if as_json:
        print_document("problems", problems=map(problem_record, chosen), total=len(chosen))
    else:
        accepted = count_of(len(chosen), "item")
        settings.note(f"{accepted} accepted as missing. Exports go on listing that among their gaps.")


def _change(
    settings: Settings, items: Sequence[str], change: Callable[[Archive, Problem], object]
) -> list[Problem]:
    """Change the problems that are named; return them as they were."""
    from canvas_archive.store import Archive, transaction
    from canvas_archive.store.runs import known_problems

    with Archive.open(settings.folder, write=True) as archive, transaction(archive.db):
        chosen = chosen_problems(items, known_problems(archive.db))
        for problem in chosen:
            change(archive, problem)
    return chosen


def chosen_problems(items: Sequence[str], known: Sequence[Problem]) -> list[Problem]:
    """Return the problems that the words of a command line name; ends the command when one names none."""
    words = list(items)
    chosen: dict[str, Problem] = {}
    while words:
        word = words.pop(0)
        if word == ALL:
            chosen.update((one.name, one) for one in known if one.accepted_at is None)
            continue
        pair = f"{word} {words[0]}" if words else ""
        found = [one for one in known if one.name == word]
        if not found and (found := [one for one in known if one.name == pair]):
            words.pop(0)
        found = found or [one for one in known if one.item_id == word]
        if not found:
            named = pair if pair and word in KINDS else word
            fail(f"There is no problem {named!r}: 'canvas-archive problems --all' lists them.")
        if len(found) > 1:
            names = ", ".join(repr(one.name) for one in found)
            fail(f"{word!r} can mean {names}: name the kind, too.")
        chosen[found[0].name] = found[0]
    return list(chosen.values())
