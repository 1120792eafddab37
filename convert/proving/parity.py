"""Holds the sealed model's answers, from the session that will serve it, against the trained model's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.coding import Coding, Matrix
from convert.errors import ParityError
from convert.proving.adversary import SEED
from convert.proving.margin import Judge, in_margin
from registry.manifest import Bound, Label, Parity, ParityRows, WorstRow
from server.session import Answers, Session, within

ALONE_ROWS = 64
"""Rows of each kind that are asked alone, and again at other places of batches of other sizes."""
CHUNK_ROWS = 4096
"""Rows that are run together: some graphs need memory for every pair of a row and a training row."""
LARGEST = sys.float_info.max
"""Stands for an infinite error, which JSON cannot hold."""
Mask = NDArray[np.bool_]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Judged:
    """Rows of one kind with the trained model's answers."""

    kind: str
    rows: Matrix
    labels: NDArray[np.int64]
    """``(n,)``, or ``(0,)`` of a regression."""
    numbers: Matrix
    """``(n, classes)`` probabilities, ``(n, 1)`` values, or ``(n, 0)``."""
    refused: int = 0
    """Rows of the kind that the trained model does not answer; they are left out."""


@dataclass(frozen=True)
class Compared:
    """One kind of rows after the comparison."""

    judged: Judged
    figures: ParityRows
    sound: Mask
    """``(n,)``: answered within the bound, no margin needed."""
    near: Mask
    """``(n,)``: answered with the right label and numbers that are off by something finite."""
    fault: str
    """What is wrong with the rows that are beyond it; empty when none is."""


def judge(oracle: Judge, kinds: Mapping[str, Matrix], say: Say) -> list[Judged]:
    """Ask the trained model for every right answer; rows that it refuses to answer are left out."""
    judged = []
    for kind, rows in kinds.items():
        say(f"asking the trained model for {len(rows)} rows: {kind}")
        kept = rows[_accepted(oracle, rows)]
        if len(kept):
            refused = len(rows) - len(kept)
            judged.append(Judged(kind, kept, oracle.labels(kept), oracle.numbers(kept), refused))
    return judged


@dataclass(frozen=True)
class Comparison:
    """A sealed model beside the trained one."""

    oracle: Judge
    session: Session
    classes: tuple[Label, ...]
    """As the card names them."""
    bound: Bound

    def run(self, judged: list[Judged], say: Say, insist: bool = False) -> tuple[Parity, list[Compared]]:
        """Compare every row, and some also alone and in other batches.

        With ``insist`` what is beyond the bound is not an error: the parity tells it, and a bound that holds.

        Raises:
            ParityError: a label differs, a number is beyond the bound, or a row's answer depends on the rows
                around it. The text names the kind, the worst row, what was expected and what came.
        """
        found, changed, alone = [], 0, 0
        for part in judged:
            say(f"comparing {len(part.rows)} rows: {part.kind}")
            served = answers(self.session, self.oracle.coding, part.rows)
            compared = self._hold(part, served)
            if compared.fault and not insist:
                raise ParityError(f"not published: {compared.fault}")
            found.append(compared)
            picked = sample(len(part.rows), ALONE_ROWS)
            changed += self._changed(part, served, picked, insist)
            alone += len(picked)
        faults = [compared.fault for compared in found if compared.fault]
        parity = Parity(
            oracle=self.oracle.describe,
            bound=_widened(self.bound, found) if faults else self.bound,
            kinds=tuple(compared.figures for compared in found),
            rows_alone=alone,
            rows_changed=changed,
            inexact=faults[0] if faults else "",
        )
        return parity, found

    def _hold(self, part: Judged, served: Answers) -> Compared:
        """Every row of one kind, in one batch."""
        if served.numbers.shape != part.numbers.shape:
            shapes = f"{part.numbers.shape} of the trained model, {served.numbers.shape} of the graph"
            raise ParityError(f"not published: the answers are not of one shape: {shapes}")
        same = part.labels == served.labels if len(part.labels) else np.ones(len(part.rows), np.bool_)
        sound = within(served.numbers, part.numbers, self.bound).all(axis=1) & same
        off = np.flatnonzero(~sound)
        counted = np.ones(len(sound), np.bool_)
        counted[off[in_margin(self.oracle, part.rows[off], _at(served, off), self.bound)]] = False
        error, ulp = _distance(served, part, self.bound)
        wrong = ~same & counted
        worst = int(np.argmax(np.where(counted, np.where(wrong, np.inf, error), -1.0)))
        differs = bool(counted[worst]) and bool(wrong[worst] or error[worst] > 0)
        figures = ParityRows(
            kind=part.kind,
            rows=len(sound),
            refused=part.refused,
            label_mismatches=int(wrong.sum()),
            max_ulp=min(float(ulp[counted].max(initial=0.0)), LARGEST),
            max_abs_error=min(float(error[counted].max(initial=0.0)), LARGEST),
            within_margin=int((~counted).sum()),
            worst=self._worst(part, served, worst) if differs else None,
        )
        beyond = int((counted & ~sound).sum())
        near = same & counted & np.isfinite(error)
        return Compared(part, figures, sound, near, _fault(figures, beyond, self.bound) if beyond else "")

    def _worst(self, part: Judged, served: Answers, row: int) -> WorstRow:
        inputs = self.oracle.coding.rows(part.rows[row : row + 1])[0].tolist()
        return WorstRow(
            inputs=tuple(None if value != value else _finite(value) for value in inputs),
            expected=self._told(Answers(part.labels, part.numbers), row),
            served=self._told(served, row),
        )

    def _told(self, given: Answers, row: int) -> tuple[Label, ...]:
        label = (self._named(int(given.labels[row])),) if len(given.labels) else ()
        return (*label, *(_finite(number) for number in given.numbers[row].tolist()))

    def _named(self, index: int) -> Label:
        """A graph may give an index that no class has."""
        return self.classes[index] if 0 <= index < len(self.classes) else f"none of the classes ({index})"

    def _changed(self, part: Judged, served: Answers, picked: list[int], insist: bool) -> int:
        """How many rows get other bits alone, or elsewhere in a batch; none where bits are promised."""
        coding, rows = self.oracle.coding, part.rows[picked]
        batch = _at(served, np.array(picked, np.intp))
        singles = [answers(self.session, coding, row[None]) for row in rows]
        alone = Answers(*(np.concatenate(column) for column in zip(*singles, strict=True)))
        turned = answers(self.session, coding, rows[::-1])
        moved = np.zeros(len(picked), np.bool_)
        for other in (alone, Answers(turned.labels[::-1], turned.numbers[::-1])):
            moved |= ~_equal(batch, other)
            near = within(other.numbers, batch.numbers.astype(np.float64), self.bound).all(axis=1)
            near &= batch.labels == other.labels if len(batch.labels) else True
            far = np.flatnonzero(~near)
            lost = far[~in_margin(self.oracle, rows[far], _at(other, far), self.bound)]
            if len(lost) and not insist:
                row = int(lost[0])
                raise ParityError(
                    f"not published: row {coding.rows(rows[[row]])[0].tolist()} of kind {part.kind!r} is "
                    f"answered {list(self._told(other, row))} alone and {list(self._told(batch, row))} in a "
                    f"batch of {len(part.rows)}"
                )
        return int(moved.sum())


def _accepted(oracle: Judge, rows: Matrix) -> Mask:
    """Which rows the trained model answers, by halves."""
    if not len(rows) or oracle.accepts(rows):
        return np.ones(len(rows), np.bool_)
    if len(rows) == 1:
        return np.zeros(1, np.bool_)
    middle = len(rows) // 2
    return np.concatenate([_accepted(oracle, rows[:middle]), _accepted(oracle, rows[middle:])])


def answers(session: Session, coding: Coding, rows: Matrix) -> Answers:
    """What the session says to all rows, a chunk at a time."""
    chunks = [rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS)]
    parts = [session.answers(session.feed(coding.rows(chunk))) for chunk in chunks]
    labels, numbers = zip(*parts, strict=True)
    return Answers(np.concatenate(labels), np.concatenate(numbers))


def sample(rows: int, number: int) -> list[int]:
    """At most ``number`` of the first ``rows`` numbers, always the same ones, ascending."""
    if rows <= number:
        return list(range(rows))
    chosen = np.random.default_rng(SEED).choice(rows, number, replace=False)
    return sorted(chosen.tolist())


def _distance(served: Answers, part: Judged, bound: Bound) -> tuple[Matrix, Matrix]:
    """Largest absolute error of each row ``(n,)``, and in ulp where it is above the absolute bound."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(served.numbers.astype(np.float64) - part.numbers)
        same = (served.numbers == part.numbers) | (np.isnan(served.numbers) & np.isnan(part.numbers))
        error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))
        ulp = error / np.spacing(np.abs(part.numbers.astype(served.numbers.dtype)))
    ulp = np.where(error > bound.absolute, np.where(np.isnan(ulp), np.inf, ulp), 0.0)
    return error.max(axis=1, initial=0.0), ulp.max(axis=1, initial=0.0)


def _at(served: Answers, rows: NDArray[np.intp]) -> Answers:
    return Answers(served.labels[rows] if len(served.labels) else served.labels, served.numbers[rows])


def _finite(value: Label) -> Label:
    """A number as JSON can hold it."""
    return str(value) if isinstance(value, float) and value - value != 0 else value


def _fault(figures: ParityRows, beyond: int, bound: Bound) -> str:
    assert figures.worst is not None  # a row beyond the bound differs
    worst = figures.worst
    return (
        f"{beyond} of {figures.rows} rows of kind {figures.kind!r} are answered otherwise than by the "
        f"trained model: {figures.label_mismatches} labels differ, numbers are off by up to "
        f"{figures.max_abs_error:.3g} ({figures.max_ulp:.3g} ulp; allowed: {bound.ulp} ulp or "
        f"{bound.absolute:.3g}); worst row {list(worst.inputs)}: expected {list(worst.expected)}, "
        f"got {list(worst.served)}"
    )


def _equal(one: Answers, other: Answers) -> Mask:
    same = ((one.numbers == other.numbers) | (np.isnan(one.numbers) & np.isnan(other.numbers))).all(axis=1)
    equal: Mask = same & (one.labels == other.labels) if len(one.labels) else same
    return equal


def _widened(bound: Bound, found: list[Compared]) -> Bound:
    """A bound that holds for the numbers that were seen."""
    error = max(compared.figures.max_abs_error for compared in found)
    return Bound(ulp=bound.ulp, absolute=max(bound.absolute, error), margin_ulp=bound.margin_ulp)
