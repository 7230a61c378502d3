"""``canvas-archive forward``: messages of a conversation, sent on to other people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.compose import (
    body_of,
    deliver,
    group_option,
    resolved_addressees,
    text_options,
)
from canvas_archive.cli.consent import yes_option
from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings
from canvas_archive.cli.terminal import count_of, one_line
from canvas_archive.cli.values import CONVERSATION_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from canvas_archive.cli.compose import Composed
    from canvas_archive.store import Archive


@click.command()
@common_options
@click.argument("conversation_id", metavar="ID", type=CONVERSATION_ID)
@click.argument("who", metavar="WHO...", nargs=-1, required=True)
@click.option(
    "--message",
    "message_ids",
    metavar="N",
    multiple=True,
    type=click.IntRange(min=1),
    help="Forward this message; repeatable. [default: the newest one]",
)
@click.option("--subject", metavar="TEXT", help="What it is about. [default: Fwd: and the subject]")
@group_option
@text_options
@yes_option
@json_option
@pass_settings
def forward(
    settings: Settings,
    conversation_id: int,
    who: tuple[str, ...],
    message_ids: Sequence[int],
    subject: str | None,
    group: bool,
    body: str | None,
    body_file: Path | None,
    attach: tuple[Path, ...],
    queue: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Forward messages, with their files, and print the ids of the new conversations.

    WHO is a user id, course_12, course_12_students, group_3, or a name. Canvas wants words of your own with
    it: --body, --body-file, or your editor. 'show ID' names the messages' numbers.
    """
    from canvas_archive.store.forwarded import forwardable, forwarded_subject
    from canvas_archive.store.outbox import Draft
    from canvas_archive.sync.online import check_text

    def compose(archive: Archive) -> Composed:
        chosen = forwardable(archive.db, conversation_id, message_ids)
        people = resolved_addressees(settings, archive, who, offline=queue, yes=yes)
        text = body_of(body, body_file)
        about = subject if subject is not None else forwarded_subject(archive.db, conversation_id)
        check_text(text, about)
        draft = Draft(
            "send",
            text,
            recipients=tuple(one.code for one in people),
            subject=about,
            group=group,
            force_new=not group,
            forwarded=chosen,
        )
        what = f"Forward {count_of(len(chosen), 'message')} of “{one_line(about.removeprefix('Fwd: '))}”"
        return draft, people, what

    deliver(settings, compose, attach, queue=queue, yes=yes, as_json=as_json)
