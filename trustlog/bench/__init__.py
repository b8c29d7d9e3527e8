"""Load for a log, and the figures: receipts of our own, signed before the clock starts, every answer tested, a sample proven.

The load shares the machine with the log, so all that happens while the clock runs is cheap. Writing: :mod:`receipts` makes
them, :mod:`load` signs them with every core into a file that is mapped, :mod:`submitting` cuts it into requests, :mod:`exchange`
moves them over :mod:`wire` connections in one thread, :mod:`answer` takes the answers in whatever pieces they come,
:mod:`judging` tests them, :mod:`generating` is the process that all this runs in. Reading: :mod:`view` is what a log's size and
root say, :mod:`reading` asks it at random, :mod:`reads` is one run of that. Around both: :mod:`watching` and :mod:`processes`
look at the server, :mod:`sample` and :mod:`whole` read back afterwards, :mod:`machine` says what all this ran on,
:mod:`throwaway` serves a log made for it, :mod:`run` is the order of it, :mod:`figures` and :mod:`table` say what came of it.
"""
