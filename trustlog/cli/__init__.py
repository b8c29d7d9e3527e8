"""The command line: one command a file, and what all of them share.

:mod:`~trustlog.cli.main` holds the table of commands and turns every exception into one ``error:`` and one ``hint:`` line;
:mod:`~trustlog.cli.answer` prints; :mod:`~trustlog.cli.options` are the options that several commands have;
:mod:`~trustlog.cli.files` reads and writes files; :mod:`~trustlog.cli.session` opens a verified client of a log.
"""
