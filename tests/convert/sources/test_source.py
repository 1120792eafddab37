"""Models are read from each kind of file, and a file that is none is refused in one line."""

from __future__ import annotations

import os
import pickle
import sys
import types
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
import xgboost
from lightgbm import LGBMClassifier
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier, XGBRFRegressor

from convert.errors import SourceError, Unconvertible
from convert.sources import boosters, source
from convert.sources.rules import RuleList, save
from convert.sources.source import OnnxFile, find, load

X, y = load_iris(return_X_y=True)
HERE = sklearn.__version__


def refusal(path: Path) -> str:
    """What is said of a file; always its name and one line."""
    with pytest.raises(SourceError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("compress", [0, 3])
def test_pickles(tree: DecisionTreeClassifier, compress: int, tmp_path: Path) -> None:
    """A joblib file gives the estimator back, compressed or not, and so does a plain pickle."""
    joblib.dump(tree, tmp_path / "tree.joblib", compress=compress)
    (tmp_path / "tree.pkl").write_bytes(pickle.dumps(tree))
    for name in ("tree.joblib", "tree.pkl"):
        assert np.array_equal(load(tmp_path / name).predict(X), tree.predict(X))


class Older(LogisticRegression):  # type: ignore[misc]  # scikit-learn ships no types
    """Says that an earlier scikit-learn fitted it."""

    def __reduce__(self) -> Any:
        return LogisticRegression, (), {**self.__dict__, "_sklearn_version": "1.5.0"}


class Unreadable(Older):
    """The same, with a part that no longer opens, as trees of old versions have."""

    def __reduce__(self) -> Any:
        state = {"_sklearn_version": "1.5.0", "inner": Broken()}
        return LogisticRegression, (), state


class Broken:
    """Its pickle cannot be opened."""

    def __reduce__(self) -> Any:
        return int, ("node array\nof another dtype",)


@pytest.mark.parametrize("kind", [Older, Unreadable])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_another_scikit_learn(kind: type, protocol: int, tmp_path: Path) -> None:
    """Whether it opens with a warning or not at all: both versions are told, and what to do."""
    estimator = kind(max_iter=1000).fit(X, y)
    (tmp_path / "old.pkl").write_bytes(pickle.dumps(estimator, protocol=protocol))
    assert refusal(tmp_path / "old.pkl") == (
        f"{tmp_path}/old.pkl was fitted with scikit-learn 1.5.0, this is {HERE}: convert where 1.5.0 is "
        "installed, or fit again"
    )


def test_pickles_of_another_xgboost(tmp_path: Path) -> None:
    """xgboost reads them with a warning; they are refused with what its own advice is."""
    content = pickle.dumps(XGBClassifier(n_estimators=1).fit(X, y))
    numbers = map(int, version("xgboost").split("."))
    now = bytes(part for number in numbers for part in (ord("i"), number))
    assert now in content
    (tmp_path / "old.pkl").write_bytes(content.replace(now, b"i\x01i\x05i\x00"))
    assert (
        f"with another version of xgboost than this, {xgboost.__version__}: write the model with "
        in refusal(tmp_path / "old.pkl")
    )


def test_pickles_of_modules_that_are_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing module, or the class that only the training script had, is named."""
    for name in ("absent_library", "__main__"):
        module = types.ModuleType(name)
        exec("class Model: pass", module.__dict__)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, module)
            (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(module.Model()))
    said = refusal(tmp_path / "absent_library.pkl")
    assert "needs the Python module 'absent_library', which cannot be imported here: install it" in said
    said = refusal(tmp_path / "__main__.pkl")
    assert "AttributeError: " in said
    assert "; define it in a module that can be imported" in said


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("saver", ["model", "booster"])
@pytest.mark.parametrize("kind", [XGBClassifier, XGBRegressor])
def test_boosters(suffix: str, saver: str, kind: Any, tmp_path: Path) -> None:
    """xgboost's own files give the estimator back, saved from the estimator or from its booster."""
    boosted = kind(n_estimators=3, n_jobs=1).fit(X, y)
    path = tmp_path / f"boosted.{suffix}"
    (boosted if saver == "model" else boosted.get_booster()).save_model(path)
    found = load(path)
    assert type(found) is kind
    assert np.array_equal(found.predict(X), boosted.predict(X))


@pytest.mark.parametrize(
    "estimator",
    [
        XGBRFClassifier(n_estimators=3, n_jobs=1),
        XGBRFRegressor(n_estimators=3, n_jobs=1),
        XGBClassifier(n_estimators=3, n_jobs=1, booster="dart"),
        XGBRegressor(n_estimators=3, n_jobs=1, booster="gblinear", objective="count:poisson"),
        XGBClassifier(n_estimators=8, early_stopping_rounds=1, n_jobs=1, learning_rate=3),
    ],
)
def test_other_boosters(estimator: Any, tmp_path: Path) -> None:
    """Forests, dart, linear boosters and one that stopped early answer as they did."""
    estimator.fit(
        X, y, **({"eval_set": [(X, y)], "verbose": False} if estimator.early_stopping_rounds else {})
    )
    estimator.save_model(tmp_path / "boosted.json")
    assert np.array_equal(load(tmp_path / "boosted.json").predict(X), estimator.predict(X))


def test_boosters_that_cannot_be_served(tmp_path: Path) -> None:
    """Rankers and survival models are named by their objective; several outputs are counted."""
    path = tmp_path / "boosted.ubj"
    XGBRanker(n_estimators=1).fit(X, y, qid=np.repeat([0, 1, 2], 50)).save_model(path)
    assert "objective 'rank:ndcg' cannot be served: it ranks groups" in refusal(path)
    XGBRegressor(n_estimators=1, objective="survival:cox").fit(X, y).save_model(path)
    assert "objective 'survival:cox' cannot be served: it models survival" in refusal(path)
    XGBRegressor(n_estimators=1).fit(X, X).save_model(path)
    assert "this xgboost model has 4 outputs; fit one model per output" in refusal(path)


def test_damaged_boosters(tmp_path: Path) -> None:
    """Damage that ends xgboost's own loader, or would send a walk out of a tree, is one line."""
    XGBClassifier(n_estimators=2, n_jobs=1).fit(X, y).save_model(tmp_path / "sound.json")
    sound = (tmp_path / "sound.json").read_bytes()
    path = tmp_path / "damaged.json"
    for written, instead in (
        (b'"split_indices":[2', b'"split_indices":[99'),
        (b'"left_children":[1', b'"left_children":[77'),
        (b'"left_children":[1', b'"left_children":[0'),
    ):
        assert written in sound
        path.write_bytes(sound.replace(written, instead, 1))
        assert "is not an xgboost model: ValueError: tree 0 is damaged" in refusal(path)
    path.write_bytes(sound.replace(b'"name":"multi:softprob"', b'"name":"multi:nonsense"'))
    assert "is not an xgboost model: " in refusal(path)


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        ("import os; os.abort()", "xgboost dies of it (signal 6)"),
        ("import time; time.sleep(9)", "xgboost hangs when it reads it"),
        ("raise SystemExit(1)", "xgboost refuses it"),
    ],
)
def test_a_loader_that_dies(trial: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that tries a file first may end in any way."""
    monkeypatch.setattr(boosters, "TRIAL", trial)
    monkeypatch.setattr(boosters, "PATIENCE_S", 1)
    (tmp_path / "model.ubj").write_bytes(b"{}")
    assert refusal(tmp_path / "model.ubj").endswith(f"is not an xgboost model: {reason}")


def test_rules_are_told_apart_from_boosters(rules: RuleList, tmp_path: Path) -> None:
    """A JSON file with rules is a rule list."""
    save(rules, tmp_path / "rules.json")
    assert load(tmp_path / "rules.json") == rules


def test_onnx_files_are_only_read(tmp_path: Path) -> None:
    """A graph is taken on by others, who know the recorded answers."""
    (tmp_path / "graph.onnx").write_bytes(b"bytes")
    assert load(tmp_path / "graph.onnx") == OnnxFile(tmp_path / "graph.onnx", b"bytes")


def test_lightgbm(tmp_path: Path) -> None:
    """A text model of LightGBM answers as the estimator did."""
    fitted = LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(X, y)
    fitted.booster_.save_model(tmp_path / "model.txt")
    assert np.array_equal(load(tmp_path / "model.txt").predict_proba(X), fitted.predict_proba(X))


def test_lightgbm_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text model is read by the family that knows it; whatever it raises is one line."""
    told: list[str] = []
    leafwise = types.ModuleType("convert.graphs.families.leafwise")
    leafwise.from_text = told.append  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "convert.graphs.families.leafwise", leafwise)
    path = tmp_path / "model.txt"
    path.write_text("tree\nversion=v4\n")
    load(path)
    assert told == ["tree\nversion=v4\n"]
    for error, reason in ((ValueError("bad\nline"), "is no LightGBM text model: ValueError: bad"),
                          (Unconvertible("linear trees"), "linear trees")):  # fmt: skip

        def fail(_: str, error: Exception = error) -> None:
            raise error

        leafwise.from_text = fail  # type: ignore[attr-defined]  # a stand-in
        assert refusal(path).endswith(reason)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.h5", b"", "is no model file; expected a file ending in .joblib, .pkl, "),
        ("absent.json", None, "cannot be read: No such file"),
        ("broken.joblib", b"not a pickle", "cannot be unpickled: "),
        ("empty.pkl", b"", "cannot be unpickled: EOFError"),
        ("broken.json", b"{", "is not JSON: "),
        ("other.json", b"[]", "is neither a rule list (key 'rules') nor an xgboost model"),
        ("other.json", b'{"a": 1}', "is neither a rule list (key 'rules') nor an xgboost model"),
        ("other.json", b'{"learner": 1}', "is not an xgboost model: "),
        ("empty.ubj", b"", "is not an xgboost model: it does not begin like one"),
        ("broken.ubj", b"nothing", "is not an xgboost model: "),
        ("broken.ubj", b"{L\0", "is not an xgboost model: "),
        ("rules.json", b'{"rules": []}', "is not a rule list: "),
        ("notes.txt", b"treetop", "is no LightGBM text model (of Booster.save_model): no 'tree' in line 1"),
    ],
)
def test_what_is_no_model_is_refused(name: str, content: bytes | None, reason: str, tmp_path: Path) -> None:
    """A file that cannot be a model is refused with its name and one reason in one line."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert reason in refusal(tmp_path / name)


def test_files_that_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe would never end, and a file beyond the limit is refused by its size alone."""
    os.mkfifo(tmp_path / "pipe.json")
    assert "it is no regular file" in refusal(tmp_path / "pipe.json")
    with (tmp_path / "large.joblib").open("wb") as file:
        file.truncate(source.MAX_SOURCE_BYTES + 1)
    assert "has 2147483649 bytes; at most 2147483648 are read" in refusal(tmp_path / "large.joblib")


def test_find(tmp_path: Path) -> None:
    """A folder gives its model files in order; an empty one, or two files of one name, are refused."""
    with pytest.raises(SourceError, match="holds no model"):
        find(tmp_path)
    for name in ("b.ubj", "a.joblib", "c.onnx", "notes.md"):
        (tmp_path / name).touch()
    (tmp_path / "folder.pkl").mkdir()
    for name, content in {
        "card.json": '{"description": "no model"}',
        "list.json": "[]",
        "rules.json": '{"rules": []}',
        "boosted.json": '{"learner": {}}',
        "damaged.json": '{"learner": ',
        "notes.txt": "notes",
        "leafwise.txt": "tree\nversion=v4\n",
    }.items():
        (tmp_path / name).write_text(content)
    found = ["a.joblib", "b.ubj", "boosted.json", "c.onnx", "damaged.json", "leafwise.txt", "rules.json"]
    assert [path.name for path in find(tmp_path)] == found
    assert find(tmp_path / "b.json") == [tmp_path / "b.json"]
    (tmp_path / "a.k.pkl").touch()
    (tmp_path / "a.pkl").touch()
    with pytest.raises(SourceError, match=r"a\.joblib and .*a\.pkl would both be named 'a'"):
        find(tmp_path)


FACTORY = """
from sklearn.tree import DecisionTreeClassifier

def fitted(): return DecisionTreeClassifier().fit([[0], [1]], [0, 1])
def number(): return 1
def kind(): return DecisionTreeClassifier
def fails(): raise ValueError("first line\\nsecond")
def leaves(): raise SystemExit(3)
def wants(argument): return argument
word = "word"
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a user's own package; its modules are forgotten afterwards."""
    (tmp_path / "homemade").mkdir()
    (tmp_path / "homemade/__init__.py").touch()
    (tmp_path / "homemade/models.py").write_text(FACTORY)
    (tmp_path / "homemade/lacking.py").write_text("import absent_library\n")
    (tmp_path / "homemade/failing.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_functions(workplace: Path) -> None:
    """A function of a module in the working directory gives the estimator; the import path stays."""
    before = list(sys.path)
    assert load(Path("homemade.models:fitted")).predict([[1]]) == [1]
    assert find(Path("homemade.models:fitted")) == [Path("homemade.models:fitted")]
    assert sys.path == before


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("absent:f", "absent:f: there is no module 'absent', neither installed nor in "),
        ("homemade.absent:f", "there is no module 'homemade.absent', neither"),
        ("homemade.lacking:f", "raised ModuleNotFoundError: No module named 'absent_library'"),
        (
            "homemade.failing:f",
            "importing 'homemade.failing' for homemade.failing:f raised ZeroDivisionError: ",
        ),
        ("homemade.models:absent", "module 'homemade.models' has no function 'absent'"),
        ("homemade.models:word", "module 'homemade.models' has no function, but a str, 'word'"),
        ("homemade.models:number", "homemade.models:number returned a int; expected a fitted estimator"),
        ("homemade.models:kind", "returned the class DecisionTreeClassifier; expected a fitted estimator"),
        ("homemade.models:fails", "homemade.models:fails raised ValueError: first line"),
        ("homemade.models:leaves", "homemade.models:leaves raised SystemExit: 3"),
        ("homemade.models:wants", "homemade.models:wants raised TypeError: wants() missing 1 required"),
    ],
)
def test_functions_that_give_no_model(reference: str, reason: str, workplace: Path) -> None:
    """Every way in which a function can fail is one line."""
    assert reason in refusal(Path(reference))
