"""The id of a request: the caller's where it is sound, else one that nobody else has."""

from __future__ import annotations

import pytest

from server.requestid import request_id


@pytest.mark.parametrize("given", ["a", "7f3c-01", "x" * 128, "http://host/path?".rstrip("?"), "a=b+c@d~e_f"])
def test_a_sound_id_is_kept(given: str) -> None:
    """Letters, digits and a few marks, up to 128."""
    assert request_id(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a b", "a\r\nSet-Cookie: b", "é", "a\x00", "a,b"])
def test_anything_else_is_replaced(given: str | None) -> None:
    """Nothing of it comes back: it may be there to break the answer's headers."""
    made = request_id(given)
    assert made != given
    assert request_id(made) == made


def test_no_two_are_alike() -> None:
    """Within a process by a number, between processes by what comes before it."""
    assert len({request_id(None) for _ in range(1000)}) == 1000
