"""The command line: parse, call, print. Command modules are imported only when their command runs."""

from __future__ import annotations

from canvas_archive.cli.main import cli, run

__all__ = ["cli", "run"]
