"""Answers: from the tree of a query to the hits of a page.

``planning`` turns a tree into matchers. ``matching`` finds the documents of each: ``slots`` are the words of
a text, ``phrases`` finds words side by side. ``scoring`` and ``ranking`` order the documents, ``facets``
counts them, and ``snippet`` cuts the passage that shows why a message was found.
"""
