"""The sample's very long message."""

from __future__ import annotations

LONG_NOTES = """Jules, get well first. Notes follow."""
