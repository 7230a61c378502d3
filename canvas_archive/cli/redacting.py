"""The options of ``--redact``, and what they mean for an export."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import F, Settings, option_group
from canvas_archive.errors import BadInput
from canvas_archive.places import expanded

if TYPE_CHECKING:
    from canvas_archive.export.run import Redaction


def redaction_options(function: F) -> F:
    """Add what says how people are replaced."""
    return option_group(
        click.option("--redact", is_flag=True, help="Replace everyone but the custodian by pseudonyms."),
        click.option(
            "--redact-key",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="With --redact: one key for several archives, made if missing. Replaces the custodian, too.",
        ),
        click.option(
            "--redact-attachments",
            type=click.Choice(["none", "unchanged"]),
            help="With --redact: leave attachments out, or include them as they are. [default: none]",
        ),
        click.option(
            "--report",
            metavar="FILE",
            help="With --redact: list what was replaced, and what may be a name (-: standard output).",
        ),
    )(function)


@dataclass
class Redacting:
    """What the options of ``--redact`` ask for. ``reports`` collects one text per archive."""

    attachments: bool
    report: str | None = None
    key: bytes | None = None
    more: tuple[tuple[int, str, str], ...] = ()
    reports: list[str] = field(default_factory=list)

    def of_export(self, names: Path | None = None) -> Redaction:
        """Return how one export replaces people."""
        from canvas_archive.export.run import Redaction

        return Redaction(self.key, names, self.more, self.reports.append if self.report else None)

    def end(self) -> None:
        """Write the report, where one was asked for. Raises BadInput when that fails."""
        if self.report is None:
            return
        text = "\n".join(self.reports)
        if self.report == "-":
            click.echo(text, nl=False)
            return
        from canvas_archive.store.private import write_private

        try:
            write_private(expanded(self.report), text.encode("utf-8", "replace"))
        except OSError as error:
            raise BadInput(
                f"The export is written, its report cannot be: {error.strerror or error}. Name another file."
            ) from error


def redacting(
    settings: Settings,
    dest: Path,
    *,
    redact: bool,
    key: Path | None,
    attachments: str | None,
    with_attachments: bool | None,
    report: str | None,
    as_json: bool,
    fleet: bool = False,
) -> Redacting:
    """Return what the options mean. Raises BadInput where they do not go together.

    In a fleet, one key made for this run alone replaces a key that was not given.
    """
    if not redact:
        for value, option in (
            (key, "--redact-key"),
            (attachments, "--redact-attachments"),
            (report, "--report"),
        ):
            if value is not None:
                raise BadInput(f"{option} goes with --redact.")
        return Redacting(with_attachments is not False)
    if with_attachments and attachments != "unchanged":
        raise BadInput(
            "Names inside attachments cannot be replaced. To include the files as they are, "
            "add --redact-attachments unchanged."
        )
    if report == "-" and as_json:
        raise BadInput("--report - and --json cannot share standard output. Name a file for the report.")
    from canvas_archive.export.run import outside

    if report is not None and report != "-":
        outside(expanded(report), dest)
    unchanged = attachments == "unchanged" and with_attachments is not False
    if unchanged:
        settings.warn("Attachments are included as they are, with every name that is in them.")
    else:
        settings.note("The bytes of attachments are left out: names inside them cannot be replaced.")
    return Redacting(unchanged, report, _key(settings, key, dest, fleet=fleet))


def _key(settings: Settings, path: Path | None, dest: Path, *, fleet: bool) -> bytes | None:
    from canvas_archive.export.pseudonyms import load_key
    from canvas_archive.export.run import outside

    if path is not None:
        path = expanded(path)
        outside(path, dest)
        missing = not path.exists()
        key = load_key(path)
        if missing:
            settings.note(f"A new key is in {path}. Keep it: only it gives the same pseudonyms again.")
        return key
    if fleet:
        import secrets

        return secrets.token_bytes(32)
    return None
