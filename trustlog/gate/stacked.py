"""A list and an index with something on top, which leave what is below as it is."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence, Sequence
from typing import Any, TypeVar, overload

K = TypeVar("K")
T = TypeVar("T")


class StackedList(MutableSequence[T]):
    """The items of `below`, as they are at any time, and above them its own. Only what is on top can be added to.

    The length of `below` must not change meanwhile.
    """

    def __init__(self, below: Sequence[T]) -> None:
        self._below = below
        self._own: list[T] = []

    def __len__(self) -> int:
        return len(self._below) + len(self._own)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> MutableSequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | MutableSequence[T]:
        assert isinstance(index, int)
        return self._below[index] if index < len(self._below) else self._own[index - len(self._below)]

    def insert(self, index: int, value: T) -> None:
        """Put an item on top."""
        assert index == len(self)
        self._own.append(value)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotImplementedError

    def __delitem__(self, index: Any) -> None:
        raise NotImplementedError


class StackedIndex(dict[K, list[int]]):
    """Lists by key: those of `below`, but for the keys that were added to."""

    def __init__(self, below: Mapping[K, list[int]]) -> None:
        super().__init__()
        self._below = below

    def __missing__(self, key: K) -> list[int]:
        self[key] = [*self._below.get(key, ())]
        return self[key]

    def get(self, key: K, default: Any = None) -> Any:
        """The list of a key, to be read."""
        return super().get(key) or self._below.get(key, default)
