"""The verified client of a log: nothing that a log answers is believed until it is proven.

:mod:`~trustlog.client.http` bounds what is read; :mod:`~trustlog.client.answers` parses it; :mod:`~trustlog.client.checking` proves
it, without I/O; :mod:`~trustlog.client.memory` keeps the newest checkpoint seen; :mod:`~trustlog.client.log` puts them together;
:mod:`~trustlog.client.follower` reads a whole log, entry by entry, to its root.
"""
