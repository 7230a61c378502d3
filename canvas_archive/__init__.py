"""A complete, searchable, offline archive of a Canvas LMS inbox."""

__version__ = "0.2.0"
