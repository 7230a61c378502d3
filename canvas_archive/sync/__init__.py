"""Bringing archive and Canvas together: what Canvas has to the archive, a person's edits to Canvas."""
