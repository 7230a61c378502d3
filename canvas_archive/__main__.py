"""The console entry point: ``canvas-archive`` and ``python -m canvas_archive``."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its documented code."""
    from canvas_archive.cli import run

    raise SystemExit(run())


if __name__ == "__main__":
    main()
