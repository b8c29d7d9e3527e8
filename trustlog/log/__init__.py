"""The log: one directory, one writer, one growing tree; front ends beside it.

Reading order, which is the order of a submission:

- in a front end: :mod:`admission` (is it acceptable by itself?), :mod:`offer` (what travels to the writer), :mod:`link` (the front
  end's end of the channel), :mod:`log` (a log as a front end has it);
- in the writer: :mod:`channel`, :mod:`sequencer` (one queue, one batch at a time), :mod:`commit` (judge, store, sign, guard,
  publish, prove: the order that the promise rests on), :mod:`history` (what is already taken);
- back in the front end: :mod:`logged` (the answer's place and proof). What everyone sees of it is in :mod:`shared`.

:mod:`recovery` says what a start finds, and may do about it; :mod:`verified` reads what others rely on; :mod:`following` fills the
derived index. Who runs in which process is in ``trustlog.service.server``.
"""
