"""A study does what its file says, and its figures are those of a hand-made run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from research.study import families
from research.study.errors import StudyError
from research.study.page import page
from research.study.results import Results, encoded
from research.study.running import candidates, run
from research.study.scoring import mae, r2
from research.study.specification import read
from tests.research.study.conftest import SMALL, Made, Write


def found(path: Path) -> Results:
    """The results of a study file."""
    study = read(path)
    return run("small", study, candidates(study, path.parent), lambda _: None)


def test_every_family_by_every_method(small: Made) -> None:
    """What does not apply is left out with its reason; every score has an interval around it."""
    results = small.results
    methods = {each.name: {score.method for score in each.scores} for each in results.families}
    usual = {"leave_one_out", "repeated_k_fold", "hold_out"}
    assert methods == {
        "heuristic": usual,
        "decision_tree": {*usual, "nested"},
        "random_forest": {*usual, "out_of_bag"},
        "xgboost": usual,
        "linear": {*usual, "nested"},
    }
    for each in results.families:
        assert set(each.left_out) | methods[each.name] == {*usual, "nested", "out_of_bag"}
        assert all(each.left_out.values())
        for score in each.scores:
            assert score.low is not None
            assert score.high is not None
            assert score.low <= score.value <= score.high
    assert results.score("linear", "leave_one_out", "accuracy").rows == 12  # type: ignore[union-attr]
    assert results.score("linear", "hold_out", "accuracy").rows == 15  # type: ignore[union-attr]
    assert results.score("linear", "no_such", "accuracy") is None


def test_cross_validation_by_hand(small: Made) -> None:
    """The mean over the repeats' accuracies, on scikit-learn's own folds."""
    study = read(small.file)
    entered = candidates(study, small.file.parent)
    rows = entered[0].rows
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    expected = [
        accuracy_score(
            rows.y,
            cross_val_predict(tree, rows.X, rows.y, cv=StratifiedKFold(3, shuffle=True, random_state=seed)),
        )
        for seed in (0, 1)
    ]
    score = small.results.score("decision_tree", "repeated_k_fold", "accuracy")
    assert score
    assert score.value == pytest.approx(np.mean(expected), rel=1e-5)
    assert score.how.endswith("3-fold cross-validation of 60 rows, 2 times, seeds from 0; Wilson interval")


def test_calibration_confusion_and_pairs(small: Made) -> None:
    """Of the method that asks most rows; ten pairs by two tests, each adjusted among its ten."""
    results = small.results
    tree = next(each for each in results.families if each.name == "decision_tree")
    assert tree.confusion
    assert tree.calibration
    assert sum(map(sum, tree.confusion.counts)) == 60 == sum(place.rows for place in tree.calibration.bins)
    assert "3-fold cross-validation of 60 rows" in tree.confusion.how
    assert len(results.comparisons) == 20
    for test in results.comparisons:
        assert test.p <= test.p_holm <= min(1.0, 10 * test.p) + 1e-12
        assert (test.only_first is None) == (test.low is not None) == test.test.startswith("corrected")
    assert sum(pick.folds for pick in tree.picks) == 2


def test_a_regression(values: Made) -> None:
    """R² and the mean absolute error with bootstrap intervals; nothing that needs classes."""
    results = values.results
    assert results.task == "regression"
    for each in results.families:
        assert {score.metric for score in each.scores} == {"r2", "mae"}
        assert (each.calibration, each.confusion) == (None, None)
        assert all("bootstrap" in score.how for score in each.scores)
    assert {test.test.partition(",")[0] for test in results.comparisons} == {
        "corrected resampled t of mean absolute error"
    }
    linear, tree = (results.score(name, "repeated_k_fold", "mae") for name in ("linear", "decision_tree"))
    assert linear
    assert tree
    assert linear.value < 0.01 < tree.value  # the weight is a sum of the two
    first = next(
        test for test in results.comparisons if (test.first, test.second) == ("linear", "decision_tree")
    )
    assert first.difference < 0
    assert first.p_holm < 0.05


def test_one_split_alone(write: Write) -> None:
    """No folds to compare over; a split and leave-one-out are not compared with one another."""
    head = SMALL.partition("[methods]")[0]
    results = found(write(head + "[methods]\nhold_out = { share = 0.25 }"))
    assert {test.test.partition(",")[0] for test in results.comparisons} == {"exact McNemar"}
    assert not any(each.picks for each in results.families)
    forest_only = found(write(head + "[methods]\nout_of_bag = {}"))
    assert forest_only.comparisons == ()
    assert "Do the families differ" not in page(forest_only, [])
    assert "Can the probabilities" not in page(forest_only, [])


def test_values_as_scikit_learn_has_them() -> None:
    """And no R² where all values are the same."""
    draws = np.random.default_rng(0)
    truth, answers = draws.random(30), draws.random(30)
    assert r2(truth, answers) == pytest.approx(r2_score(truth, answers))
    assert mae(truth, answers) == pytest.approx(np.abs(truth - answers).mean())
    assert np.isnan(r2(np.ones(3), answers[:3]))


def test_two_at_a_time_find_the_same(small: Made) -> None:
    """Byte for byte, and in the order of the study."""
    study = read(small.file)
    said: list[str] = []
    with parallel_config("threading"):  # processes only take longer to start
        results = run("small", study, candidates(study, small.file.parent), said.append, jobs=2)
    assert encoded(results) == (small.out / "results.json").read_bytes()
    assert [step.split()[1] for step in said] == [f"{name}:" for name in study.families]


def test_what_a_library_refuses_is_told(write: Write) -> None:
    """With the family that asked for it."""
    with pytest.raises(StudyError, match=r"families.decision_tree cannot be validated: .*max_depth"):
        found(write(SMALL, ("parameters = { max_depth = 2 }\ngrid", "parameters = { max_depth = -2 }\ngrid")))
    with pytest.raises(StudyError, match="rules of a heuristic do not fit the rows: 'tulip' is not the"):
        found(write(SMALL, ('answer = "rose"', 'answer = "tulip"')))


def test_missing_values_and_linear_models(write: Write) -> None:
    """Trees take them; a linear model is refused before anything is fitted."""
    path = write(SMALL)
    rows = (path.parent / "rows.csv").read_text().splitlines()
    rows[3] = "," + rows[3].partition(",")[2]
    (path.parent / "rows.csv").write_text("\n".join(rows))
    with pytest.raises(StudyError, match=r"families.linear: a linear model takes no missing values"):
        candidates(read(path), path.parent)
    text = SMALL.replace("[families.linear]\ngrid = { C = [0.1, 1.0] }\n", "")
    results = found(write(text))
    assert len(results.families) == 4


def test_every_kind_says_how_plain_it_is() -> None:
    """In the order from plain to opaque, on which the recommendations lean."""
    kinds = {kind for kind, _ in families.ESTIMATORS} | {"heuristic"}
    assert set(families.INTERPRETABILITY) == kinds
