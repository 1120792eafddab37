"""The data is the published one, and its description is true."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from convert.sources.carding import fingerprint
from research.iris import CLASSES, EXAMPLE, FEATURES, dataset, signature, training_data, write_csv


def test_rows() -> None:
    """150 rows of four float64 lengths, fifty of each species."""
    data = dataset()
    assert data.X.shape == (150, 4)
    assert (data.X.dtype.name, data.y.dtype.name) == ("float64", "int64")
    assert np.bincount(data.y).tolist() == [50, 50, 50]


def test_signature_holds_for_the_data() -> None:
    """Every row is inside the allowed range, in cm; the example is the first flower."""
    data, found = dataset(), signature("float32")
    for feature, column in zip(found.features, data.X.T, strict=True):
        assert feature.minimum is not None
        assert feature.maximum is not None
        assert feature.minimum <= column.min() <= column.max() <= feature.maximum
        assert (feature.unit, feature.dtype) == ("cm", "float32")
        assert feature.description
    assert found.names == FEATURES
    assert [feature.example for feature in found.features] == list(EXAMPLE.values()) == data.X[0].tolist()
    assert found.classes == CLASSES


def test_fingerprint_is_that_of_the_workshop() -> None:
    """The digest is the one that conversion takes of the same rows, and another row changes it."""
    data = dataset()
    assert training_data(data).sha256 == fingerprint(data.X, data.y)
    data.X[0, 0] += 0.1
    assert training_data(data).sha256 != fingerprint(dataset().X, data.y)


def test_csv_says_the_same(tmp_path: Path) -> None:
    """The CSV holds the same float64 numbers and the species in words."""
    data = dataset()
    write_csv(data, tmp_path / "iris.csv")
    header, *rows = csv.reader((tmp_path / "iris.csv").read_text().splitlines())
    assert header == [*FEATURES, "species"]
    assert np.array_equal(np.array([row[:4] for row in rows], np.float64), data.X)
    assert [CLASSES.index(row[4]) for row in rows] == data.y.tolist()
