"""The label on a sealed model: typed, frozen, and the same bytes for the same content."""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec

from registry.errors import InvalidName

NAME = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,128}")
"""A model name: letters, digits, ``_ . -``, at most 128, no leading dot (so neither ``..`` nor hidden)."""

Dtype = Literal["float32", "float64", "int64", "string"]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything that is written into an entry. ``kw_only`` is not inherited."""


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
    classes: tuple[str, ...]
    """Class labels; the model's output ``label`` (int64) is an index into this list."""

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
        return features, self.classes

    def __post_init__(self) -> None:
        """Refuse a signature that contradicts itself."""
        if not self.features or len(set(self.names)) != len(self.features):
            raise ValueError("expected one or more features with distinct names")
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise ValueError("expected one or more distinct class labels")
        for feature in self.features:
            low, high = feature.minimum, feature.maximum
            if low is not None and high is not None and low > high:
                raise ValueError(f"feature {feature.name!r}: minimum {low} is above maximum {high}")
            if not all(bound is None or math.isfinite(bound) for bound in (low, high)):
                raise ValueError(f"feature {feature.name!r}: a bound is a finite number, or none")
            if feature.may_be_missing and feature.dtype in ("int64", "string"):
                raise ValueError(f"feature {feature.name!r}: only float features may be missing")


class TrainingData(Record, frozen=True, kw_only=True):
    """Which rows the model was trained on."""

    name: str
    rows: int
    sha256: str
    """Digest of the feature matrix (float64, C order) followed by the labels (int64)."""


class Metric(Record, frozen=True, kw_only=True):
    """One measured quality, with the method that produced it."""

    name: str
    value: float
    method: str


class ParityRows(Record, frozen=True, kw_only=True):
    """How the sealed model compared with the trained one on one kind of row."""

    kind: str
    rows: int
    label_mismatches: int
    max_abs_error: float
    """Largest absolute difference of any class probability."""


class Parity(Record, frozen=True, kw_only=True):
    """Proof that the sealed model answers as the trained one does."""

    oracle: str
    """What gave the expected answers: library, version and class."""
    probability_bound: float
    """No probability differs by more; golden rows are held to it at load."""
    kinds: tuple[ParityRows, ...]


class Measured(Record, frozen=True, kw_only=True):
    """What the machine that converted the model saw. The only part that two conversions do not share."""

    latency_p50_us: float
    """One row through the session, in process."""
    latency_p99_us: float
    memory_bytes: int
    """Resident memory that one more session of this model takes."""
    machine: str


class Card(Record, frozen=True, kw_only=True):
    """What the trainer knows of the model; conversion adds the rest."""

    description: str
    task: Literal["classification"]
    signature: Signature
    training_data: TrainingData
    metrics: tuple[Metric, ...]
    budget_ms: float = 10.0
    """p99 that a served single-row answer must keep, in milliseconds."""


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
    inputs: tuple[tuple[int | float | str | None, ...], ...]
    """``(n, features)``, float64 as a client would send them; None is missing."""
    labels: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]
    """``(n, classes)``"""

    def __post_init__(self) -> None:
        """Refuse columns of different lengths: nothing may be compared with nothing."""
        if not len(self.kinds) == len(self.inputs) == len(self.labels) == len(self.probabilities) > 0:
            raise ValueError(
                "expected the same number of kinds, inputs, labels and probabilities, at least one"
            )

    def check_fits(self, signature: Signature) -> None:
        """Refuse rows and answers that the signature does not have.

        Raises:
            ValueError
        """
        features, classes = len(signature.features), len(signature.classes)
        if any(len(row) != features for row in self.inputs):
            raise ValueError(f"expected golden rows of {features} features")
        if any(len(row) != classes for row in self.probabilities):
            raise ValueError(f"expected {classes} probabilities per golden row")
        if strangers := sorted(set(self.labels) - set(signature.classes)):
            raise ValueError(f"golden label {strangers[0]!r} is not a class of the signature")


def encode(record: Record) -> bytes:
    """Indented JSON with sorted keys and a final newline: the same bytes for the same content."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n"


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
