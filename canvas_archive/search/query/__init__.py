"""The query language: text into a tree of conditions, and the tree as text again.

``language`` parses the text (``tokens``, ``operators``, ``dates``) into a ``tree``. ``written`` turns a tree
into a query again, ``understood`` into a sentence. ``resolve`` looks up names and states in the tables.
``explain`` says why nothing was found. ``suggest`` and ``spelling`` offer a query that finds something.
``saved`` stores queries under names.
"""
