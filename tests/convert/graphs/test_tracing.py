"""What a followed function may do, operation by operation, and what it is refused for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from convert.coding import Coding
from convert.errors import Unconvertible
from convert.graphs.families.derived import ROUNDED
from convert.graphs.registration import EXACT
from convert.graphs.targets import target
from convert.oracle import Oracle
from tests.convert.proof import around, prove

IRIS, SPECIES = load_iris(return_X_y=True)
CODING = Coding(("a", "b", "c", "d"))
TEXTS = Coding(("a", "b", "c", "d"), {1: ("1", "u", "v")})
TEXT_ROWS = IRIS.copy()
TEXT_ROWS[:, 1] = np.random.default_rng(0).integers(0, 3, len(IRIS))
Function = Callable[..., Any]


def fitted(function: Function, data: Any = IRIS, **options: Any) -> Any:
    """The function before a small tree."""
    tree = DecisionTreeClassifier(random_state=0)
    return make_pipeline(FunctionTransformer(function, **options), tree).fit(data, SPECIES)


ARRAYS: dict[str, Function] = {
    "ellipsis": lambda X: np.column_stack([X[..., 0], X[:, 3:].ravel()]),
    "stacked": lambda X: np.stack([X[:, 0], np.abs(X[:, 1] - 3), X[:, 2].copy()], axis=1),
    "amounts": lambda X: np.hstack([abs(X), np.absolute(-X), np.fabs(-X), +X, X.round(), np.around(X)]),
    "shapes": lambda X: np.reshape(np.squeeze(np.ravel(X[:, :1])), (-1, 1)) * np.ones((1, X.shape[1])),
    "dimensions": lambda X: X * np.ndim(X) + np.shape(X)[1],
    "integers": lambda X: abs(-X.astype(int)) + np.square(X.astype(int)),
    "logic": lambda X: np.logical_xor(X > 3, X.astype(bool)),
    "truths": lambda X: (X > 3) == (X < 5),
    "different": lambda X: np.where((X != 3) ^ (X <= 1), X > 2, X < 1),
    "infinite": lambda X: np.hstack([np.isinf(1 / X), X.clip(max=3), np.zeros_like(X) + X]),
    "counted": lambda X: (X > 3).sum(axis=1, keepdims=True) + (X[:, :1] > 5).mean(axis=1, keepdims=True),
    "largest": lambda X: np.max(X, axis=1, keepdims=True) - np.amin(X, axis=-1, keepdims=True),
    "others": lambda X: np.column_stack([np.isin(X[:, 0], [5.1, 4.9], invert=True), X[:, 3]]),
    "beside": lambda X: np.c_[X[:, 0], np.c_[1.0, 2.0][0, 0] * X[:, 1]],
    "single": lambda X: np.c_[np.c_[X[:, :2]], X[:, 2:]],
    "not below": lambda X: np.column_stack([np.digitize(X[:, 2], [2.0, 5.0], right=True), X[:, 3]]),
    "single members": lambda X: np.isin(X.astype(np.float32), [5.1, 1.5, 3.5]),
    "single bins": lambda X: np.digitize(X.astype(np.float32), [1.4, 3.2, 5.1]),
    "fixed": lambda X: np.nan_to_num(np.where(X > 2, np.inf, -X), posinf=9.0, neginf=-9.0),
    "filled": lambda X: np.full_like(X, 7) - X,
    "wide constant": lambda X: X[:, :1] * [1.0, 2.0, 3.0],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    """The same bits as numpy's."""
    model = fitted(ARRAYS[name])
    assert target(Oracle(model).estimator) == EXACT
    assert prove(model, np.abs(around(model, IRIS, 500)) + 0.01)[1:] == (0, 0, 0.0)


def test_powers_of_two() -> None:
    """numpy rounds them in its own way."""
    model = fitted(lambda X: np.exp2(X))
    assert target(Oracle(model).estimator).margin_ulp
    assert prove(model, around(model, IRIS, 500))[1:3] == (0, 0)


@pytest.mark.parametrize("right", [False, True])
def test_a_missing_number_is_beyond_all_bins(right: bool) -> None:
    """As in numpy, and not in front of them."""
    rows = IRIS.copy()
    rows[::3, 2] = np.nan
    model = fitted(lambda X: np.digitize(X, [1.0, 2.0, 4.8], right=right), rows)
    assert prove(model, rows)[1:] == (0, 0, 0.0)


def test_missing_numbers() -> None:
    """Are seen, replaced, and kept by bounds and signs."""
    rows = IRIS.copy()
    rows[::3, 2] = np.nan

    def made(X: Any) -> Any:
        return np.hstack([np.isnan(X), np.nan_to_num(X), np.clip(X, 2, 5), np.sign(X - 3), np.trunc(X)])

    model = fitted(made, rows)
    assert prove(model, rows)[1:] == (0, 0, 0.0)


FRAMES: dict[str, Function] = {
    "missing": lambda X: X.assign(gone=X["a"].isna() | X["b"].isnull(), there=X["c"].notna()),
    "values": lambda X: X[[name for name in X.columns if name != "d"]].values,
    "column values": lambda X: np.column_stack([X["a"].values, X["b"].to_numpy().copy()]),
    "known": lambda X: X.drop("d", axis=1) if "d" in X else X,
    "several": lambda X: X.drop(["a", "d"], axis="columns"),
    "half": lambda X: X.assign(a=X["a"].astype(int)).assign(half=lambda made: 0.5),
    "halved": lambda X: X.assign(a=X["a"] > 5).assign(half=2.5)[["a", "half", "c"]],
    "all": lambda X: X.assign(a=X["a"].abs()),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(name: str) -> None:
    """The same bits as pandas'."""
    model = fitted(FRAMES[name], CODING.frame(IRIS))
    assert prove(model, around(model, IRIS, 500), coding=CODING)[1:] == (0, 0, 0.0)


def encoded(function: Function, **options: Any) -> Any:
    """The function of strings and numbers before an encoder of the column ``b`` and a small tree."""
    one_hot = ColumnTransformer([("text", OneHotEncoder(), ["b"])], remainder="passthrough")
    steps = (FunctionTransformer(function, **options), one_hot, DecisionTreeClassifier(random_state=0))
    return make_pipeline(*steps).fit(TEXTS.frame(TEXT_ROWS), SPECIES)


STRINGS: dict[str, Function] = {
    "another": lambda X: X.assign(other=X["b"] != "u"),
    "number": lambda X: X.assign(one=X["b"].isin([1, "v"])),
    "first": lambda X: X[["b", "c"]].assign(half=0.5),
    "ordered": lambda X: X[["d", "b", "a", "c"]],
}


@pytest.mark.parametrize("name", STRINGS)
def test_strings(name: str) -> None:
    """Are compared with strings only: 1 is not "1"."""
    model = encoded(STRINGS[name])
    assert target(Oracle(model, TEXTS).estimator) == EXACT
    assert prove(model, TEXT_ROWS, coding=TEXTS)[1:] == (0, 0, 0.0)


def test_what_rounds_beside_strings() -> None:
    """The margin is allowed there, too."""
    model = encoded(lambda X: X.assign(known=X["b"] == "u", log=np.log(X["a"])))
    assert target(Oracle(model, TEXTS).estimator) == ROUNDED
    assert prove(model, TEXT_ROWS, coding=TEXTS)[1:3] == (0, 0)


def shifted(X: Any, by: float) -> Any:
    """Reads names, and has an argument."""
    return X.assign(more=X["a"] + by)


@pytest.mark.parametrize(
    ("made", "width"),
    [
        (FunctionTransformer(shifted, kw_args={"by": 2.0}), 3),
        (FunctionTransformer(), 2),
        (FunctionTransformer(np.sqrt, validate=True), 2),
    ],
    ids=["names", "none", "array"],
)
def test_a_function_whose_columns_stand_beside_strings(made: Any, width: int) -> None:
    """How many it gives is found out with its names and its arguments."""
    inner = ColumnTransformer([("made", made, ["a", "c"]), ("text", "passthrough", ["b"])])
    one_hot = ColumnTransformer([("text", OneHotEncoder(), [width])], remainder="passthrough")
    model = make_pipeline(inner, one_hot, DecisionTreeClassifier(random_state=0))
    model.fit(TEXTS.frame(TEXT_ROWS), SPECIES)
    assert prove(model, TEXT_ROWS, coding=TEXTS)[1:] == (0, 0, 0.0)


def branched(X: Any) -> Any:
    """Asks for one truth of all rows."""
    try:
        return X if X > 0 else -X
    except ValueError:  # numpy's own answer
        return X


def written(X: Any) -> Any:
    """Writes into the array."""
    X = X.copy()
    X[:, 0] = 1
    return X


def joined(X: Any) -> Any:
    """Makes an operand of strings."""
    return np.equal(X, np.array(["u", 1.0, 2.0, 3.0], object))


REFUSED: list[tuple[Function, str]] = [
    (lambda X: X.T[:2].T, r"transposing \(\.T\)"),
    (branched, "a branch that looks at the data"),
    (written, "assigning to parts of the array"),
    (joined, "a constant of dtype object"),
    (lambda X: X if X.shape[0] == 150 else -X, r"counting the rows \(\.shape\[0\]\)"),
    (lambda X: X * float(X.max(axis=1).reshape(-1)[0]), "choosing rows"),
    (lambda X: X.astype(np.int32), r"\.astype\(int32\)"),
    (lambda X: X.reshape(-1, 2, 2)[:, :, 0], r"\.reshape\(-1, 2, 2\)"),
    (lambda X: X * np.ones((150, 1)), "a constant with rows of its own"),
    (lambda X: X[:, :, None][:, :, 0], "choosing rows"),
    (lambda X: X[:, None][:, 0], "columns that depend on the data"),
    (lambda X: X[:, [[0, 1]]][:, 0], "an array of three dimensions"),
    (lambda X: np.column_stack([X, np.ones(150)]), "a constant with rows of its own"),
    (lambda X: np.concatenate([X, X])[:150], "putting rows under each other"),
    (lambda X: np.stack([X, X], axis=1)[:, 0], "np.stack of anything but columns"),
    (lambda X: X + len(np.where(X > 99)), "places depend on the data"),
    (lambda X: np.where(X, X, 0), "anything but a comparison"),
    (lambda X: np.clip(X, 1, 2, dtype=float), "clip with dtype"),
    (lambda X: np.nan_to_num(X, copy=False), "in place"),
    (lambda X: np.digitize(X, [3.0, 2.0]), "edges that do not rise"),
    (lambda X: np.diff(X, axis=0, prepend=0), "np.diff over the rows"),
    (lambda X: np.full_like(X, 1, dtype=int), "np.full_like with dtype"),
    (lambda X: np.isin(X, [np.nan, 1.0]), "NaN among numbers"),
    (lambda X: X * np.longdouble(1), "numbers of dtype"),
    (lambda X: np.exp(X > 3), "arithmetic of flags"),
    (lambda X: np.log1p(X > 3), "arithmetic of flags"),
    (lambda X: (X > 3) + (X > 4), "arithmetic of flags"),
    (lambda X: abs(X > 3), "arithmetic of flags"),
    (lambda X: X.astype(int) & 1, "bits of numbers"),
    (lambda X: np.logical_and(X, X), "logic of numbers"),
    (lambda X: np.reciprocal(X.astype(int) + 1), "the reciprocal of whole numbers"),
    (lambda X: np.add.accumulate(X, axis=1), "np.add with accumulate"),
    (lambda X: X[:, :2] + X[:, [0]] + X[:1, :2], "choosing rows"),
    (lambda X: X * X[:, 0].mean(axis=None), "np.mean over the rows|np.sum over the rows"),
    (lambda X: [[1.0]] * 150, "gives a list; a matrix"),
    (lambda X: X + undefined(X), "KeyError: 'nowhere'"),
]


def undefined(X: Any) -> Any:
    """Fails where numbers are unknown, with an error of its own."""
    return 0 if isinstance(X, np.ndarray) else dict[str, float]()["nowhere"]


@pytest.mark.parametrize(("function", "reason"), REFUSED)
def test_refused(function: Function, reason: str) -> None:
    """The text names the operation; asked for the bound alone, nothing fails."""
    model = fitted(function)
    assert target(model).ulp == 0
    with pytest.raises(Unconvertible, match=reason):
        prove(model, IRIS)


def one_number(X: Any) -> Any:
    """Wants a number of each row for itself."""
    return X + (0.0 if isinstance(X, np.ndarray) else float(X[:, 0]))


def one_column(X: Any) -> Any:
    """Gives a column where it sees no numbers."""
    return X if isinstance(X, np.ndarray) else X[:, 0]


def together(X: Any) -> Any:
    """Adds a column to a matrix as if they were of one shape."""
    return X if isinstance(X, np.ndarray) else X + X[:, 0]


def uneven(X: Any) -> Any:
    """Adds matrices of different widths."""
    return X if isinstance(X, np.ndarray) else X + X[:, :3]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (one_number, "one number out of the data"),
        (one_column, r"gives a column \(n,\)"),
        (together, r"\(n,\) and \(n, k\) together"),
        (uneven, r"arrays of \['3', '4'\] columns together"),
    ],
)
def test_refused_while_numbers_are_unknown(function: Function, reason: str) -> None:
    """numpy itself would refuse these, but the function does them only when it is followed."""
    model = fitted(function)
    with pytest.raises(Unconvertible, match=reason):
        prove(model, IRIS)


NO_ROWS = CODING.frame(IRIS[:0])
REFUSED_FRAMES: list[tuple[Function, str]] = [
    (lambda X: X[X["a"] > -1], "choosing rows"),
    (lambda X: X.rank(), r"\.rank of a DataFrame"),
    (lambda X: X * len(X), r"counting the rows \(len\)"),
    (lambda X: np.array(X) * 2, r"\.to_numpy\(\) can be followed"),
    (lambda X: X.to_numpy(dtype=np.float32), "to_numpy of strings next to numbers, or with a dtype"),
    (lambda X: np.add(X, 1), "np.add of a whole DataFrame"),
    (lambda X: X.drop(index=[]), "dropping rows"),
    (lambda X: X.assign(more=np.arange(150)), "neither computed from the data nor one number"),
    (lambda X: X[["a", "a"]].to_numpy(), "two columns of the name 'a'"),
    (lambda X: X.rename(columns={"a": "b"}).to_numpy(), "two columns of the name 'b'"),
    (lambda X: X.drop(columns=[name for name in "abcd" if type(X) is not type(NO_ROWS)]), "every column"),
]


@pytest.mark.parametrize(("function", "reason"), REFUSED_FRAMES)
def test_refused_frames(function: Function, reason: str) -> None:
    """The same of DataFrames."""
    model = fitted(function, CODING.frame(IRIS))
    with pytest.raises(Unconvertible, match=reason):
        prove(model, IRIS, coding=CODING)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda X: X.assign(more=X["b"] > "a"), "np.greater of strings"),
        (lambda X: X.assign(more=X["b"].isin([1, 2])), "anything but strings among strings"),
        (lambda X: X.assign(more=np.column_stack([X["b"], X["b"]])[:, 0] == "u"), "numbers of dtype object"),
        (lambda X: X.assign(b=X["b"].astype("str")), r"\.astype"),
    ],
)
def test_refused_strings(function: Function, reason: str) -> None:
    """The same of strings."""
    model = encoded(function)
    with pytest.raises(Unconvertible, match=reason):
        prove(model, TEXT_ROWS, coding=TEXTS)


def test_strings_and_numbers_in_an_array() -> None:
    """One array cannot hold both, nor can a tree read strings."""
    model = encoded(lambda X: X)
    model.steps[0] = ("array", FunctionTransformer(lambda X: X, validate=False).fit(np.ones((2, 4))))
    with pytest.raises(Unconvertible, match="strings and numbers in one matrix"):
        prove(model, TEXT_ROWS, coding=TEXTS)


def test_strings_for_numbers() -> None:
    """What computes is not given strings."""
    model = encoded(lambda X: X[["b"]])
    model.steps[1] = ("scaler", StandardScaler().fit(np.ones((2, 1))))
    with pytest.raises(Unconvertible, match="it reads numbers, and is given strings"):
        prove(model, TEXT_ROWS, coding=TEXTS)


def test_not_fitted() -> None:
    """Nobody knows how many columns there will be."""
    model = fitted(np.sqrt)
    model.steps.insert(1, ("new", FunctionTransformer(np.sqrt)))
    with pytest.raises(Unconvertible, match="not fitted; fit the pipeline with it"):
        prove(model, IRIS)
