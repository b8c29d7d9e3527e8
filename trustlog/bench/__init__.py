"""Load for a log, and the figures: receipts of our own, signed before the clock starts, every answer proven before it counts.

:mod:`~trustlog.bench.receipts` makes the load; :mod:`~trustlog.bench.wire` is an HTTP connection that costs little, for the load
shares the machine with the log; :mod:`~trustlog.bench.proving` checks answers; :mod:`~trustlog.bench.load` drives them;
:mod:`~trustlog.bench.sample` reads back through the verified client; :mod:`~trustlog.bench.machine` says what all this ran on.
"""
