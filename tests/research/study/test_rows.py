"""Rows from every sort of source, with the right answers and names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_wine

from research import iris
from research.study.errors import StudyError
from research.study.rows import load
from research.study.specification import Data, Generated


def test_shipped_tables() -> None:
    """Every column has a name that can be one of a request; a regression has no classes."""
    wine = load(Data(table="wine"), 0, Path())
    assert np.array_equal(wine.X, load_wine().data)
    assert "od280_per_od315_of_diluted_wines" in wine.features
    assert wine.classes == ("class_0", "class_1", "class_2")
    digits = load(Data(table="digits"), 0, Path())
    assert digits.classes == tuple("0123456789")
    assert np.array_equal(digits.y, load_digits().target)
    diabetes = load(Data(table="diabetes"), 0, Path())
    assert (diabetes.task, diabetes.classes, diabetes.y.dtype.kind) == ("regression", (), "f")
    assert np.array_equal(diabetes.X, load_diabetes(scaled=False).data)
    flowers = load(Data(table="iris"), 0, Path())
    assert (flowers.features, flowers.classes) == (iris.FEATURES, iris.CLASSES)
    assert set(flowers.units.values()) == {"cm"}


def test_some_columns_only() -> None:
    """In the order that is asked for, with their units."""
    found = load(Data(table="iris", features=("petal_width", "sepal_length")), 0, Path())
    assert np.array_equal(found.X, iris.dataset().X[:, [3, 0]])
    assert found.units == {"petal_width": "cm", "sepal_length": "cm"}
    with pytest.raises(StudyError, match=r"data.features: no feature 'colour'; there are: sepal_length"):
        load(Data(table="iris", features=("colour",)), 0, Path())


def test_generated_rows() -> None:
    """The same for the same seed; what cannot be is told."""
    wanted = Generated(rows=50, features=4, informative=2, classes=2)
    one, same, other = (load(Data(generated=wanted), seed, Path()) for seed in (0, 0, 1))
    assert one.X.shape == (50, 4)
    assert np.array_equal(one.X, same.X)
    assert not np.array_equal(one.X, other.X)
    assert (one.features[0], one.classes) == ("x00", ("class_0", "class_1"))
    with pytest.raises(StudyError, match=r"data.generated: no such table can be made: .*informative"):
        load(Data(generated=Generated(rows=50, features=4, informative=4, classes=99)), 0, Path())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_ones_own(tmp_path: Path, suffix: str) -> None:
    """CSV and Parquet give the same rows; strings and few whole numbers are classes, numbers are values."""
    frame = pandas.DataFrame({"a": [1.0, None, 3.0], "b": [1, 2, 3], "n": [10, 9, 10], "v": [0.5, 1.5, 2.0]})
    frame["s"] = ["x", "y", "x"]
    path = tmp_path / f"rows.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)

    def loaded(target: str, **more: object) -> object:
        data = Data(file=path.name, target=target, features=("a", "b"), **more)  # type: ignore[arg-type]
        found = load(data, 0, tmp_path)
        assert np.array_equal(found.X, np.array([[1, 1], [np.nan, 2], [3, 3]]), equal_nan=True)
        return found.classes, found.y.tolist()

    assert loaded("s") == (("x", "y"), [0, 1, 0])
    assert loaded("n") == (("9", "10"), [1, 0, 1])
    assert loaded("n", task="regression") == ((), [10.0, 9.0, 10.0])
    assert loaded("v") == ((), [0.5, 1.5, 2.0])
    assert loaded("v", task="classification") == (("0.5", "1.5", "2"), [0, 1, 2]) or suffix == "csv"


def test_answers_that_are_none(tmp_path: Path) -> None:
    """A missing answer, and one answer throughout, are told with their place."""
    (tmp_path / "rows.csv").write_text("a,b,c\n1,x,7\n2,,7\n")
    with pytest.raises(StudyError, match=r"rows.csv: row 2, column 'b': the answer is missing"):
        load(Data(file="rows.csv", target="b", features=("a",)), 0, tmp_path)
    with pytest.raises(StudyError, match="column 'c' has one answer only"):
        load(Data(file="rows.csv", target="c", features=("a",)), 0, tmp_path)
    with pytest.raises(StudyError, match=r"gone.csv cannot be read"):
        load(Data(file="gone.csv", target="c"), 0, tmp_path)
