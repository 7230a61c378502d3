"""``canvas-archive forget``: deletes an archive and its token."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import Declined, can_ask, yes_option
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.terminal import byte_size, count_of, one_line, printable
from canvas_archive.errors import BadInput, KeyringUnusable

if TYPE_CHECKING:
    from canvas_archive.credentials import Source
    from canvas_archive.store import Archive

_UNSENT = """
SELECT (SELECT count(*) FROM edits WHERE state = 'pending'),
  (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending'))
"""


@click.command()
@common_options
@click.argument("name", metavar="ARCHIVE")
@yes_option
@json_option
@pass_settings
def forget(settings: Settings, name: str, yes: bool, as_json: bool) -> None:
    """Delete an archive from this machine: its folder, its log, and its token in the keyring.

    ARCHIVE is a name or a folder, as 'archives' lists them. The command asks for the name of the folder.
    Nothing changes on Canvas. A folder that also holds other files is left as it is.
    """
    from canvas_archive.cli.archive_names import resolved
    from canvas_archive.cli.run_log import remove_log
    from canvas_archive.credentials import forget_token, token_page
    from canvas_archive.store import Archive
    from canvas_archive.store.lock import WriterLock
    from canvas_archive.store.removal import check_own, remove_archive

    folder = resolved(name).absolute()
    check_own(folder)
    with Archive.open(folder, write=True) as archive:
        account = archive.account
        for line in _about(archive):
            settings.note(line)
        if not yes:
            _require_name(folder.name)
    page = token_page(account.base_url)
    sources: list[Source] = []
    try:
        sources = forget_token(account.base_url, account.user_id)
    except KeyringUnusable as error:
        settings.warn(f"The token was not removed. {error}")
    with contextlib.suppress(BadInput, OSError):
        remove_log(folder)
    with WriterLock(folder):
        remove_archive(folder)
    if as_json:
        print_document(
            "forget", archive=str(folder), base_url=account.base_url, sources=sources, token_page=page
        )
        return
    settings.note(f"The archive in {folder} was deleted{', and its token' if sources else ''}.")
    settings.note(f"Canvas accepts the token until you delete it there: {page}")


def _about(archive: Archive) -> list[str]:
    from canvas_archive.cli.about import bytes_in
    from canvas_archive.store.drafts import count_drafts

    db, account = archive.db, archive.account
    messages = db.execute("SELECT count(*) FROM messages").fetchone()[0]
    edits, queued = db.execute(_UNSENT).fetchone()
    lines = [
        one_line(f"The archive of {account.name} (user {account.owner_id}) at {account.base_url}"),
        f"  in {printable(str(archive.folder))}: {count_of(messages, 'message')}, "
        f"{byte_size(bytes_in(archive.folder))}",
    ]
    waiting = {"edit": edits, "message": queued, "draft": count_drafts(archive.folder)}
    unsent = [count_of(number, noun) for noun, number in waiting.items() if number]
    if unsent:
        lines.append(f"  never sent: {', '.join(unsent)}")
    return lines


def _require_name(name: str) -> None:
    if not can_ask():
        fail("Delete this archive? Nothing was done: there is no terminal to ask on. To confirm, add -y")
    typed = click.prompt(f"To delete it, type the name of its folder ({printable(name)})", err=True)
    if typed.strip() != name:
        raise Declined
