"""That something is refused, with its code and words that help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from trustlog.errors import Refused


@contextmanager
def refuses(*codes: str) -> Iterator[None]:
    """What is inside is refused with one of these codes, and the refusal says what is wrong and what to do next."""
    with pytest.raises(Refused) as caught:
        yield
    refused = caught.value
    assert refused.code in codes, (refused.code, refused.detail)
    assert refused.detail, refused.code
    assert refused.hint, refused.code
