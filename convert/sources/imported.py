"""An ONNX file as the trained model: there is nobody to ask, so recorded answers are the oracle.

``read_onnx`` gives a ``Recorded``, which is asked as an ``Oracle`` is, but only about the rows of the data:

- ``recorded.model`` are the bytes to serve, finished: nothing is left to build;
- ``recorded.rows`` are the only rows to compare on, ``(n, features)``, in the coding ``recorded.coding``;
- ``recorded.bound`` is how far an answer may be from the recorded one;
- ``card_from_data(recorded, table, None, classes)`` is the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.coding import Coding, Matrix
from convert.errors import SourceError
from convert.graphs.registration import DOUBLED, SINGLE
from convert.sources import answers
from convert.sources.adoption import adopt
from convert.sources.foreign import Foreign, understand
from convert.sources.table import Table, listing
from convert.sources.vocabulary import coded, coding_from
from registry.errors import BrokenEntry
from registry.manifest import Bound, Dtype, Feature, Label, Signature, Task, label_text
from server.session import Session

PROBABILITY = "probability_"
"""``probability_<class>`` names the column of a recorded probability."""
PROBED = 3


class Recorded:
    """Answers that were written down. Looks like an ``Oracle``."""

    estimator = None
    """There is none."""

    def __init__(
        self, foreign: Foreign, table: Table, target: str | None, classes: Sequence[str] | None
    ) -> None:
        """Find features and answers in the table, and finish the graph."""
        where = _columns(foreign, table, target)
        self.target = where.target
        self.names = where.features
        self.n_features = len(self.names)
        self.dtypes = _dtypes(foreign, self.n_features)
        """Of each feature, as the graph takes it."""
        self.task: Task = "classification" if foreign.is_classifier else "regression"
        self.classes = _classes(foreign, table, where.target, classes) if foreign.is_classifier else ()
        """As the graph gives them."""
        self.coding = _coding(table, self.names, self.dtypes)
        self.rows = coded(table, self.coding)
        self._labels, self._numbers = _answers(foreign, table, where, classes or self.classes, self.classes)
        self.has_probabilities = bool(self.classes) and self._numbers.shape[1] > 0
        """Only what is recorded is proved, and only what is proved is served."""
        producer = f"{foreign.model.producer_name} {foreign.model.producer_version}".strip()
        made = f", made by {producer}" if producer else ""
        self.describe = f"an ONNX file{made}: its answers recorded in {table.path.name}"
        self.model = adopt(foreign, self.n_features, self.classes, self.has_probabilities)
        """Bytes of the graph to serve."""
        self.bound = _bound(foreign)
        self._places = _index(table, self.rows, self._labels, self._numbers)

    def labels(self, rows: Matrix) -> NDArray[np.int64]:
        """Recorded class index of each row, ``(n,) int64``; ``(0,)`` for a regression.

        Raises:
            SourceError: a row is none of the data.
        """
        return self._labels[self._find(rows)] if self.classes else self._labels

    def numbers(self, rows: Matrix) -> Matrix:
        """Recorded probabilities ``(n, classes)``, values ``(n, 1)``, or ``(n, 0)``, float64.

        They are rounded to the dtype of the graph's output: a file holds decimals, a graph may give float32.

        Raises:
            SourceError: a row is none of the data.
        """
        return self._numbers[self._find(rows)]

    def accepts(self, rows: Matrix) -> bool:
        """Whether all these rows are rows of the data."""
        return all(key in self._places for key in _keys(rows))

    def _find(self, rows: Matrix) -> list[int]:
        try:
            return [self._places[key] for key in _keys(rows)]
        except KeyError:
            raise SourceError(
                "no answer is recorded for this row; only rows of the data can be asked"
            ) from None


def read_onnx(
    content: bytes, table: Table, target: str | None = None, classes: Sequence[str] | None = None
) -> Recorded:
    """Take on the ONNX model in ``content``; the table holds rows and what the model answered to each.

    Features are found by the names of the inputs, or, where one matrix goes in, are all columns that are no
    answers, in their order. The answers are the column ``target`` (by default the last that is no feature)
    and, of a classifier, the columns ``probability_<class>``; without these the graph's probabilities are
    left out. ``classes`` names the classes in the model's order.

    Raises:
        SourceError: the file, the table and the names do not fit together.
    """
    recorded = Recorded(understand(content), table, target, classes)
    _try(recorded)
    return recorded


class _Where(NamedTuple):
    """Columns of the table."""

    features: tuple[str, ...]
    target: str
    probabilities: tuple[str, ...]


def _columns(foreign: Foreign, table: Table, target: str | None) -> _Where:
    inputs = () if foreign.is_matrix else tuple(port.name for port in foreign.inputs)
    probabilities = tuple(
        name
        for name in table.header
        if foreign.is_classifier and name.startswith(PROBABILITY) and name not in inputs
    )
    others = [name for name in table.header if name not in {*probabilities, *inputs}]
    if target is None and not others:
        raise SourceError(
            f"{table.path} has no column of answers; an ONNX file is proved by the answers that were "
            "recorded beside the rows"
        )
    target = target or others[-1]
    table.demand([target], f"its header names {listing(table.header)}")
    table.demand(inputs, f"the model takes {listing(inputs)}")
    features = inputs or tuple(name for name in others if name != target)
    width = foreign.inputs[0].width if foreign.is_matrix else len(inputs)
    if not features or width not in (None, len(features)):
        raise SourceError(
            f"{table.path} has {len(features)} feature columns ({listing(features)}) beside the answers "
            f"({listing([target, *probabilities])}), the model takes {width}; name the answers with --target"
        )
    return _Where(features, target, probabilities)


def _dtypes(foreign: Foreign, features: int) -> tuple[Dtype, ...]:
    ports = foreign.inputs * features if foreign.is_matrix else foreign.inputs
    return tuple(port.dtype for port in ports)


def _coding(table: Table, names: tuple[str, ...], dtypes: Sequence[Dtype]) -> Coding:
    """Strings are where the graph takes strings, however the cells look."""
    strings = [name for name, dtype in zip(names, dtypes, strict=True) if dtype == "string"]
    for name, dtype in zip(names, dtypes, strict=True):
        if dtype == "string":
            continue
        column = table.matrix([name])[:, 0]
        if dtype == "int64" and (odd := np.flatnonzero(column != np.round(column))).size:
            raise SourceError(
                f"{table.path}: row {odd[0] + 1}, column {name!r}: {column[odd[0]]} is no integer, and the "
                "model takes int64"
            )
    return coding_from(table, names, strings)


def _classes(foreign: Foreign, table: Table, target: str, classes: Sequence[str] | None) -> tuple[Label, ...]:
    """What the graph says; else ``classes``, else the distinct answers of the data, sorted."""
    width = foreign.probabilities.width if foreign.probabilities else None
    told = foreign.classes or _guessed_classes(foreign, table, target, classes, width)
    if width not in (None, len(told)):
        raise SourceError(
            f"the model gives {width} probabilities and {len(told)} classes are known "
            f"({listing(label_text(label) for label in told)}); name them all with --classes"
        )
    if classes and len(classes) != len(told):
        raise SourceError(f"expected {len(told)} class names, came {len(classes)}: {listing(classes)}")
    return told


def _guessed_classes(
    foreign: Foreign, table: Table, target: str, classes: Sequence[str] | None, width: int | None
) -> tuple[Label, ...]:
    if foreign.answer.dtype == "string":
        return tuple(classes or sorted(set(table.text(target))))
    if classes:
        numbered = all(name.isascii() and name.removeprefix("-").isdecimal() for name in classes)
        return tuple(map(int, classes)) if numbered else tuple(range(len(classes)))
    found = sorted(set(answers.values(table, target).tolist()))
    if odd := [value for value in found if not value.is_integer()]:
        raise SourceError(f"{table.path}: column {target!r} says {odd[0]}; the model's labels are integers")
    if width and all(0 <= value < width for value in found):
        return tuple(range(width))
    return tuple(map(int, found))


def _answers(
    foreign: Foreign, table: Table, where: _Where, names: Sequence[Label], own: Sequence[Label]
) -> tuple[NDArray[np.int64], Matrix]:
    """Labels ``(n,)`` or ``(0,)``, and numbers ``(n, classes)``, ``(n, 1)`` or ``(n, 0)``."""
    if not foreign.is_classifier:
        return np.empty(0, np.int64), _rounded(
            answers.values(table, where.target)[:, np.newaxis], foreign.answer.dtype
        )
    labels = answers.indices(table, where.target, names, own)
    if not where.probabilities:
        return labels, np.empty((len(labels), 0))
    if foreign.probabilities is None:
        raise SourceError(
            f"{table.path} has a column {where.probabilities[0]!r}, but the model gives labels only"
        )
    columns = _probability_columns(table, where, names, own)
    found = np.stack([answers.values(table, name) for name in columns], axis=1)
    return labels, _rounded(found, foreign.probabilities.dtype)


def _probability_columns(
    table: Table, where: _Where, names: Sequence[Label], own: Sequence[Label]
) -> list[str]:
    """One column per class, by its name or by the model's own label."""
    for labels in (names, own):
        wanted = [f"{PROBABILITY}{label_text(label)}" for label in labels]
        if set(wanted) == set(where.probabilities):
            return wanted
    wanted = [f"{PROBABILITY}{label_text(label)}" for label in names]
    raise SourceError(
        f"{table.path}: expected the columns {listing(wanted)}, or none of probabilities; it has "
        f"{listing(where.probabilities)}"
    )


def _rounded(numbers: Matrix, dtype: Dtype) -> Matrix:
    with np.errstate(over="ignore"):
        return numbers.astype(dtype).astype(np.float64)


def _bound(foreign: Foreign) -> Bound:
    """One unit in the last place, at 1.0 for small numbers: whoever recorded the answers ran another build of
    onnxruntime on another processor, whose ``exp`` and sums may round the last bit otherwise."""
    numbers = foreign.probabilities or foreign.answer
    return DOUBLED if numbers.dtype == "float64" else SINGLE


def _keys(rows: Matrix) -> list[bytes]:
    """Each row's bits, every NaN the same."""
    plain = np.where(np.isnan(rows), np.nan, rows)
    return [row.tobytes() for row in plain]


def _index(table: Table, rows: Matrix, labels: NDArray[np.int64], numbers: Matrix) -> dict[bytes, int]:
    """Row number by row, refusing equal rows with different answers."""
    places: dict[bytes, int] = {}
    for number, key in enumerate(_keys(rows)):
        first = places.setdefault(key, number)
        same = not len(labels) or labels[first] == labels[number]
        if not same or not np.array_equal(numbers[first], numbers[number]):
            raise SourceError(
                f"{table.path}: rows {first + 1} and {number + 1} are equal, their answers are not; "
                "expected what the model answered, not what was right"
            )
    return places


def _try(recorded: Recorded) -> None:
    """Refuse a graph that does not run, or does not give one answer per row."""
    features = tuple(
        Feature(name=name, dtype=dtype) for name, dtype in zip(recorded.names, recorded.dtypes, strict=True)
    )
    probabilities = recorded.has_probabilities or not recorded.classes
    signature = Signature(features=features, classes=recorded.classes, probabilities=probabilities)
    rows = recorded.rows[:PROBED]
    try:
        session = Session(recorded.model, signature)
        given = session.answers(session.feed(recorded.coding.rows(rows)))
    except BrokenEntry as error:
        raise SourceError(f"the graph cannot be served: {error}") from error
    except Exception as error:  # of onnxruntime, a dozen unrelated classes
        raise SourceError(f"the graph does not answer the first rows ({type(error).__name__})") from error
    expected = (len(rows), recorded.numbers(rows).shape[1])
    if given.numbers.shape != expected or (recorded.classes and len(given.labels) != len(rows)):
        raise SourceError(
            f"the graph gives {len(given.labels)} labels and numbers of shape {given.numbers.shape} to "
            f"{len(rows)} rows, expected numbers of shape {expected}"
        )
