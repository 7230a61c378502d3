"""``canvas-archive sign``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from canvas_archive.cli.context import (
    Settings,
    common_options,
    json_option,
    option_group,
    pass_settings,
    print_document,
)
from canvas_archive.errors import ItemsFailed
from canvas_archive.places import expanded

if TYPE_CHECKING:
    from canvas_archive.signing.stored import Means, Signed

signing_options = option_group(
    click.option(
        "--key",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Sign by this SSH key (for an agent, its .pub file).",
    ),
    click.option("--timestamp", metavar="URL", help="Ask this RFC 3161 authority for a time stamp."),
)


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@signing_options
@json_option
@common_options
@pass_settings
def sign(
    settings: Settings, path: Path | None, key: Path | None, timestamp: str | None, as_json: bool
) -> None:
    """Sign the head of the archive's chain, or a bag at PATH, by an SSH key, a time stamp, or both.

    The files lie in its folder 'signatures'; 'canvas-archive verify' checks them, and so do ssh-keygen and
    openssl. Options that are not given come from the archive's config.toml. Exit code 2: the key cannot sign.
    Exit code 5: no time stamp came.
    """
    from canvas_archive.export.signatures import sign_bag
    from canvas_archive.signing.heads import sign_archive

    means = means_from(key, timestamp)
    if path is None or os.path.lexists(path / "archive.db"):
        signed = sign_archive(path or settings.folder, means)
    else:
        signed = sign_bag(path, means)
    show_signed(settings, signed, as_json)


def means_from(key: Path | None, timestamp: str | None) -> Means:
    """Return what the options sign with; on a terminal, a passphrase may be asked for."""
    from canvas_archive.signing.stored import Means

    may_ask = sys.stdin.isatty() and sys.stderr.isatty()
    return Means(None if key is None else expanded(key), timestamp, may_ask)


def show_signed(settings: Settings, signed: Signed, as_json: bool) -> None:
    """Show which files were made. Raises ItemsFailed when no time stamp came."""
    if as_json:
        from canvas_archive.cli.records import path_text

        print_document(
            "sign",
            statement=str(signed.statement),
            signature=path_text(signed.signature),
            timestamp=path_text(signed.stamp),
        )
    else:
        how = [
            word
            for word, file in (("signature", signed.signature), ("time stamp", signed.stamp))
            if file is not None
        ]
        settings.note(f"Signed: {signed.statement} ({' and '.join(how)}).")
    if signed.without_stamp:
        raise ItemsFailed(signed.without_stamp)
