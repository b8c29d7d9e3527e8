"""Where a log's bytes are kept: one directory with three SQLite databases and a lock.

``log.db`` (:mod:`log_writer`, :mod:`log_reader`) is the log. ``guard.db`` (:mod:`guard`) is one row: the last checkpoint
ever signed. ``index.db`` (:mod:`index`) is derived from the entries and never an authority. Nothing here knows what an
entry means, signs, or decides; the order in which these are written is in ``trustlog.log.commit``.
"""
