"""The label on a sealed model: typed, frozen, and the same bytes for the same content."""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec

from registry.errors import InvalidName
from registry.record import Record as Record  # as: for whoever writes records of their own
from registry.record import encode as encode
from registry.verdict import Verdict

NAME = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,128}")
"""A model name: letters, digits, ``_ . -``, at most 128, no leading dot (so neither ``..`` nor hidden)."""

Dtype = Literal["float32", "float64", "int64", "string"]
Task = Literal["classification", "regression"]
Value = int | float | str | None
"""Of a feature, in a row; None is missing."""
Label = str | bool | int | float
"""A class as the trainer named it; answers carry it in its own JSON type."""


def label_text(label: Label) -> str:
    """A label as a word: what JSON would write, without quotes."""
    return label if isinstance(label, str) else msgspec.json.encode(label).decode()


class Feature(Record, frozen=True, kw_only=True):
    """One input column."""

    name: str
    dtype: Dtype
    """What the model receives. Requests carry float64 numbers, which are rounded to this once."""
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    """Smallest value that is answered; a smaller one is refused. None: no bound but the dtype's."""
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    """The only strings that are answered (dtype ``string``). None: any."""
    may_be_missing: bool = False
    """Whether JSON ``null`` is allowed; it reaches the model as NaN."""
    example: float | str | None = None
    """A typical value, shown in the documentation."""


class Signature(Record, frozen=True, kw_only=True):
    """What goes in and what comes out."""

    features: tuple[Feature, ...]
    classes: tuple[Label, ...] = ()
    """Class labels; the model's output ``label`` (int64) is an index into this list. None: a regression."""
    probabilities: bool = True
    """Whether a classifier knows how sure it is; some (a linear SVM) give labels only."""

    @property
    def task(self) -> Task:
        """What kind of answer comes out."""
        return "classification" if self.classes else "regression"

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names in the order in which rows are read."""
        return tuple(feature.name for feature in self.features)

    @property
    def interface(self) -> tuple[object, ...]:
        """What a client can notice of it, to compare two: not the width of a float, and no words."""
        features = [
            (
                f.name,
                f.unit,
                f.dtype.rstrip("0123456789"),
                f.minimum,
                f.maximum,
                f.categories,
                f.may_be_missing,
            )
            for f in self.features
        ]
        classes = tuple(map(repr, self.classes))  # to Python 1, 1.0 and True are equal; in JSON they are not
        return features, classes, self.probabilities

    def __post_init__(self) -> None:
        """Refuse a signature that contradicts itself."""
        if not self.features or len(set(self.names)) != len(self.features):
            raise ValueError("expected one or more features with distinct names")
        if len(set(self.classes)) != len(self.classes) or len({type(label) for label in self.classes}) > 1:
            raise ValueError("expected distinct class labels of one type")
        for feature in self.features:
            low, high = feature.minimum, feature.maximum
            if low is not None and high is not None and low > high:
                raise ValueError(f"feature {feature.name!r}: minimum {low} is above maximum {high}")
            if not all(bound is None or math.isfinite(bound) for bound in (low, high)):
                raise ValueError(f"feature {feature.name!r}: a bound is a finite number, or none")
            if feature.may_be_missing and feature.dtype in ("int64", "string"):
                raise ValueError(f"feature {feature.name!r}: only float features may be missing")


class Histogram(Record, frozen=True, kw_only=True):
    """What one column of the training data looked like."""

    feature: str
    missing: int = 0
    edges: tuple[float, ...] = ()
    """Numbers: ``bins + 1`` edges, the first the smallest value seen and the last the largest."""
    values: tuple[str, ...] = ()
    """Strings: the values that were seen, most frequent first."""
    counts: tuple[int, ...] = ()
    """Rows per bin or per value."""


class TrainingData(Record, frozen=True, kw_only=True):
    """Which rows the model was trained on."""

    name: str
    rows: int
    sha256: str
    """Digest of the rows and the answers; ``convert.sources.carding`` says how it is taken."""
    histograms: tuple[Histogram, ...] = ()


class Metric(Record, frozen=True, kw_only=True):
    """One measured quality, with the method that produced it."""

    name: str
    value: float
    method: str
    low: float | None = None
    """With ``high``, an interval of 95 % confidence around ``value``; ``method`` says which one."""
    high: float | None = None


class Bound(Record, frozen=True, kw_only=True):
    """How far an answer may be from the trained model's. All zero: the same bits."""

    ulp: int = 0
    """A number may differ by so many units in the last place of the output's own dtype,"""
    absolute: float = 0.0
    """or by so much, whichever allows more."""
    margin_ulp: int = 0
    """Any answer is right that the trained model itself gives when each input moves by at most so many units
    in the last place of float64. 0: no such allowance."""

    @property
    def words(self) -> str:
        """For people."""
        allowed = [f"{self.ulp} ulp"] if self.ulp else []
        allowed += [f"{self.absolute:g}"] if self.absolute else []
        close = f"within {' or '.join(allowed)}" if allowed else "the same bits"
        if not self.margin_ulp:
            return close
        return f"{close}, or the trained model's own answer to inputs within {self.margin_ulp} ulp"


class WorstRow(Record, frozen=True, kw_only=True):
    """The row of a kind on which the two answers were furthest apart."""

    inputs: tuple[Value, ...]
    expected: tuple[Label, ...]
    """Of the trained model: the label, then the numbers."""
    served: tuple[Label, ...]


class ParityRows(Record, frozen=True, kw_only=True):
    """How the sealed model compared with the trained one on one kind of row."""

    kind: str
    rows: int
    label_mismatches: int
    max_ulp: float
    """Largest difference of any number of the answer, in units in the last place of the output's dtype, among
    those that differ by more than ``Bound.absolute``."""
    max_abs_error: float
    refused: int = 0
    """Rows of the kind that were left out, as the trained model does not answer them."""
    within_margin: int = 0
    """Rows that were right only by ``Bound.margin_ulp``; the two figures above leave them out."""
    worst: WorstRow | None = None
    """None where no row differed at all."""


class Parity(Record, frozen=True, kw_only=True):
    """Proof that the sealed model answers as the trained one does."""

    oracle: str
    """What gave the expected answers: library, version and class."""
    bound: Bound
    """What was allowed; golden rows are held to it at load."""
    kinds: tuple[ParityRows, ...]
    rows_alone: int
    """Rows that were also asked alone, and at other places of a batch of another size."""
    rows_changed: int = 0
    """Those of them whose bits changed with that, inside the bound; none where the bound is zero."""
    inexact: str = ""
    """Why the model was published only because its publisher insisted; empty where it met its target."""


class Measured(Record, frozen=True, kw_only=True):
    """What the machine that converted the model saw. The only part that two conversions do not share."""

    latency_p50_us: float
    """One row through the session, in process; in the quietest of several rounds."""
    latency_p99_us: float
    memory_bytes: int
    """Resident memory that one more session of this model takes."""
    machine: str


class Card(Record, frozen=True, kw_only=True):
    """What the trainer knows of the model; conversion adds the rest."""

    description: str
    task: Task
    signature: Signature
    training_data: TrainingData
    metrics: tuple[Metric, ...]
    budget_ms: float = 10.0
    """p99 that a served single-row answer must keep, in milliseconds."""

    def __post_init__(self) -> None:
        """Refuse a task that the signature does not have."""
        if self.task != self.signature.task:
            raise ValueError(f"the task is {self.task}, but the signature is that of a {self.signature.task}")


class Manifest(Record, frozen=True, kw_only=True):
    """Everything about a sealed model but the model."""

    format: Literal[1] = 1
    name: str
    version: int
    sha256: str
    """Digest of the exact bytes of ``model.onnx``."""
    size_bytes: int
    opsets: dict[str, int]
    versions: dict[str, str]
    """Of the trainer, the converters and the onnxruntime that the proof ran on."""
    card: Card
    parity: Parity
    measured: Measured
    verdict: Verdict | None = None
    """Of the gates when it was published. None: they were not asked. Each promotion asks them again, and the
    answer of that day stands in the history."""

    @property
    def signature(self) -> Signature:
        """What goes in and what comes out."""
        return self.card.signature

    @property
    def reference(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"


class Golden(Record, frozen=True, kw_only=True):
    """Rows with the answers that the training library gave; ``n`` rows throughout."""

    kinds: tuple[str, ...]
    """What each row was chosen for."""
    inputs: tuple[tuple[Value, ...], ...]
    """``(n, features)``, float64 as a client would send them; None is missing."""
    labels: tuple[Label, ...] = ()
    """Of a classifier."""
    probabilities: tuple[tuple[float, ...], ...] = ()
    """``(n, classes)``, of a classifier that gives them."""
    values: tuple[float, ...] = ()
    """Of a regression."""

    def __post_init__(self) -> None:
        """Refuse columns of different lengths: nothing may be compared with nothing."""
        answers = [column for column in (self.labels, self.probabilities, self.values) if column]
        if not answers or any(len(column) != len(self.inputs) for column in (self.kinds, *answers)):
            raise ValueError("expected at least one row, and as many kinds and answers as inputs")

    def check_fits(self, signature: Signature) -> None:
        """Refuse rows and answers that the signature does not have.

        Raises:
            ValueError
        """
        features, classes = len(signature.features), len(signature.classes)
        if any(len(row) != features for row in self.inputs):
            raise ValueError(f"expected golden rows of {features} features")
        expected = bool(classes), bool(classes) and signature.probabilities, not classes
        if (bool(self.labels), bool(self.probabilities), bool(self.values)) != expected:
            raise ValueError("expected golden rows with the kinds of answer that the signature has")
        if any(len(row) != classes for row in self.probabilities):
            raise ValueError(f"expected {classes} probabilities per golden row")
        if strangers := set(map(repr, self.labels)) - set(map(repr, signature.classes)):
            raise ValueError(f"golden label {min(strangers)} is not a class of the signature")


def check_name(name: str) -> None:
    """Refuse what cannot be a folder of the registry.

    Raises:
        InvalidName
    """
    if not NAME.fullmatch(name):
        raise InvalidName(
            f"{name[:80]!r} is not a model name: expected at most 128 letters, digits, '_', '.' or '-', "
            "no leading dot"
        )


def parse_reference(text: str) -> tuple[str, int | None]:
    """Split ``name`` or ``name@version``.

    Raises:
        InvalidName: it is neither.
    """
    name, at, version = text.partition("@")
    check_name(name)
    if not at:
        return name, None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise InvalidName(f"{text[:80]!r}: expected a positive version number after '@'")
    return name, int(version)
