"""Strings travel as numbers, and the vocabulary knows exactly what the model answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.tree import DecisionTreeClassifier

from convert.coding import Coding
from convert.errors import SourceError
from convert.oracle import Oracle
from convert.sources.table import read
from convert.sources.vocabulary import STRANGER, check_accepted, coded, coding_from, oracle_for
from tests.convert.colors import LINES, pipeline, table


def test_the_vocabulary_of_a_table(tmp_path: Path) -> None:
    """Distinct strings, sorted; columns of numbers have none unless they are said to be strings."""
    rows = table(tmp_path, "red,01,x", "blue,02,y", "red,01,x")
    assert coding_from(rows, ["size", "color"]) == Coding(("size", "color"), {1: ("blue", "red")})
    coding = coding_from(rows, ["size", "color"], ["size"])
    assert coding.vocabulary == {0: ("01", "02"), 1: ("blue", "red")}
    assert coded(rows, coding).tolist() == [[0, 1], [1, 0], [0, 1]]
    assert coding.rows(coded(rows, coding)).tolist() == [["01", "red"], ["02", "blue"], ["01", "red"]]
    assert coding.frame(coded(rows, coding))["color"].tolist() == ["red", "blue", "red"]


def test_cells_that_have_no_place(tmp_path: Path) -> None:
    """An empty string, an unknown one, and text among numbers are named by row and column."""
    rows = table(tmp_path, "red,1,x", ",2,y")
    with pytest.raises(
        SourceError, match=r"row 2, column 'color' is empty; a string cannot be missing: leave"
    ):
        coding_from(rows, ["color"])
    with pytest.raises(SourceError, match=r"row 2, column 'kind' says 'y', which is not among the strings"):
        coded(rows, Coding(("kind",), {0: ("x",)}))
    with pytest.raises(SourceError, match=r"row 1, column 'kind': 'x' is not a finite number"):
        coded(rows, Coding(("kind",)))
    with pytest.raises(SourceError, match="has no column 'weight'"):
        coded(rows, Coding(("weight",)))


@pytest.mark.parametrize("named", [True, False])
def test_strangers(named: bool, tmp_path: Path) -> None:
    """A string that no row has is in the vocabulary exactly where the model answers it."""
    rows = table(tmp_path, *LINES)
    closed = oracle_for(pipeline("error", named), rows, ["color", "size"])
    assert closed.coding.vocabulary == {0: ("blue", "green", "red")}
    assert closed.accepts(coded(rows, closed.coding))
    opened = oracle_for(pipeline("ignore", named), rows, ["color", "size"])
    assert opened.coding.vocabulary == {0: ("blue", "green", "red", STRANGER)}
    assert opened.accepts(np.array([[3.0, 1.0]]))
    taken = table(tmp_path, *LINES, f"{STRANGER},1,x")
    found = oracle_for(pipeline("ignore", named), taken, ["color", "size"]).coding.vocabulary
    assert found == {0: (STRANGER, "blue", "green", "red", f"{STRANGER}?")}


TREE = DecisionTreeClassifier().fit([[1, 2], [2, 1]], ["x", "y"])


@pytest.mark.parametrize(
    ("estimator", "line", "reason"),
    [
        (pipeline("error"), "pink,1,x", r"row 5, column 'color' says 'pink', which this Pipeline refuses: "),
        (
            pipeline("error"),
            "red,,x",
            r"column 'size' has missing values \(row 5\), but this Pipeline refuses",
        ),
        (
            TREE,
            "red,1,x",
            r"row 1, column 'color': 'red' .*; as strings, this DecisionTree\w+ refuses the column",
        ),
    ],
)
def test_rows_that_the_model_refuses(estimator: Any, line: str, reason: str, tmp_path: Path) -> None:
    """The column, the row and the model's own reason are told in one line."""
    with pytest.raises(SourceError, match=reason) as caught:
        oracle_for(estimator, table(tmp_path, *LINES, line), ["color", "size"])
    assert "\n" not in str(caught.value)


class Picky(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Refuses a row for two values together, and none for one of them."""

    n_features_in_ = 2

    def fit(self, rows: Any, answers: Any) -> Any:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, rows: Any) -> Any:
        if (np.asarray(rows, float).sum(axis=1) > 9).any():
            raise ValueError("too much at once")
        return np.zeros(len(rows))


def test_a_row_that_is_refused_for_itself(tmp_path: Path) -> None:
    """Where no single column is to blame the row is named; where the first rows are refused, the first."""
    (tmp_path / "rows.csv").write_text("a,b\n1,1\n1,6\n6,1\n6,6\n1,1\n")
    rows = read(tmp_path / "rows.csv")
    oracle = Oracle(Picky())
    coding = Coding(("a", "b"))
    reason = r"rows.csv: this Picky refuses row 4: ValueError: too much at once"
    with pytest.raises(SourceError, match=reason):
        check_accepted(oracle, rows, coding, coded(rows, coding))
    (tmp_path / "rows.csv").write_text("a,b\n6,6\n7,7\n")
    rows = read(tmp_path / "rows.csv")
    with pytest.raises(SourceError, match=r"this Picky refuses row 1: ValueError: too much"):
        check_accepted(oracle, rows, coding, coded(rows, coding))


@given(st.lists(st.sampled_from(["a", "b", "c d", "é"]), min_size=1, max_size=6), st.floats(allow_nan=False))
def test_coding_round_trip(words: list[str], number: float) -> None:
    """Rows in the coding give back the strings and the numbers that went in."""
    known = tuple(sorted(set(words)))
    coding = Coding(("word", "number"), {0: known})
    matrix = np.array([[known.index(word), number] for word in words])
    assert coding.rows(matrix).tolist() == [[word, number] for word in words]
    assert coding.frame(matrix).to_numpy(object).tolist() == [[word, number] for word in words]
