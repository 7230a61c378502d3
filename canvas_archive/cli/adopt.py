"""``canvas-archive adopt``: an archive made on another machine, or by somebody else, becomes one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from canvas_archive.cli.consent import require_consent, yes_option
from canvas_archive.cli.context import Settings, common_options, json_option, pass_settings, print_json
from canvas_archive.cli.terminal import one_line

if TYPE_CHECKING:
    from canvas_archive.store import Archive


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

    Until then it is only read: nothing is written to it, its search index is not opened, its token_command
    is not run, and no token is sent to the Canvas it names. Its tables and triggers are compared with those
    of a new archive first; its search index is dropped and built anew by the next search or sync.
    """
    from canvas_archive.errors import ForeignFolder, VerificationFailed
    from canvas_archive.export.checks import check_schema
    from canvas_archive.store import Archive, transaction
    from canvas_archive.store.adoption import identity, remember

    with Archive.open(settings.folder, write=True, adopting=True) as archive:
        who, command, known = identity(archive.db), archive.config.token_command, archive.adopted
        if who is None or archive.config.base_url != archive.account.base_url:
            raise ForeignFolder(
                f"{archive.folder / 'config.toml'} names another Canvas than the database: not adopted."
            )
        schema = check_schema(archive.db)
        if not schema.ok:
            found = "; ".join((schema.detail, *schema.items[:5]))
            raise VerificationFailed(
                f"It was not adopted: its database is not as this program makes it ({found})."
            )
        if not as_json:
            _tell(archive, command)
        require_consent("Adopt this archive?", yes=yes)
        if not known:
            with transaction(archive.db):
                archive.db.execute("DROP TABLE IF EXISTS index_state")
        remember(who, archive.folder, command)
    if as_json:
        print_json(
            {"archive": str(archive.folder), "base_url": archive.account.base_url, "token_command": command}
        )
        return
    settings.note("It is yours now." if not known else "It was yours already.")


def _tell(archive: Archive, command: str | None) -> None:
    account = archive.account
    click.echo(one_line(f"The archive of {account.name} (user {account.owner_id}) in {archive.folder}"))
    click.echo(one_line(f"  asks {account.base_url}, which will get your token"))
    if command:
        click.echo(one_line(f"  runs {command!r} for the token"))
    edits, messages = archive.db.execute(_WAITING).fetchone()
    if edits or messages:
        click.echo(f"  holds {edits:,} edits and {messages:,} messages that the next push would send")
