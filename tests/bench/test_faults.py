"""What went wrong under a load."""

from __future__ import annotations

from bench.faults import faults
from tests.bench.timed import timed


def test_right_answers_have_none() -> None:
    """Nothing is told of nothing."""
    assert faults("a", [timed(10), timed(20)]) == []


def test_failures_are_told_and_counted() -> None:
    """The first few with their words, the others as a number."""
    assert faults("a", [timed(10), timed(10, failures=2)]) == ["a: status 500: {}"] * 2
    assert faults("a", [timed(10, failures=7)])[-1] == "a: 2 failures more"
    assert faults("a", [timed(0), timed(10)]) == []  # a very short round on a very busy machine
    assert faults("a", [timed(0), timed(0)]) == ["a: no right answer in any round"]


def test_refusals_are_told_where_there_should_be_none() -> None:
    """A comparison with refused requests in it compares nothing."""
    assert faults("a", [timed(10, refused=3)]) == ["a: 3 requests were refused with status 503"]
    assert faults("a", [timed(10, refused=3)], may_refuse=True) == []
