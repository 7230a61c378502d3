"""Evidence: exports in seven formats, bags with a chain of custody, verification, backup and restore.

``reader`` yields conversations from one consistent snapshot; ``run`` feeds them to the formats (each a
module with a ``Writer``); ``verify``, ``verify_files`` and ``remote`` check what is here, what left, and what
Canvas has; ``backup`` copies an archive, ``restore`` makes one from a copy.
"""
