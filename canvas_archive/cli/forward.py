"""``canvas-archive forward``: messages of a conversation, sent on to other people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.compose import (
    ask_to_send,
    body_of,
    queue_draft,
    resolved_addressees,
    send_draft,
    text_options,
)
from canvas_archive.cli.consent import yes_option
from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings
from canvas_archive.cli.terminal import count_of, one_line
from canvas_archive.cli.values import CONVERSATION_ID

if TYPE_CHECKING:
    from collections.abc import Sequence


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
@click.option(
    "--group/--individual",
    "group",
    default=False,
    help="One conversation with everyone, or one with each. [default: individual]",
)
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
    from canvas_archive.store import Archive
    from canvas_archive.store.forwarded import forwardable, forwarded_subject
    from canvas_archive.store.outbox import Draft
    from canvas_archive.sync.online import check_text

    with Archive.open(settings.folder) as archive:
        chosen = forwardable(archive.db, conversation_id, message_ids)
        people = resolved_addressees(settings, archive, who, offline=queue, yes=yes)
        text = body_of(body, body_file)
        subject = subject if subject is not None else forwarded_subject(archive.db, conversation_id)
        check_text(text, subject)
        draft = Draft(
            "send",
            text,
            recipients=tuple(one.code for one in people),
            subject=subject,
            group=group,
            force_new=not group,
            forwarded=chosen,
        )
        what = f"Forward {count_of(len(chosen), 'message')} of “{one_line(subject.removeprefix('Fwd: '))}”"
        shown = ask_to_send(settings, archive, draft, people, what, queue=queue, yes=yes)
        if queue:
            queue_draft(settings, archive, draft, attach, as_json)
            return
    send_draft(settings, draft, attach, shown, as_json)
