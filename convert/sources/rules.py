"""A rule list: the first rule that holds gives the answer. Typed, readable JSON, its own oracle."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.errors import SourceError
from registry.manifest import Record, encode


class Answer(Record, frozen=True, kw_only=True):
    """A class, and how often each class occurred among the training rows that came this far."""

    answer: str
    counts: tuple[int, ...]
    """Training rows per class, in the order of ``RuleList.classes``."""

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Class frequencies, each one float64 division."""
        total = sum(self.counts)
        return tuple(count / total for count in self.counts)


class Rule(Answer, frozen=True, kw_only=True):
    """Holds when the feature is below the bound, compared in float64. A missing value is below nothing."""

    feature: str
    below: float


class RuleList(Record, frozen=True, kw_only=True):
    """Rules in the order in which they are asked."""

    features: tuple[str, ...]
    classes: tuple[str, ...]
    rules: tuple[Rule, ...]
    otherwise: Answer

    def __post_init__(self) -> None:
        """Refuse a list that contradicts itself."""
        for rule in self.rules:
            if rule.feature not in self.features:
                raise ValueError(f"unknown feature {rule.feature!r}; there are: {', '.join(self.features)}")
        for answer in self.answers:
            if answer.answer not in self.classes:
                raise ValueError(f"unknown class {answer.answer!r}; there are: {', '.join(self.classes)}")
            if len(answer.counts) != len(self.classes) or min(answer.counts) < 0 or not sum(answer.counts):
                raise ValueError(f"expected {len(self.classes)} counts, not all zero, came {answer.counts}")
            if self.classes[answer.counts.index(max(answer.counts))] != answer.answer:
                raise ValueError(
                    f"{answer.answer!r} is not the (first) most frequent class of {answer.counts}"
                )

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every rule and, last, what holds otherwise."""
        return (*self.rules, self.otherwise)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        """Class index of each row, ``(n, features) float64`` to ``(n,) int64``."""
        found = [self.classes.index(self._first(row).answer) for row in rows.tolist()]
        return np.array(found, np.int64)

    def predict_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Class frequencies of each row, ``(n, features) float64`` to ``(n, classes) float64``."""
        found = [self._first(row).probabilities for row in rows.tolist()]
        return np.array(found, np.float64).reshape(-1, len(self.classes))

    def _first(self, row: list[float]) -> Answer:
        for rule in self.rules:
            if row[self.features.index(rule.feature)] < rule.below:
                return rule
        return self.otherwise


def save(rules: RuleList, path: Path) -> None:
    """Write as JSON: the same bytes for the same rules."""
    path.write_bytes(encode(rules))


def parse(content: bytes, where: str) -> RuleList:
    """Read what ``save`` wrote.

    Raises:
        SourceError: it is not a rule list; the text says where.
    """
    try:
        return msgspec.json.decode(content, type=RuleList)
    except msgspec.MsgspecError as error:
        raise SourceError(f"{where} is not a rule list: {error}") from None
