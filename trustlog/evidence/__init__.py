"""Evidence packs: everything in a log that one change rests on, in one file that proves itself under one checkpoint.

:mod:`~trustlog.evidence.pack` is the document; :mod:`~trustlog.evidence.subject` finds the change that is meant;
:mod:`~trustlog.evidence.change` says, without I/O, what belongs to it; :mod:`~trustlog.evidence.collect` fetches that from a
:class:`~trustlog.evidence.source.Source` and proves it; :mod:`~trustlog.evidence.remote` and :mod:`~trustlog.evidence.local` are
a log read over HTTP and the log that this process serves.

Nothing in a pack is trusted by whoever gets it, and a pack proves no absence: that nothing was left out is for a verifier that
reads the whole log, or for a gate that it trusts.
"""
