"""Models are read from each kind of file, and a file that is none is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

from convert.errors import SourceError
from convert.rules import RuleList, save
from convert.source import find, load

X, y = load_iris(return_X_y=True)


def test_pickles(tree: DecisionTreeClassifier, tmp_path: Path) -> None:
    """A joblib file gives the estimator back."""
    joblib.dump(tree, tmp_path / "tree.joblib")
    assert np.array_equal(load(tmp_path / "tree.joblib").predict(X), tree.predict(X))


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("saver", ["model", "booster"])
def test_boosters(suffix: str, saver: str, tmp_path: Path) -> None:
    """xgboost's own files give a classifier back, saved from the classifier or from its booster."""
    boosted = XGBClassifier(n_estimators=3, n_jobs=1).fit(X, y)
    path = tmp_path / f"boosted.{suffix}"
    (boosted if saver == "model" else boosted.get_booster()).save_model(path)
    assert np.array_equal(load(path).predict_proba(X), boosted.predict_proba(X))


def test_rules_are_told_apart_from_boosters(rules: RuleList, tmp_path: Path) -> None:
    """A JSON file with rules is a rule list."""
    save(rules, tmp_path / "rules.json")
    assert load(tmp_path / "rules.json") == rules


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.h5", b"", "is no model file; expected one ending in .joblib"),
        ("absent.json", None, "cannot be read: No such file"),
        ("broken.joblib", b"not a pickle", "cannot be unpickled: "),
        ("broken.json", b"{", "is not JSON: "),
        ("other.json", b"[]", "is neither a rule list .* nor an xgboost model"),
        ("other.json", b'{"learner": 1}', "is not an xgboost classifier: "),
        ("broken.ubj", b"nothing", "is not an xgboost classifier: "),
        ("rules.json", b'{"rules": []}', "is not a rule list: "),
    ],
)
def test_what_is_no_model_is_refused(name: str, content: bytes | None, reason: str, tmp_path: Path) -> None:
    """A file that cannot be a model is refused with its name and one reason in one line."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=reason) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_booster_that_is_no_classifier(tmp_path: Path) -> None:
    """A saved regressor is not taken for a classifier."""
    XGBRegressor(n_estimators=1).fit(X, y).save_model(tmp_path / "regressor.json")
    with pytest.raises(SourceError, match="not an xgboost classifier"):
        load(tmp_path / "regressor.json")


def test_find(tree: Any, tmp_path: Path) -> None:
    """A folder gives its model files in order; an empty one, or two files of one name, are refused."""
    with pytest.raises(SourceError, match="holds no model"):
        find(tmp_path)
    for name in ("b.json", "a.joblib", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find(tmp_path)] == ["a.joblib", "b.json"]
    assert find(tmp_path / "b.json") == [tmp_path / "b.json"]
    (tmp_path / "a.json").touch()
    with pytest.raises(SourceError, match="would both be named 'a'"):
        find(tmp_path)
