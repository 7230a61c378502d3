"""The index: what it consists of, how it is built and how it is read. It knows nothing of queries.

``analysis`` turns text into terms (``stemming``, ``forms``). ``documents`` collects what is indexed of a
message, ``attachments`` what is indexed of its files: ``extraction`` starts the process in which
``extractors`` runs. ``segments`` writes Whoosh's files (``postings``, ``hashfile``, ``weights``). ``reading``
reads them, a set of documents at a time (``docset``). ``record`` says which segments count.
``building`` updates and rebuilds the index (``merging``, ``shard``), ``checking`` examines it. ``opened`` is
the cache of open indexes.
"""
