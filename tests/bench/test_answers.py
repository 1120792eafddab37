"""What a right answer is."""

from __future__ import annotations

import pytest

from bench.answers import Classes, Generations, batch_fault, header_fault, reload_fault, single_fault

CLASSES: Classes = frozenset(("no", "yes"))
REGRESSION: Classes = frozenset()


def headers(generation: object, model: str = "a") -> dict[str, str]:
    return {"X-Model-Generation": str(generation), "X-Model-Name": model}


def test_right_answers_pass() -> None:
    """No fault is found in right answers."""
    assert single_fault(200, b'{"prediction":"yes"}', CLASSES) is None
    assert batch_fault(200, b'{"predictions":["yes","no"]}', CLASSES, 2) is None
    assert header_fault(headers(3)) is None


@pytest.mark.parametrize(
    ("right", "classes"),
    [
        ("1", frozenset((0, 1))),
        ("true", frozenset((False, True))),
        ("1.0", frozenset((0.0, 1.0))),
        ("152.25", REGRESSION),
        ("-3", REGRESSION),
    ],
)
def test_right_answers_of_another_type_pass(right: str, classes: Classes) -> None:
    """A class in its own type, or a regression's number; 1, 1.0, true and "1" are four things."""
    assert single_fault(200, f'{{"prediction":{right}}}'.encode(), classes) is None
    assert batch_fault(200, f'{{"predictions":[{right},{right}]}}'.encode(), classes, 2) is None
    wrong = {"1", "1.0", "true", '"1"', "null", "[1]", "NaN", "Infinity", "7"} - {right}
    wrong -= set() if classes else {"1", "1.0", "7"}
    for other in wrong:
        assert single_fault(200, f'{{"prediction":{other}}}'.encode(), classes), other
        assert batch_fault(200, f'{{"predictions":[{right},{other}]}}'.encode(), classes, 2), other


def test_an_answer_of_a_model_that_was_not_asked() -> None:
    """Nobody knows what would be right."""
    assert "a model answered that was not asked" in (single_fault(200, b'{"prediction":1}', None) or "")
    assert "status 503" in (single_fault(503, b"", None) or "")


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (503, b"{}", "status 503"),
        (0, b"", "status 0"),
        (200, b"{", "not JSON"),
        (200, b"\xff", "not JSON"),
        (200, b"[]", "expected an object"),
        (200, b"{}", "none of the model's classes"),
        (200, b'{"prediction":"maybe"}', "none of the model's classes"),
        (200, b'{"prediction":["yes"]}', "none of the model's classes"),
    ],
)
def test_a_wrong_single_answer_is_named(status: int, body: bytes, fault: str) -> None:
    """Status, form and content of an answer to one row are all looked at."""
    assert fault in (single_fault(status, body, CLASSES) or "")


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (500, b"{}", "status 500"),
        (200, b'{"predictions":["yes"]}', "1 predictions for 2 rows"),
        (200, b'{"predictions":["yes","maybe"]}', "none of the model's classes"),
    ],
)
def test_a_wrong_batch_answer_is_named(status: int, body: bytes, fault: str) -> None:
    """So they are of an answer to many rows, and its length."""
    assert fault in (batch_fault(status, body, CLASSES, 2) or "")


@pytest.mark.parametrize(
    ("given", "fault"),
    [({}, "came ''"), (headers("-1"), "came '-1'"), ({"X-Model-Generation": "1"}, "X-Model-Name is missing")],
)
def test_headers_must_say_who_answered(given: dict[str, str], fault: str) -> None:
    """An answer without generation or model is a wrong one."""
    assert fault in (header_fault(given) or "")
    assert fault in (Generations().fault(0, given) or "")


def test_an_older_generation_after_a_confirmed_switch_is_a_fault() -> None:
    """A planted regression: a request that started after generation 2 was confirmed gets generation 1."""
    generations = Generations()
    generations.confirmed(1, "a")
    early = generations.floor
    generations.confirmed(2, "b")
    late = generations.floor
    assert generations.fault(early, headers(1, "a")) is None  # it was on its way when the switch came
    assert generations.fault(late, headers(2, "b")) is None
    assert (
        generations.fault(late, headers(3, "a")) is None
    )  # newer than confirmed: the next switch is under way
    assert "generation 1 answered a request that started after 2" in (
        generations.fault(late, headers(1, "a")) or ""
    )


def test_a_late_confirmation_does_not_lower_the_floor() -> None:
    """Confirmations that overtake each other leave the highest."""
    generations = Generations()
    generations.confirmed(5, "a")
    generations.confirmed(4, "b")
    assert generations.floor == 5


def test_a_generation_is_one_model() -> None:
    """The right number with the other model's name is a fault."""
    generations = Generations()
    generations.confirmed(2, "b")
    assert generations.fault(2, headers(2, "a")) == "generation 2 is b, a answered"


def test_only_a_right_reload_confirms() -> None:
    """A refused reload, or one of another model, sets no floor."""
    generations = Generations()
    assert "status 409" in (reload_fault(409, b"{}", "a", generations) or "")
    for body in (b'{"generation":2,"model":"b"}', b'{"generation":"2","model":"a"}', b"{}"):
        assert "expected a generation of a" in (reload_fault(200, body, "a", generations) or "")
    assert generations.floor == 0
    assert reload_fault(200, b'{"generation":2,"model":"a"}', "a", generations) is None
    assert generations.floor == 2
