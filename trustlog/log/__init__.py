"""The log: one directory, one writer, one growing tree.

Reading order, which is the order of a submission: :mod:`admission` (is it acceptable by itself?), :mod:`sequencer` (one queue,
one batch at a time), :mod:`commit` (judge, store, sign, guard, publish, prove: the order that the promise rests on),
:mod:`recovery` (what a start finds, and may do about it), :mod:`log` (all of it put together, and reading).
"""
