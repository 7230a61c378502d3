"""Deriving the rows of an archive from its receipts once more, and comparing both.

``fold`` repeats the receipts in their order, with today's parser and ingest, in a database of its own.
``compare`` names every row that the receipts do not explain.
"""
