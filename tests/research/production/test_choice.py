"""Which model is recommended for what follows from the figures, and changes with them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from research.production import claims
from research.production.choice import Contender, contenders, front, recommendations, surest
from research.production.measured import Measured, ModelCost, Served
from research.study.errors import StudyError
from research.study.results import Comparison, Results

Change = Callable[..., Contender]


@pytest.fixture
def found(kept: Measured, iris: Results) -> list[Contender]:
    """Four models with p99 of 1, 2, 3 and 4 ms, the plainest first."""
    return [served(each, 1.0 + number) for number, each in enumerate(contenders(kept, iris))]


def served(each: Contender, p99_ms: float) -> Contender:
    """With another latency."""
    return each._replace(cost=msgspec.structs.replace(each.cost, served=Served(p50_ms=0.5, p99_ms=p99_ms)))


def accurate(each: Contender, value: float) -> Contender:
    """With another accuracy."""
    return each._replace(accuracy=msgspec.structs.replace(each.accuracy, value=value))


def test_the_plainest_comes_first(found: list[Contender], kept: Measured, iris: Results) -> None:
    """And what was not studied is refused."""
    assert [each.name for each in found] == ["heuristic", "decision_tree", "random_forest", "xgboost"]
    bare = msgspec.structs.replace(iris, families=iris.families[1:])
    with pytest.raises(StudyError, match="no leave_one_out of heuristic"):
        contenders(kept, bare)
    without = [msgspec.structs.replace(each, scores=()) for each in iris.families]
    with pytest.raises(StudyError, match="no leave_one_out of heuristic"):
        contenders(kept, msgspec.structs.replace(iris, families=tuple(without)))


def test_the_front(found: list[Contender]) -> None:
    """Beaten is who is neither faster nor better; two equal ones are both on it."""
    values = (0.94, 0.96, 0.95, 0.97)
    changed = [accurate(each, value) for each, value in zip(found, values, strict=True)]
    assert front(changed) == ["heuristic", "decision_tree", "xgboost"]
    same = [served(accurate(each, 0.95), 2.0) for each in found]
    assert len(front(same)) == 4


def test_without_a_difference_the_plainest_is_taken(found: list[Contender], iris: Results) -> None:
    """With one, the plainest of those that do not differ from the best."""
    values = (0.94, 0.95, 0.96, 0.97)
    changed = [accurate(each, value) for each, value in zip(found, values, strict=True)]
    taken = {wanted: name for wanted, name, _ in recommendations(changed, [iris])}
    assert taken["to begin with, on iris"] == "heuristic"
    test = Comparison(first="heuristic", second="xgboost", test="t", difference=-0.03, p=0.001, p_holm=0.006)
    differs = msgspec.structs.replace(iris, comparisons=(test,))
    advice = {wanted: (name, why) for wanted, name, why in recommendations(changed, [differs])}
    assert advice["to begin with, on iris"][0] == "decision_tree"
    assert "no paired test tells from the most accurate (xgboost)" in advice["to begin with, on iris"][1]


def test_other_tables_have_their_own_best(found: list[Contender], iris: Results) -> None:
    """By the plainest family that is not told from the best; where rules cannot be written, the tree."""
    done = [iris, msgspec.structs.replace(iris, name="other"), msgspec.structs.replace(iris, name="third")]
    taken = {wanted: name for wanted, name, _ in recommendations(found, done)}
    assert taken["rows like those of other, third"] == "heuristic"
    assert taken["to be read, where nobody can write the rules"] == "decision_tree"
    bare = msgspec.structs.replace(iris, families=())
    assert len(recommendations(found, [iris, bare])) == len(recommendations(found, [iris]))


def test_latency_decides_only_beyond_the_budget(found: list[Contender], iris: Results) -> None:
    """Inside of it any model will do; beyond, the fastest."""
    inside = {wanted: name for wanted, name, _ in recommendations(found, [iris])}
    assert inside["speed, served"] == "any"
    beyond = [*found[:3], served(found[3], 10.0)]
    assert {wanted: name for wanted, name, _ in recommendations(beyond, [iris])}[
        "speed, served"
    ] == "heuristic"


def test_the_surest(found: list[Contender]) -> None:
    """The plainest whose Brier score may be the best; with a sure loss, the next."""
    assert surest(found).name == "heuristic"
    plain = found[0].result
    assert plain.calibration
    worse = msgspec.structs.replace(plain.calibration.brier, value=1.0, low=0.9, high=1.1)
    calibration = msgspec.structs.replace(plain.calibration, brier=worse)
    poor = found[0]._replace(result=msgspec.structs.replace(plain, calibration=calibration))
    assert surest([poor, *found[1:]]).name == "decision_tree"


def test_claims_on_cost(kept: Measured) -> None:
    """Two of each model, for its library and for its graph; and they turn with the figures."""
    found = claims.claims(kept)
    assert len(found) == 16
    assert found[0].claim == "latency of heuristic: below 1 ms, in its library"
    assert found[-1].claim == "memory of xgboost: 75 MB, as ONNX"

    def cost(model: ModelCost, p50_ms: float, model_mb: float) -> ModelCost:
        memory = msgspec.structs.replace(
            model.native.memory, model_mb=model_mb, with_library_mb=model_mb, process_mb=model_mb
        )
        native = msgspec.structs.replace(model.native, p50_ms=p50_ms, p99_ms=p50_ms, memory=memory)
        return msgspec.structs.replace(model, native=native, onnx=native)

    right = msgspec.structs.replace(
        kept,
        models=tuple(
            cost(each, claims.LATENCY_MS[each.name][1] * 0.9, claims.MEMORY_MB[each.name])
            for each in kept.models
        ),
    )
    assert {each.verdict for each in claims.claims(right)} == {"holds"}
    wrong = msgspec.structs.replace(kept, models=tuple(cost(each, 50.0, 999.0) for each in kept.models))
    assert {each.verdict for each in claims.claims(wrong)} == {"does not hold"}
    assert claims.claims(wrong)[0].why == "the median is 50 times what was claimed"
