"""What a study file may say. ``research/studies`` holds the shipped ones."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from registry.manifest import NAME, Task
from research.study.errors import StudyError

Kind = Literal["heuristic", "linear", "decision_tree", "random_forest", "xgboost"]
Table = Literal["iris", "wine", "breast_cancer", "digits", "diabetes"]
SHIPPED = Path(__file__).parent.parent / "studies"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every part of a study file; a key that is not known is refused."""


class Generated(Part, frozen=True, kw_only=True):
    """A made-up table of two classes or more (``sklearn.datasets.make_classification``)."""

    rows: int
    features: int
    informative: int
    classes: int = 2
    flipped: float = 0.0
    """Share of the labels that are drawn by chance: no model can know these."""
    separation: float = 1.0


class Data(Part, frozen=True, kw_only=True):
    """Where the rows come from: exactly one of ``table``, ``generated`` and ``file``."""

    table: Table | None = None
    """A table that comes with scikit-learn."""
    generated: Generated | None = None
    file: str | None = None
    """CSV or Parquet, relative to the study file."""
    target: str | None = None
    """Column of the right answers; only, and always, with ``file``."""
    features: tuple[str, ...] = ()
    """Columns to learn from; default: all but the target."""
    task: Task | None = None
    """Of a file; default: classification of strings, or of at most 20 different whole numbers."""
    units: dict[str, str] = {}
    """Unit of each feature, where it has one."""

    def __post_init__(self) -> None:
        """Refuse two sources, or none."""
        given = [name for name in ("table", "generated", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of 'table', 'generated' and 'file', came {given or 'none'}")
        if (self.file is None) != (self.target is None):
            raise ValueError("expected 'target' with 'file', and with nothing else")


class RuleText(Part, frozen=True, kw_only=True):
    """A rule of a heuristic: answers when the feature is below the bound."""

    feature: str
    below: float
    answer: str


class Family(Part, frozen=True, kw_only=True):
    """One model family with everything that is decided about it."""

    kind: Kind | None = None
    """Default: the family's own name."""
    parameters: dict[str, Any] = {}
    """Of the estimator; what is not named keeps the library's default."""
    grid: dict[str, list[Any]] = {}
    """What the nested search may choose from; empty: nothing to search."""
    rules: tuple[RuleText, ...] = ()
    """Of a heuristic, in the order in which they are asked."""
    otherwise: str | None = None
    """Of a heuristic: the answer when no rule holds."""


class Sampled(Part, frozen=True, kw_only=True):
    """Base of the methods."""

    rows: int | None = None
    """Use a sample of so many rows, for what would take too long on all of them."""


class LeaveOneOut(Sampled, frozen=True, kw_only=True):
    """Every row is asked of a model that saw all others."""


class RepeatedKFold(Sampled, frozen=True, kw_only=True):
    """Cross-validation, several times with other folds; stratified for a classification."""

    folds: int = 10
    repeats: int = 10


class HoldOut(Sampled, frozen=True, kw_only=True):
    """One split."""

    share: float = 0.3
    """Of the rows that are asked and not fitted on."""


class OutOfBag(Sampled, frozen=True, kw_only=True):
    """Rows asked of the trees that did not see them; of random forests only."""


class Nested(Sampled, frozen=True, kw_only=True):
    """A search over the grid inside every fold of a cross-validation."""

    folds: int = 5
    inner: int = 3


class Methods(Part, frozen=True, kw_only=True):
    """The ways of holding rows out; a method that is not named is not used."""

    leave_one_out: LeaveOneOut | None = None
    repeated_k_fold: RepeatedKFold | None = None
    hold_out: HoldOut | None = None
    out_of_bag: OutOfBag | None = None
    nested: Nested | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that hold nothing out."""
        for name in self.__struct_fields__:
            method = getattr(self, name)
            for key in ("folds", "inner", "rows") if method else ():
                if (number := getattr(method, key, None)) is not None and number < 2:
                    raise ValueError(f"methods.{name}.{key}: expected 2 or more, came {number}")
        if self.repeated_k_fold and self.repeated_k_fold.repeats < 1:
            raise ValueError("methods.repeated_k_fold.repeats: expected 1 or more")
        if self.hold_out and not 0 < self.hold_out.share < 1:
            raise ValueError(f"methods.hold_out.share: expected between 0 and 1, came {self.hold_out.share}")
        if not any(getattr(self, name) for name in self.__struct_fields__):
            raise ValueError(f"methods: expected one or more of {', '.join(self.__struct_fields__)}")


USUAL = Methods(repeated_k_fold=RepeatedKFold(folds=5, repeats=2), hold_out=HoldOut())


class Study(Part, frozen=True, kw_only=True):
    """A study file; only ``[data]`` must be there."""

    title: str = ""
    """Default: the name of the file."""
    about: str = "Rows of your own"
    """One line: what the rows are."""
    seed: int = 0
    """Of every choice by chance: folds, samples, trees."""
    data: Data
    families: dict[str, Family] = {}
    """Default: every kind that can learn from the rows, with the libraries' own parameters."""
    methods: Methods = USUAL
    """Default: five folds, twice, and one split."""

    def __post_init__(self) -> None:
        """Refuse families that nobody knows, or that could not be kept under their name."""
        for name, family in self.families.items():
            if not NAME.fullmatch(name):
                raise ValueError(f"families: {name!r} cannot be the name of a model")
            if family.kind is None and name not in Kind.__args__:  # type: ignore[attr-defined]
                raise ValueError(
                    f"unknown family {name!r}{_near(name, KINDS)}; there are: {', '.join(KINDS)}; "
                    "a name of your own needs 'kind'"
                )


KINDS: tuple[str, ...] = Kind.__args__  # type: ignore[attr-defined]


def kind_of(name: str, family: Family) -> str:
    """What sort of model a family is."""
    return family.kind or name


def find(text: str) -> Path:
    """A shipped study by its name, or a study file by its path.

    Raises:
        StudyError: there is neither.
    """
    shipped = SHIPPED / f"{text}.toml"
    if re.fullmatch(r"\w+", text) and shipped.is_file():
        return shipped
    if Path(text).is_file():
        return Path(text)
    raise StudyError(f"no study {text!r}; there are: {', '.join(names())}, or give the path of a .toml file")


def names() -> list[str]:
    """The shipped studies."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def read(path: Path) -> Study:
    """Read a study file.

    Raises:
        StudyError: it cannot be read or is none; the text says where and why.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Study)
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise StudyError(f"{path}: {_explained(str(error))}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None


def _explained(text: str) -> str:
    """With the nearest known key, where an unknown one came."""
    found = re.search(r"unknown field `([^`]*)`", text)
    if not found:
        return text
    known = sorted({key for part in _parts(Part) for key in part.__struct_fields__})
    return f"{text}: unknown key{_near(found[1], known)}"


def _parts(base: type[Part]) -> list[type[Part]]:
    return [base, *(part for child in base.__subclasses__() for part in _parts(child))]


def _near(name: str, known: tuple[str, ...] | list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
