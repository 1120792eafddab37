"""The iris data: what is asked while it is measured."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from bench.errors import BadDocument

DATA = Path(__file__).parents[2] / "research" / "iris.csv"
"""In a checkout; the installed package has no data."""


class Flowers(NamedTuple):
    """150 rows in their published order."""

    features: tuple[str, ...]
    """Four lengths in cm."""
    rows: list[list[float]]
    species: list[str]


def read_flowers() -> Flowers:
    """From the CSV file.

    Raises:
        BadDocument: this is not a checkout.
    """
    try:
        header, *lines = list(csv.reader(DATA.read_text("utf-8").splitlines()))
    except OSError as error:
        raise BadDocument(f"{DATA}: {error.strerror}; this is measured in a checkout") from None
    rows = [[float(value) for value in line[:-1]] for line in lines]
    return Flowers(tuple(header[:-1]), rows, [line[-1] for line in lines])
