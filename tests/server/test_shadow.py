"""Shadows: they meet copies of what is answered, and nobody notices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from registry.manifest import Bound
from server.counters import BATCH, DISAGREED, PREDICT, SKIPPED, Counters
from server.seen import FAILED, OK
from server.shadow import Copy, Shadows, disagreeing
from tests.server.application import IRIS, Client, serve
from tests.server.homemade import ROWS, admitted, regression, shelve
from tests.server.shadowing import seen, shadowed, until_met

Connect = Callable[..., Client]
ALIKE = list(IRIS.values())
"""All models say setosa."""
UNLIKE = [4.4, 2.1, 6.0, 1.1]
"""The heuristic says versicolor, the others virginica."""
BODY = msgspec.json.encode(IRIS)


def named(row: list[float]) -> dict[str, float]:
    """A request of one row."""
    return dict(zip(IRIS, row, strict=True))


def test_every_answer_is_copied_to_every_shadow(
    connect: Connect, counters: Counters, shadows: Shadows
) -> None:
    """Rows and batches, with probabilities or not; what the champion answers is what it always answers."""
    serving = shadowed(shadows, shadow="random_forest,xgboost")
    client, plain = connect(serving), connect()
    for query in ("", "?probabilities=true"):
        for path, body in (("/predict", IRIS), ("/predict/batch", {"instances": [ALIKE] * 7})):
            response = client.post(path + query, json=body)
            assert response.status_code == 200
            assert response.content == plain.post(path + query, json=body).content
            assert response.headers["x-model-name"] == "heuristic"
            assert "x-model-variant" not in response.headers
    until_met(shadows, 8)
    for at in (0, 1):
        found = seen(serving, counters, at)
        assert [found.answers(endpoint, OK) for endpoint in (PREDICT, BATCH)] == [2, 2]
        assert (found.rows, found.note(DISAGREED), found.note(SKIPPED)) == (16, 0, 0)
        assert min(found.elapsed_ns(PREDICT), found.elapsed_ns(BATCH)) > 0


def test_disagreement_is_counted_by_row(connect: Connect, counters: Counters, shadows: Shadows) -> None:
    """Where a shadow says something else: alone, and for each such row of a batch."""
    serving = shadowed(shadows, shadow="random_forest,heuristic")
    client = connect(serving)
    assert client.post("/predict", json=named(UNLIKE)).json() == {"prediction": "versicolor"}
    assert client.post("/models/random_forest/predict", json=named(UNLIKE)).json() == {
        "prediction": "virginica"
    }
    client.post("/predict", json=named(ALIKE))
    until_met(shadows, 4)
    assert [seen(serving, counters, at).note(DISAGREED) for at in (0, 1)] == [1, 0]
    rows = [ALIKE, UNLIKE, UNLIKE, ALIKE, UNLIKE]
    client.post("/predict/batch?probabilities=true", json={"instances": rows})
    until_met(shadows, 6)
    assert [seen(serving, counters, at).note(DISAGREED) for at in (0, 1)] == [4, 0]
    assert [seen(serving, counters, at).rows for at in (0, 1)] == [7, 7]


def test_a_copy_is_compared_with_what_the_variant_said(
    connect: Connect, counters: Counters, shadows: Shadows
) -> None:
    """In a split that may be anybody; the shadow is not one of those who answer."""
    serving = shadowed(shadows, split="heuristic=50,random_forest=50", shadow="xgboost")
    client = connect(serving)
    variants = [client.post("/predict", json=named(UNLIKE)).headers["x-model-variant"] for _ in range(20)]
    assert set(variants) == {"heuristic", "random_forest"}
    until_met(shadows, 20)
    assert seen(serving, counters).note(DISAGREED) == variants.count("heuristic")


def test_what_is_not_for_the_champion_is_not_copied(connect: Connect, shadows: Shadows) -> None:
    """Whoever names a model wants that one; and what was refused was no answer."""
    client = connect(shadowed(shadows, shadow="xgboost", max_body_bytes=1024))
    for path, content, status in (
        ("/models/heuristic/predict", BODY, 200),
        ("/models/heuristic@1/predict/batch", b'{"instances":[[1,1,1,1]]}', 200),
        ("/predict", b"{}", 422),
        ("/predict?probabilities=maybe", BODY, 422),
        ("/predict", b"{", 400),
        ("/predict/batch", b'{"instances":[]}', 422),
        ("/predict/batch", b" " * 2000, 413),
        ("/models/nobody/predict", BODY, 404),
    ):
        assert client.post(path, content=content).status_code == status
    assert client.post("/predict", content=BODY, headers={"Content-Type": "text/plain"}).status_code == 415
    assert shadows._thread is None
    client.post("/predict", json=IRIS)
    until_met(shadows, 1)


def test_a_shadow_that_fails_is_nobody_elses_trouble(
    connect: Connect, counters: Counters, shadows: Shadows, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers stay as they are, other shadows answer; it is counted each time, and said once."""
    serving = shadowed(shadows, shadow="random_forest,xgboost")
    client = connect(serving)
    del serving.generation.ghosts[0].model.schema
    for _ in range(3):
        response = client.post("/predict", json=IRIS)
        assert (response.status_code, response.content) == (200, b'{"prediction":"setosa"}')
    until_met(shadows, 6)
    broken, sound = (seen(serving, counters, at) for at in (0, 1))
    assert (broken.with_status(FAILED), broken.with_status(OK), broken.rows) == (3, 0, 0)
    assert (sound.with_status(FAILED), sound.with_status(OK), sound.rows) == (0, 3, 3)
    assert broken.note(DISAGREED) == 0
    (told,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "shadow random_forest@1 cannot answer what was answered: AttributeError" in told.getMessage()


@pytest.mark.parametrize("probabilities", [True, False])
def test_a_shadow_is_asked_the_same(probabilities: bool) -> None:
    """What the answer had to say, the shadow has to say: its times can be compared."""
    (ghost,) = serve(shadow="xgboost").generation.ghosts
    alone, rows = ghost.answer(Copy(PREDICT, BODY, b"", probabilities, 2, 0))
    assert (set(msgspec.json.decode(alone)) == {"prediction", "probabilities"}, rows) == (probabilities, 1)
    two = msgspec.json.encode({"instances": [ALIKE] * 2})
    batch, rows = ghost.answer(Copy(BATCH, two, b"", probabilities, 2, 0))
    assert ("probabilities" in msgspec.json.decode(batch), rows) == (probabilities, 2)


def test_regressions_disagree_when_they_are_far_apart(
    connect: Connect, counters: Counters, shadows: Shadows, tmp_path: Path
) -> None:
    """By more than a hundredth: of 6, -78.5 and 159, one more is far off for the first two."""
    one = admitted(regression("amount"), "as a trial")
    two = admitted(regression("counted", Bound(absolute=4.0), value="counted"), "as a trial")
    registry = shelve(tmp_path, one, two)
    serving = shadowed(shadows, registry=registry, model_type="amount", shadow="counted")
    client = connect(serving)
    expected = [(6.0, 7.0, 1), (-78.5, -77.5, 2), (159.0, 160.0, 2)]
    names = serving.generation.champion.model.schema.signature.names
    for requests, (row, (said, otherwise, disagreed)) in enumerate(zip(ROWS, expected, strict=True), 1):
        body = dict(zip(names, row, strict=True))
        assert client.post("/predict", json=body).json() == {"prediction": said}
        assert client.post("/models/counted/predict", json=body).json() == {"prediction": otherwise}
        until_met(shadows, requests)
        assert seen(serving, counters).note(DISAGREED) == disagreed
    client.post("/predict/batch", json={"instances": [ROWS[2], ROWS[0]]})  # 161 and 8
    until_met(shadows, 4)
    assert seen(serving, counters).note(DISAGREED) == 2 + 2


@pytest.mark.parametrize(
    ("labels", "one", "two", "disagree"),
    [
        (True, b'"a"', b'"a"', False),
        (True, b'"a"', b'"b"', True),
        (True, b"true", b"false", True),
        (True, b"2019", b"2020", True),
        (True, b"1.0", b"1.005", True),
        (True, b"1.5", b"1.5", False),
        (False, b"100.0", b"101.0", False),
        (False, b"100.0", b"101.005", False),
        (False, b"100.0", b"101.1", True),
        (False, b"101.1", b"100.0", True),
        (False, b"-100.0", b"-101.0", False),
        (False, b"-0.001", b"0.001", True),
        (False, b"0.0", b"-0.0", False),
        (False, b"0.0", b"1e-300", True),
        (False, b"-1.7e308", b"1.7e308", True),
    ],
)
def test_labels_differ_and_numbers_are_far_off(labels: bool, one: bytes, two: bytes, disagree: bool) -> None:
    """A label is another or it is not, also where it is a number; a number may be off by a hundredth."""
    alone = [b'{"prediction":%b,"probabilities":{"a":%d}}' % (said, at) for at, said in enumerate((one, two))]
    assert disagreeing(PREDICT, labels, *alone) == disagree
    batch = [b'{"predictions":[%b,%b,%b]}' % (one, said, said) for said in (one, two)]
    assert disagreeing(BATCH, labels, *batch) == 2 * disagree
