"""``canvas-archive adopt``: an archive made on another machine, or by somebody else, becomes one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import can_ask, require_consent, yes_option
from canvas_archive.cli.context import (
    Settings,
    common_options,
    fail,
    json_option,
    pass_settings,
    print_document,
)
from canvas_archive.cli.terminal import one_line
from canvas_archive.errors import ForeignFolder

if TYPE_CHECKING:
    from canvas_archive.store import Archive
    from canvas_archive.store.config import Grant


_WAITING = """
SELECT (SELECT count(*) FROM edits WHERE state = 'pending'),
       (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending'))
"""


@click.command()
@common_options
@yes_option
@json_option
@pass_settings
def adopt(settings: Settings, yes: bool, as_json: bool) -> None:
    """Say that this archive, made on another machine or by somebody else, is yours or trusted.

    Until then it is only read: nothing is written to it, its search index is not opened, and no token is
    sent to the Canvas it names. Its own settings count only when you agree to each: a token_command is not
    run, a host in allowed_hosts is not let in. Its search index is dropped and built anew by the next search
    or sync.
    """
    from canvas_archive.store import Archive, transaction
    from canvas_archive.store.adoption import unagreed
    from canvas_archive.store.config import powers

    with Archive.open(settings.folder, write=True, adopting=True) as archive:
        written, known = archive.config_as_written, archive.adopted
        if written.base_url != archive.account.base_url:
            raise ForeignFolder(
                f"{archive.folder / 'config.toml'} names another Canvas than the database: not adopted."
            )
        asked = unagreed(archive.db, written) if known else powers(written)
        if not as_json:
            _show(archive, asked)
        if not yes and not can_ask():
            fail("Adopt this archive? Nothing was done: there is no terminal to ask on. To confirm, add -y")
        if not known:
            require_consent("Adopt this archive?", yes=yes)
        agreed = [power for power in asked if yes or _agrees(power)]
        if not known:
            with transaction(archive.db):
                archive.db.execute("DROP TABLE IF EXISTS index_state")
        archive.adopt(agreed)
        config = archive.config
    if as_json:
        print_document(
            "adopt",
            archive=str(archive.folder),
            base_url=archive.account.base_url,
            token_command=config.token_command,
            agreements=[
                {"name": power.name, "value": power.value, "agreed": power in agreed} for power in asked
            ],
        )
        return
    settings.note("It is yours now." if not known else "It was yours already.")
    for power in asked:
        settings.note(f"{'Agreed' if power in agreed else 'Does not count'}: it {power.sentence}.")


def _agrees(power: Grant) -> bool:
    return click.confirm(f"Its {power.name} {power.sentence}. Agree to that?", err=True)


def _show(archive: Archive, asked: list[Grant]) -> None:
    account = archive.account
    click.echo(one_line(f"The archive of {account.name} (user {account.owner_id}) in {archive.folder}"))
    click.echo(one_line(f"  asks {account.base_url}, which will get your token"))
    for power in asked:
        click.echo(f"  {power.name}: {power.sentence}")
    edits, messages = archive.db.execute(_WAITING).fetchone()
    if edits or messages:
        click.echo(f"  holds {edits:,} edits and {messages:,} messages that the next push would send")
